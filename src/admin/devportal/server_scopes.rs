//! The scopes of the APIs that a key manager serves, in the form of Identity Server 7.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::admin::object::Object;
use crate::admin::state::Admin;
use crate::registration::{ApiScope, ScopeEndpoints};
use crate::store::{Kind, Record, StoreError};

/// Reads the connector settings of a key manager; `None` if it registers no scopes.
pub(super) fn endpoints(key_manager: &Object) -> Option<ScopeEndpoints> {
    let record = &key_manager.record;
    if !matches!(record.text("type"), Some("WSO2-IS-7" | "fsKeyManager")) {
        return None;
    }
    let settings = record.extra.get("additionalProperties")?;
    let text = |name: &str| settings.get(name).and_then(Value::as_str).map(str::to_owned);
    let creates_roles = match settings.get("enable_roles_creation") {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text == "true",
        _ => false,
    };
    Some(ScopeEndpoints {
        api_resources: text("api_resource_management_endpoint")?,
        roles: text("is7_roles_endpoint"),
        creates_roles,
    })
}

/// Gathers the scopes, each once, with the roles that publishers bound to it.
pub(super) async fn scopes(
    admin: &Admin,
    key_manager: &Object,
) -> Result<Vec<ApiScope>, StoreError> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for api in admin.catalog.all(Kind::Api).await? {
        let record = &api.record;
        let named = record.declared.get("key_managers").and_then(Value::as_array);
        let name = key_manager.record.name.as_str();
        if named.is_some_and(|all| !all.is_empty() && !all.iter().any(|own| own == name)) {
            continue;
        }
        for scope in asked(record) {
            found.entry(scope.to_owned()).or_default();
        }
        let written = record.extra.get("scopes").and_then(Value::as_array);
        for scope in written.into_iter().flatten() {
            let Some(name) = scope.get("name").and_then(Value::as_str) else { continue };
            bind(&mut found, name, scope.get("bindings"));
        }
    }
    for shared in admin.catalog.all(Kind::Scope).await? {
        bind(&mut found, &shared.record.name, shared.record.extra.get("bindings"));
    }
    let scope = |(name, roles): (String, BTreeSet<String>)| ApiScope {
        name,
        roles: roles.into_iter().collect(),
    };
    Ok(found.into_iter().map(scope).collect())
}

/// Returns the scopes that the operations of an API require, each as often as it is required.
pub(super) fn asked(api: &Record) -> impl Iterator<Item = &str> {
    let operations = api.declared.get("operations").and_then(Value::as_array);
    let lists = operations.into_iter().flatten().filter_map(|own| own.get("scopes"));
    lists.filter_map(Value::as_array).flatten().filter_map(Value::as_str)
}

/// Adds roles to a scope that an operation asks for.
fn bind(found: &mut BTreeMap<String, BTreeSet<String>>, scope: &str, bindings: Option<&Value>) {
    let roles = bindings.and_then(Value::as_array).into_iter().flatten();
    if let Some(own) = found.get_mut(scope) {
        own.extend(roles.filter_map(Value::as_str).map(str::to_owned));
    }
}
