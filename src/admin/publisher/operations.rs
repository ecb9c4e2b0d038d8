//! Reads operations and scopes of an API, and shows them.

use serde_json::{Map, Value, json};

use crate::admin::publisher::body::{ApiOperationBody, ApiScopeBody};
use crate::admin::publisher::fields::{NO_POLICIES, bounded, only};
use crate::admin::refused::Refused;
use crate::admin::texts;
use crate::store::Record;

/// The longest target.
const MOST_TARGET: usize = 1024;

/// WSO2's limits of scopes.
const MOST_SCOPE: usize = 255;
const MOST_SCOPE_DESCRIPTION: usize = 512;

/// The methods that WSO2 gives to an API without operations, all at `/*`.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];

/// The methods that WSO2 knows.
const VERBS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

const ANY_AUTH: &str = "Application & Application User";

/// Returns the operations of an API that names none.
pub(super) fn default_operations() -> Value {
    METHODS.iter().map(|method| json!({ "method": method, "path": "/*" })).collect()
}

/// Reads operations into the form of `gateway.toml`.
pub(super) fn declared(operations: &[ApiOperationBody]) -> Result<Value, Refused> {
    bounded("operations", operations.len())?;
    operations.iter().map(operation).collect()
}

fn operation(body: &ApiOperationBody) -> Result<Value, Refused> {
    let needed = |field: &str, text: &Option<String>| match text.as_deref().map(str::trim) {
        None | Some("") => Err(Refused::bad_request(format!("`operations.{field}` is missing"))),
        Some(text) => {
            texts::prose(&format!("operations.{field}"), text, MOST_TARGET)?;
            Ok(text.to_owned())
        }
    };
    let target = needed("target", &body.target)?;
    if !target.starts_with('/') {
        return Err(Refused::bad_request("`operations.target` begins with \"/\""));
    }
    let method = needed("verb", &body.verb)?.to_uppercase();
    if !VERBS.contains(&method.as_str()) {
        let description = format!("`operations.verb` is one of {}", VERBS.join(", "));
        return Err(Refused::bad_request(description));
    }
    without_function(body)?;
    let mut declared = Map::new();
    declared.insert("method".to_owned(), json!(method));
    declared.insert("path".to_owned(), json!(target));
    match body.auth_type.as_deref() {
        Some("None") => {
            declared.insert("auth".to_owned(), json!("none"));
        }
        None | Some("" | "Any" | ANY_AUTH | "Application" | "Application User") => {}
        Some(_) => {
            return Err(Refused::bad_request(format!(
                "`operations.authType` is None, Any, Application, Application User or {ANY_AUTH}"
            )));
        }
    }
    let scopes = body.scopes.as_deref().unwrap_or_default();
    bounded("operations.scopes", scopes.len())?;
    scopes.iter().try_for_each(|scope| texts::name("operations.scopes", scope, MOST_SCOPE))?;
    if !scopes.is_empty() {
        declared.insert("scopes".to_owned(), json!(scopes));
    }
    if let Some(policy) = body.throttling_policy.as_deref().filter(|own| !own.is_empty()) {
        texts::name("operations.throttlingPolicy", policy, 100)?;
        declared.insert("policy".to_owned(), json!(policy));
    }
    Ok(Value::Object(declared))
}

fn without_function(body: &ApiOperationBody) -> Result<(), Refused> {
    let nothing: &[&str] = &["[]", "{}", "\"\"", "0", "false"];
    let fields = [
        ("usedProductIds", &body.used_product_ids, nothing),
        ("amznResourceName", &body.amzn_resource_name, nothing),
        ("amznResourceTimeout", &body.amzn_resource_timeout, nothing),
        ("amznResourceContentEncode", &body.amzn_resource_content_encode, nothing),
        ("payloadSchema", &body.payload_schema, nothing),
        ("uriMapping", &body.uri_mapping, nothing),
        ("operationPolicies", &body.operation_policies, &NO_POLICIES),
        ("operationHubPolicies", &body.operation_hub_policies, nothing),
    ];
    fields.into_iter().try_for_each(|(name, value, permitted)| match value {
        Some(value) => only(&format!("operations.{name}"), value, permitted),
        None => Ok(()),
    })
}

/// Reads scopes into their stored form.
pub(super) fn scopes(bodies: &[ApiScopeBody]) -> Result<Value, Refused> {
    bounded("scopes", bodies.len())?;
    let mut kept: Vec<Value> = Vec::with_capacity(bodies.len());
    for ApiScopeBody { scope, shared } in bodies {
        let name = scope.name.as_deref().unwrap_or_default();
        texts::name("scopes.scope.name", name, MOST_SCOPE)?;
        if kept.iter().any(|own| own.get("name") == Some(&json!(name))) {
            let shown: String = name.chars().take(50).collect();
            return Err(Refused::bad_request(format!("`scopes` has {shown:?} twice")));
        }
        let mut members = Map::from_iter([("name".to_owned(), json!(name))]);
        let prose = [
            ("displayName", &scope.display_name, MOST_SCOPE),
            ("description", &scope.description, MOST_SCOPE_DESCRIPTION),
        ];
        for (field, text, most) in prose {
            if let Some(text) = text {
                texts::prose(&format!("scopes.scope.{field}"), text, most)?;
                members.insert(field.to_owned(), json!(text));
            }
        }
        if let Some(bindings) = &scope.bindings {
            bounded("scopes.scope.bindings", bindings.len())?;
            let each = |role: &String| texts::name("scopes.scope.bindings", role, MOST_SCOPE);
            bindings.iter().try_for_each(each)?;
            members.insert("bindings".to_owned(), json!(bindings));
        }
        members.insert("shared".to_owned(), json!(shared.unwrap_or(false)));
        kept.push(Value::Object(members));
    }
    Ok(Value::Array(kept))
}

