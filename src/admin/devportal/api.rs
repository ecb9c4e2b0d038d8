//! An API as developers see it.

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::devportal::policies::{ShownPolicy, offered_names, tier};
use crate::admin::object::Object;

/// An API in a list, and in a subscription.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShownApi {
    id: Uuid,
    name: String,
    display_name: String,
    description: String,
    context: String,
    version: String,
    #[serde(rename = "type")]
    kind: &'static str,
    created_time: String,
    provider: String,
    life_cycle_status: String,
    throttling_policies: Vec<String>,
    is_subscription_available: bool,
    gateway_vendor: &'static str,
    additional_properties: Vec<Value>,
    monetized_info: bool,
    egress: bool,
    subtype: &'static str,
}

/// Returns the state of an API; one without a state is published.
pub(super) fn state(api: &Object) -> &str {
    api.record.text("lifecycle").unwrap_or("published")
}

/// Tells whether applications can subscribe to it.
pub(super) fn is_open(api: &Object) -> bool {
    matches!(state(api), "published" | "prototyped")
}

fn needs_subscription(api: &Object) -> bool {
    let declared = api.record.declared.get("subscription_required");
    declared.and_then(Value::as_bool).unwrap_or(true)
}

impl ShownApi {
    pub(super) fn of(api: &Object) -> Self {
        let record = &api.record;
        let text = |key: &str| record.text(key).unwrap_or_default().to_owned();
        let extra = |key: &str| {
            record.extra.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let (name, version) = (text("name"), text("version"));
        let display_name = Some(extra("displayName")).filter(|own| !own.is_empty());
        let context = text("context");
        Self {
            id: record.id,
            display_name: display_name.unwrap_or_else(|| name.clone()),
            name,
            description: extra("description"),
            context: format!("{}/{version}", context.trim_end_matches('/')),
            version,
            kind: "HTTP",
            created_time: record.created_at.to_string(),
            provider: record.owner.clone().unwrap_or_else(|| extra("provider")),
            life_cycle_status: state(api).to_uppercase(),
            throttling_policies: offered_names(api).into_iter().map(str::to_owned).collect(),
            is_subscription_available: is_open(api) && needs_subscription(api),
            gateway_vendor: "wso2",
            additional_properties: Vec::new(),
            monetized_info: false,
            egress: false,
            subtype: "DEFAULT",
        }
    }
}

/// An API with everything that a developer needs to call it.
pub(super) fn details(api: &Object, policies: &[ShownPolicy], subscriptions: u64) -> Value {
    let record = &api.record;
    let mut shown = json!(ShownApi::of(api));
    let listed = |key: &str| record.declared.get(key).filter(|list| *list != &json!([])).cloned();
    let operations = record.declared.get("operations").and_then(Value::as_array);
    let operations: Vec<_> = operations.into_iter().flatten().map(operation).collect();
    let header = record.text("authorization_header").unwrap_or("Authorization");
    let flag = |key: &str| record.declared.get(key).and_then(Value::as_bool).unwrap_or(false);
    let backends = ["production", "sandbox"].into_iter();
    let environments: Vec<_> = backends
        .filter(|name| record.declared.contains_key(*name))
        .map(str::to_uppercase)
        .collect();
    let more = json!({
        "isDefaultVersion": flag("default_version"),
        "transport": ["http", "https"],
        "operations": operations,
        "authorizationHeader": header,
        "securityScheme": ["oauth2"],
        "tags": record.extra.get("tags").cloned().unwrap_or_else(|| json!([])),
        "tiers": policies.iter().map(tier).collect::<Vec<_>>(),
        "hasThumbnail": false,
        "endpointURLs": [],
        "environmentList": environments,
        "scopes": scopes(record.declared.get("operations")),
        "subscriptions": subscriptions,
        "categories": [],
        "keyManagers": listed("key_managers").unwrap_or_else(|| json!(["all"])),
        "lastUpdatedTime": record.updated_at.to_string(),
    });
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
        shown.remove("throttlingPolicies");
        shown.remove("monetizedInfo");
    }
    shown
}

fn operation(declared: &Value) -> Value {
    let text = |key: &str| declared.get(key).and_then(Value::as_str).unwrap_or_default();
    json!({ "id": "", "target": text("path"), "verb": text("method") })
}

/// The scopes that operations ask for, each once.
fn scopes(operations: Option<&Value>) -> Vec<Value> {
    let operations = operations.and_then(Value::as_array).into_iter().flatten();
    let lists = operations.filter_map(|operation| operation.get("scopes")?.as_array());
    let mut names: Vec<_> = lists.flatten().filter_map(Value::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let shown = |name| json!({ "key": name, "name": name, "roles": [], "description": "" });
    names.into_iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Kind, Record};

    #[test]
    fn an_api_is_shown_with_its_scopes_and_without_its_backend() {
        let mut record = Record::new(Kind::Api, Uuid::nil(), "Accounts:1.0");
        let declared = json!({
            "name": "Accounts", "version": "1.0", "context": "/accounts",
            "production": { "urls": ["http://secret.internal:8080"] },
            "operations": [
                { "method": "GET", "path": "/a", "scopes": ["read", "all"] },
                { "method": "PUT", "path": "/a", "scopes": ["all"] },
            ],
        });
        record.declared = declared.as_object().unwrap().clone();
        let api = Object::kept(record);
        let shown = details(&api, &[], 2);
        assert_eq!(shown["context"], "/accounts/1.0");
        assert_eq!(shown["lifeCycleStatus"], "PUBLISHED");
        assert_eq!(shown["environmentList"], json!(["PRODUCTION"]));
        let scopes: Vec<_> = shown["scopes"].as_array().unwrap().iter().collect();
        assert_eq!((scopes.len(), &scopes[0]["key"]), (2, &json!("all")));
        assert!(!shown.to_string().contains("secret.internal"), "{shown}");
    }
}
