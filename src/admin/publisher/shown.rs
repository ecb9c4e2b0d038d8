//! Shows an API in WSO2's form, whether a file declares it or the store keeps it.

use serde_json::{Map, Value, json};

use crate::admin::nulls::without_nulls;
use crate::admin::object::Object;
use crate::admin::publisher::operations::{operations_shown, scopes_shown};
use crate::admin::publisher::read::policies_shown;
use crate::admin::publisher::state::PublicationState;
use crate::admin::publisher::{defaults, endpoints};
use crate::store::Record;

/// An API in a list.
pub(super) fn info(object: &Object) -> Value {
    let record = &object.record;
    let text = |key: &str| record.text(key).unwrap_or_default();
    without_nulls(json!({
        "id": record.id,
        "name": text("name"),
        "displayName": kept_text(record, "displayName").unwrap_or(text("name")),
        "description": kept_text(record, "description"),
        "context": text("context"),
        "version": text("version"),
        "provider": provider(record),
        "type": "HTTP",
        "subtype": "DEFAULT",
        "audiences": declared_list(record, "audiences"),
        "lifeCycleStatus": PublicationState::of(record).word(),
        "workflowStatus": "APPROVED",
        "hasThumbnail": false,
        "securityScheme": ["oauth2"],
        "createdTime": record.created_at.to_string(),
        "updatedTime": record.updated_at.to_string(),
        "gatewayVendor": "wso2",
        "gatewayType": "wso2/synapse",
        "advertiseOnly": false,
        "monetizedInfo": false,
        "egress": false,
        "initiatedFromGateway": false,
    }))
}

/// A whole API.
pub(super) fn api(object: &Object) -> Value {
    let record = &object.record;
    let mut shown = defaults::defaults();
    for (name, value) in &record.extra {
        if shown.contains_key(name) {
            shown.insert(name.clone(), value.clone());
        }
    }
    let text = |key: &str| record.text(key);
    let flag = |key: &str| record.declared.get(key).and_then(Value::as_bool).unwrap_or(false);
    let own = json!({
        "id": record.id,
        "name": text("name"),
        "displayName": kept_text(record, "displayName").or(text("name")),
        "context": text("context"),
        "version": text("version"),
        "provider": provider(record),
        "lifeCycleStatus": PublicationState::of(record).word(),
        "isDefaultVersion": flag("default_version"),
        "audiences": declared_list(record, "audiences"),
        "policies": policies_shown(record),
        "apiThrottlingPolicy": text("policy"),
        "authorizationHeader": text("authorization_header").unwrap_or("Authorization"),
        "maxTps": endpoints::limits_shown(record),
        "corsConfiguration": cors(record),
        "keyManagers": match declared_list(record, "key_managers") {
            Value::Array(names) if names.is_empty() => json!(["all"]),
            names => names,
        },
        "endpointConfig": endpoints::shown(record),
        "scopes": scopes_shown(record),
        "operations": operations_shown(record),
        "createdTime": record.created_at.to_string(),
        "lastUpdatedTime": record.updated_at.to_string(),
        "lastUpdatedTimestamp": record.updated_at.to_string(),
    });
    if let Value::Object(own) = own {
        shown.extend(own);
    }
    without_nulls(Value::Object(shown))
}

pub(super) fn provider(record: &Record) -> &str {
    record.owner.as_deref().unwrap_or("admin")
}

fn kept_text<'r>(record: &'r Record, key: &str) -> Option<&'r str> {
    record.extra.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn declared_list(record: &Record, key: &str) -> Value {
    record.declared.get(key).cloned().unwrap_or_else(|| json!([]))
}

fn cors(record: &Record) -> Value {
    let Some(table) = record.declared.get("cors") else {
        let kept = record.extra.get("corsConfiguration").cloned();
        return kept.unwrap_or_else(|| json!({ "corsConfigurationEnabled": false }));
    };
    let mut shown = Map::new();
    shown.insert("corsConfigurationEnabled".to_owned(), json!(true));
    let credentials = table.get("allow_credentials") == Some(&json!(true));
    shown.insert("accessControlAllowCredentials".to_owned(), json!(credentials));
    for (field, key) in [
        ("accessControlAllowOrigins", "allow_origins"),
        ("accessControlAllowHeaders", "allow_headers"),
        ("accessControlAllowMethods", "allow_methods"),
    ] {
        // a list that is not there is the gateway's default, and an empty one is not
        if let Some(list) = table.get(key) {
            shown.insert(field.to_owned(), list.clone());
        }
    }
    Value::Object(shown)
}