pub(super) fn operations_shown(record: &Record) -> Vec<Value> {
    let declared = record.declared.get("operations").and_then(Value::as_array);
    let shown = |own: &Value| {
        let text = |key: &str| own.get(key).and_then(Value::as_str);
        let open = text("auth") == Some("none");
        json!({
            "id": "",
            "target": text("path"),
            "verb": text("method"),
            "authType": if open { "None" } else { ANY_AUTH },
            "throttlingPolicy": text("policy").unwrap_or("Unlimited"),
            "scopes": own.get("scopes").cloned().unwrap_or_else(|| json!([])),
            "usedProductIds": [],
            "operationPolicies": { "request": [], "response": [], "fault": [] },
            "operationHubPolicies": [],
        })
    };
    declared.into_iter().flatten().map(shown).collect()
}

/// Shows the scopes that were sent, and those that operations ask for besides.
pub(super) fn scopes_shown(record: &Record) -> Vec<Value> {
    let kept = record.extra.get("scopes").and_then(Value::as_array);
    let mut shown: Vec<(String, Value)> = Vec::new();
    for scope in kept.into_iter().flatten() {
        let mut scope = scope.clone();
        let Some(members) = scope.as_object_mut() else { continue };
        let shared = members.remove("shared").unwrap_or(Value::Bool(false));
        let name = members.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        members.entry("displayName").or_insert_with(|| json!(name));
        members.entry("description").or_insert_with(|| json!(""));
        members.entry("bindings").or_insert_with(|| json!([]));
        shown.push((name, json!({ "scope": scope, "shared": shared })));
    }
    for name in asked(record) {
        if !shown.iter().any(|(own, _)| own == name) {
            let scope = json!({ "name": name, "displayName": name, "description": "",
                                "bindings": [] });
            shown.push((name.to_owned(), json!({ "scope": scope, "shared": false })));
        }
    }
    shown.into_iter().map(|(_, scope)| scope).collect()
}

/// The scopes that operations ask for.
pub(super) fn asked(record: &Record) -> impl Iterator<Item = &str> {
    let operations = record.declared.get("operations").and_then(Value::as_array);
    let lists = operations.into_iter().flatten().filter_map(|own| own.get("scopes")?.as_array());
    lists.flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(operations: Value) -> Result<Value, Refused> {
        let bodies: Vec<ApiOperationBody> = serde_json::from_value(operations).unwrap();
        declared(&bodies)
    }

    #[test]
    fn operations_have_the_form_of_the_file() {
        let sent = json!([
            { "target": "/a/{id}", "verb": "get", "authType": "None", "throttlingPolicy": "" },
            { "target": "/*", "verb": "POST", "scopes": ["w"], "throttlingPolicy": "10KPerMin",
              "authType": "Any",
              "operationPolicies": { "request": [], "response": [], "fault": [] } },
        ]);
        let expected = json!([
            { "method": "GET", "path": "/a/{id}", "auth": "none" },
            { "method": "POST", "path": "/*", "scopes": ["w"], "policy": "10KPerMin" },
        ]);
        assert_eq!(read(sent).unwrap(), expected);
    }

    #[test]
    fn odd_operations_are_refused_by_name() {
        for (field, operation) in [
            ("target", json!({ "verb": "GET" })),
            ("target", json!({ "verb": "GET", "target": "a" })),
            ("target", json!({ "verb": "GET", "target": "/a\u{0}" })),
            ("target", json!({ "verb": "GET", "target": format!("/{}", "x".repeat(10_000)) })),
            ("verb", json!({ "target": "/a" })),
            ("authType", json!({ "verb": "GET", "target": "/a", "authType": "Basic" })),
            ("scopes", json!({ "verb": "GET", "target": "/a", "scopes": [""] })),
            ("amznResourceName", json!({ "verb": "GET", "target": "/a", "amznResourceName": "x" })),
            (
                "operationPolicies",
                json!({ "verb": "GET", "target": "/a",
                        "operationPolicies": { "request": [{ "policyName": "x" }] } }),
            ),
        ] {
            let refused = read(json!([operation])).unwrap_err();
            assert!(refused.description.contains(field), "{field}: {refused:?}");
        }
    }

    #[test]
    fn scopes_are_shown_with_those_that_operations_ask_for() {
        let bodies: Vec<ApiScopeBody> =
            serde_json::from_value(json!([{ "scope": { "name": "r", "bindings": ["staff"] } }]))
                .unwrap();
        let mut record = Record::new(crate::store::Kind::Api, uuid::Uuid::nil(), "a:1");
        record.extra.insert("scopes".to_owned(), scopes(&bodies).unwrap());
        let operations = json!([{ "method": "GET", "path": "/*", "scopes": ["r", "w"] }]);
        record.declared.insert("operations".to_owned(), operations);
        let shown = json!(scopes_shown(&record));
        assert_eq!(shown[0]["scope"]["bindings"], json!(["staff"]));
        assert_eq!((&shown[1]["scope"]["name"], shown.as_array().unwrap().len()), (&json!("w"), 2));
        let twice: Vec<ApiScopeBody> = serde_json::from_value(
            json!([{ "scope": { "name": "r" } }, { "scope": { "name": "r" } }]),
        )
        .unwrap();
        assert!(scopes(&twice).unwrap_err().description.starts_with("`scopes`"));
    }
}
