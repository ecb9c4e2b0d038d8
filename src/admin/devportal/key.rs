//! A key of an application in WSO2's form, and as it is kept.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::admin::object::Object;
use crate::store::{Kind, Record};

/// The backend that a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(in crate::admin) enum ShownKeyType {
    Production,
    Sandbox,
}

impl ShownKeyType {
    /// Returns the name in `gateway.toml`.
    pub(in crate::admin) fn declared(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Sandbox => "sandbox",
        }
    }

    pub(in crate::admin) fn as_str(self) -> &'static str {
        match self {
            Self::Production => "PRODUCTION",
            Self::Sandbox => "SANDBOX",
        }
    }

    pub(in crate::admin) fn named(text: &str) -> Option<Self> {
        [Self::Production, Self::Sandbox].into_iter().find(|own| own.as_str() == text)
    }

    pub(in crate::admin) fn of(record: &Record) -> Self {
        match record.text("type") {
            Some("sandbox") => Self::Sandbox,
            _ => Self::Production,
        }
    }
}

/// A key in an answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct ShownKey {
    key_mapping_id: Uuid,
    key_manager: String,
    consumer_key: String,
    /// Shown once, in the answer to the call that created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::admin) consumer_secret: Option<String>,
    supported_grant_types: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_url: Option<String>,
    key_state: &'static str,
    key_type: ShownKeyType,
    mode: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::admin) token: Option<Value>,
    additional_properties: Value,
}

impl ShownKey {
    pub(in crate::admin) fn of(key: &Object) -> Self {
        let record = &key.record;
        let extra = |name: &str| record.extra.get(name).cloned();
        let grants = extra("supportedGrantTypes");
        let grants = grants.as_ref().and_then(Value::as_array).into_iter().flatten();
        Self {
            key_mapping_id: record.id,
            key_manager: record.target.clone().unwrap_or_default(),
            consumer_key: record.text("consumer_key").unwrap_or_default().to_owned(),
            consumer_secret: None,
            supported_grant_types: grants.filter_map(Value::as_str).map(str::to_owned).collect(),
            callback_url: extra("callbackUrl").and_then(|url| url.as_str().map(str::to_owned)),
            key_state: "APPROVED",
            key_type: ShownKeyType::of(record),
            mode: extra("mode").unwrap_or_else(|| json!("MAPPED")),
            token: None,
            additional_properties: extra("additionalProperties").unwrap_or_else(|| json!({})),
        }
    }
}

/// Makes the record of a key. `mode` is WSO2's: MAPPED, or CREATED by the gateway.
pub(in crate::admin) fn record(
    application: Uuid,
    key_manager: &str,
    key_type: ShownKeyType,
    consumer_key: &str,
    mode: &str,
) -> Record {
    let name = Record::key_name(key_manager, consumer_key);
    let mut record = Record::new(Kind::Key, Uuid::new_v4(), name);
    record.place = Some(Record::key_place(application, key_manager, key_type.declared()));
    record.parent = Some(application);
    record.target = Some(key_manager.to_owned());
    record.declared = Map::from_iter([
        ("type".to_owned(), json!(key_type.declared())),
        ("key_manager".to_owned(), json!(key_manager)),
        ("consumer_key".to_owned(), json!(consumer_key)),
    ]);
    record.extra.insert("mode".to_owned(), json!(mode));
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_as_it_was_mapped_and_without_a_secret() {
        let own = record(Uuid::nil(), "is7", ShownKeyType::Sandbox, "client", "MAPPED");
        assert_eq!(own.name, Record::key_name("is7", "client"));
        assert_eq!(own.place.as_deref().unwrap().split('\n').nth(2), Some("sandbox"));
        let shown = serde_json::to_value(ShownKey::of(&Object::kept(own))).unwrap();
        assert_eq!(shown["keyManager"], "is7");
        assert_eq!(shown["keyType"], "SANDBOX");
        assert_eq!(shown["mode"], "MAPPED");
        assert_eq!(shown["consumerSecret"], Value::Null);
    }
}
