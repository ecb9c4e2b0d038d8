//! A scope that several APIs share, as it is kept and as APIs refer to it.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::admin::nulls::without_nulls;
use crate::admin::object::Object;
use crate::admin::publisher::body::ScopeBody;
use crate::admin::publisher::fields::bounded;
use crate::admin::publisher::operations::asked;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::admin::texts;
use crate::store::{Kind, Record};

/// WSO2's limits.
const MOST_NAME: usize = 255;
const MOST_DESCRIPTION: usize = 512;

/// Reads a scope into its stored form, with its name.
pub(super) fn read(body: &ScopeBody) -> Result<(String, Map<String, Value>), Refused> {
    let Some(name) = body.name.as_deref() else {
        return Err(Refused::bad_request("`name` is missing"));
    };
    texts::name("name", name, MOST_NAME)?;
    if name.contains(char::is_whitespace) {
        return Err(Refused::bad_request("`name` of a scope has a space"));
    }
    let mut kept = Map::new();
    let prose = [
        ("displayName", &body.display_name, MOST_NAME),
        ("description", &body.description, MOST_DESCRIPTION),
    ];
    for (field, text, most) in prose {
        if let Some(text) = text {
            texts::prose(field, text, most)?;
            kept.insert(field.to_owned(), json!(text));
        }
    }
    if let Some(bindings) = &body.bindings {
        bounded("bindings", bindings.len())?;
        bindings.iter().try_for_each(|role| texts::name("bindings", role, MOST_NAME))?;
        kept.insert("bindings".to_owned(), json!(bindings));
    }
    Ok((name.to_owned(), kept))
}

pub(super) fn record(name: &str, kept: Map<String, Value>) -> Record {
    let mut record = Record::new(Kind::Scope, Uuid::new_v4(), name);
    record.extra = kept;
    record
}

/// Tells whether an API uses the shared scope of this name.
pub(super) fn uses(api: &Record, name: &str) -> bool {
    shared(api).any(|own| own == name)
}

/// The shared scopes that an API names.
fn shared(api: &Record) -> impl Iterator<Item = &str> {
    let scopes = api.extra.get("scopes").and_then(Value::as_array);
    let shared = scopes.into_iter().flatten().filter(|own| own.get("shared") == Some(&json!(true)));
    shared.filter_map(|own| own.get("name").and_then(Value::as_str))
}

/// Refuses an API that names a shared scope which is not there.
pub(super) async fn scopes_exist(admin: &Admin, api: &Record) -> Result<(), Refused> {
    for name in shared(api) {
        if admin.catalog.named(Kind::Scope, name).await?.is_none() {
            let shown: String = name.chars().take(50).collect();
            let description = format!("`scopes`: there is no shared scope {shown:?}");
            return Err(Refused::bad_request(description));
        }
    }
    Ok(())
}

pub(super) fn shown(scope: &Object, apis: &[Object]) -> Value {
    let record = &scope.record;
    let kept = |key: &str, or: Value| record.extra.get(key).cloned().unwrap_or(or);
    json!({
        "id": record.id,
        "name": record.name,
        "displayName": kept("displayName", json!(record.name)),
        "description": kept("description", json!("")),
        "bindings": kept("bindings", json!([])),
        "usageCount": apis.iter().filter(|api| uses(&api.record, &record.name)).count(),
    })
}

/// Returns the operations of APIs that require a scope.
pub(super) fn usage(scope: &Object, apis: &[Object]) -> Value {
    let name = &scope.record.name;
    let using = apis.iter().filter(|api| uses(&api.record, name));
    let used: Vec<_> = using
        .map(|api| {
            let record = &api.record;
            let operations = record.declared.get("operations").and_then(Value::as_array);
            let asks = |own: &&Value| {
                let scopes = own.get("scopes").and_then(Value::as_array);
                scopes.is_some_and(|all| all.iter().any(|scope| scope == name.as_str()))
            };
            let operations = operations.into_iter().flatten().filter(asks);
            let operations: Vec<_> = operations
                .map(|own| json!({ "target": own.get("path"), "verb": own.get("method") }))
                .collect();
            json!({
                "name": record.text("name"),
                "context": record.text("context"),
                "version": record.text("version"),
                "provider": record.owner,
                "usedResourceList": operations,
            })
        })
        .collect();
    without_nulls(json!({ "id": scope.record.id, "name": name, "usedApiList": used }))
}

/// Tells whether operations of an API require a scope, or it is one of its shared ones.
pub(super) fn is_needed(api: &Record, name: &str) -> bool {
    uses(api, name) || asked(api).any(|own| own == name)
}
