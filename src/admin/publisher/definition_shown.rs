//! Shows the definition of an API: the one that was sent, with the operations as they are now, or
//! one that is made of the API.

use serde_json::{Map, Value, json};

use crate::admin::publisher::definition::{AUTH_TYPE, TIER};
use crate::admin::publisher::operations::{asked, operations_shown};
use crate::store::Record;

/// WSO2's name of the scheme that holds the scopes.
const SCHEME: &str = "default";

/// The form asks for an address, and an API can have several authorization servers.
const AUTHORIZATION: &str = "https://localhost/authorize";

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

pub(super) fn definition(api: &Record, sent: Option<Value>) -> Value {
    let mut document = sent.unwrap_or_else(|| json!({ "openapi": "3.0.1" }));
    if let Some(members) = document.as_object_mut() {
        align(members, api);
    }
    document
}

fn align(document: &mut Map<String, Value>, api: &Record) -> Option<()> {
    let info = object(document, "info")?;
    info.insert("title".to_owned(), json!(api.text("name")));
    info.insert("version".to_owned(), json!(api.text("version")));
    put_scheme(document, api)?;
    let operations = operations_shown(api);
    let paths = object(document, "paths")?;
    for (path, item) in paths.iter_mut() {
        let Some(item) = item.as_object_mut() else { continue };
        item.retain(|name, _| {
            !METHODS.contains(&name.as_str()) || operations.iter().any(|own| is(own, path, name))
        });
    }
    paths.retain(|path, item| {
        let mut methods = item.as_object().into_iter().flat_map(Map::keys);
        !path.starts_with('/') || methods.any(|name| METHODS.contains(&name.as_str()))
    });
    operations.iter().try_for_each(|own| put_operation(paths, own))
}

/// An operation for every method stands for each of them.
fn is(operation: &Value, path: &str, method: &str) -> bool {
    let verb = operation.get("verb").and_then(Value::as_str).unwrap_or_default();
    operation.get("target") == Some(&json!(path))
        && (verb == "*" || verb.eq_ignore_ascii_case(method))
}

fn put_operation(paths: &mut Map<String, Value>, own: &Value) -> Option<()> {
    let text = |key: &str| own.get(key).and_then(Value::as_str).unwrap_or_default();
    let (path, verb) = (text("target"), text("verb").to_lowercase());
    let item = object(paths, path)?;
    let methods = METHODS.iter().filter(|method| verb == "*" || verb == **method);
    for method in methods {
        if !item.contains_key(*method) {
            item.insert((*method).to_owned(), json!({ "responses": responses() }));
        }
        let operation = object(item, method)?;
        operation.insert(AUTH_TYPE.to_owned(), own.get("authType").cloned().unwrap_or_default());
        operation.insert(TIER.to_owned(), json!(text("throttlingPolicy")));
        let scopes = own.get("scopes").cloned().unwrap_or_else(|| json!([]));
        operation.insert("security".to_owned(), json!([{ SCHEME: scopes }]));
        operation.remove("x-scope");
        if !operation.contains_key("parameters") {
            let parameters = parameters(path);
            if !parameters.is_empty() {
                operation.insert("parameters".to_owned(), Value::Array(parameters));
            }
        }
    }
    Some(())
}

fn responses() -> Value {
    json!({ "200": { "description": "ok" } })
}

/// The parts of a path in braces.
fn parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|own| own.strip_prefix('{')?.strip_suffix('}'));
    let text = json!({ "type": "string" });
    let parameter =
        |name: &str| json!({ "name": name, "in": "path", "required": true, "schema": text });
    names.map(parameter).collect()
}

fn put_scheme(document: &mut Map<String, Value>, api: &Record) -> Option<()> {
    let scopes: Map<String, Value> = asked(api).map(|name| (name.to_owned(), json!(""))).collect();
    if document.contains_key("swagger") {
        let scheme = json!({ "type": "oauth2", "flow": "implicit",
                             "authorizationUrl": AUTHORIZATION, "scopes": scopes });
        object(document, "securityDefinitions")?.insert(SCHEME.to_owned(), scheme);
        return Some(());
    }
    let implicit = json!({ "authorizationUrl": AUTHORIZATION, "scopes": scopes });
    let scheme = json!({ "type": "oauth2", "flows": { "implicit": implicit } });
    let components = object(document, "components")?;
    object(components, "securitySchemes")?.insert(SCHEME.to_owned(), scheme);
    Some(())
}

/// Returns the object at a key. It is made if the key is missing or holds another type.
fn object<'m>(
    members: &'m mut Map<String, Value>,
    key: &str,
) -> Option<&'m mut Map<String, Value>> {
    let value = members.entry(key).or_insert(Value::Null);
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::admin::publisher::definition::read;
    use crate::store::Kind;

    fn api(operations: &Value) -> Record {
        let mut record = Record::new(Kind::Api, Uuid::nil(), "Pay:1");
        let declared = json!({ "name": "Pay", "version": "1", "operations": operations });
        record.declared = declared.as_object().unwrap().clone();
        record
    }

    #[test]
    fn a_definition_is_read_as_the_operations_that_it_was_made_of() {
        let operations = json!([
            { "method": "GET", "path": "/a/{id}", "scopes": ["r"], "policy": "10KPerMin" },
            { "method": "POST", "path": "/b", "auth": "none", "policy": "Unlimited" },
        ]);
        let shown = definition(&api(&operations), None);
        assert_eq!(shown["paths"]["/a/{id}"]["get"]["parameters"][0]["name"], "id");
        assert_eq!(read(shown).unwrap().declared(None), operations);
    }

    #[test]
    fn what_was_sent_is_shown_with_the_operations_of_now() {
        let sent = json!({ "openapi": "3.0.0", "info": { "title": "old", "contact": {} },
                           "paths": { "/a": { "get": { "summary": "A" }, "put": {} },
                                      "/gone": { "get": {} } } });
        let now = json!([{ "method": "GET", "path": "/a" }, { "method": "*", "path": "/new" }]);
        let shown = definition(&api(&now), Some(sent));
        assert_eq!(shown["info"], json!({ "title": "Pay", "version": "1", "contact": {} }));
        assert_eq!(shown["paths"]["/a"]["get"]["summary"], "A");
        assert!(shown["paths"]["/a"].get("put").is_none() && shown["paths"].get("/gone").is_none());
        assert_eq!(shown["paths"]["/new"].as_object().unwrap().len(), METHODS.len());
    }
}
