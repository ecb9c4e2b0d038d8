//! Makes the JSON Schema of `gateway.toml` from the contract, so that the two always agree.

use serde_json::{Map, Value, json};

use crate::config::contract::{KeyRule, ROOT, TableRule, ValueKind};

/// Returns the schema (JSON Schema, draft 2020-12).
pub fn schema() -> Value {
    let mut schema = table(&ROOT);
    put(&mut schema, "$schema", "https://json-schema.org/draft/2020-12/schema");
    put(&mut schema, "title", "gateway.toml");
    schema
}

fn put(schema: &mut Value, name: &str, text: &str) {
    if let Value::Object(members) = schema {
        members.insert(name.to_owned(), json!(text));
    }
}

fn table(rule: &TableRule) -> Value {
    let properties: Map<String, Value> =
        rule.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn property(key: &KeyRule) -> Value {
    let mut property = kind(key.kind);
    put(&mut property, "description", key.about);
    property
}

fn kind(kind: ValueKind) -> Value {
    match kind {
        ValueKind::Text => json!({ "type": "string" }),
        ValueKind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        ValueKind::Flag => json!({ "type": "boolean" }),
        ValueKind::Integer => json!({ "type": "integer" }),
        ValueKind::Number => json!({ "type": "number" }),
        ValueKind::Duration => {
            json!({
                "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d)|none)$",
                "examples": ["250ms", "5s", "1m", "24h"]
            })
        }
        ValueKind::Size => {
            json!({
                "type": ["string", "integer"], "pattern": "^([0-9]+(B|KiB|MiB|GiB)?|none)$",
                "minimum": 0, "examples": ["64KiB", "1MiB"]
            })
        }
        ValueKind::Choice(words) => json!({ "type": "string", "enum": words }),
        ValueKind::Choices(words) => {
            json!({ "type": "array", "items": { "type": "string", "enum": words } })
        }
        ValueKind::CountOrNone => {
            json!({ "anyOf": [{ "const": "none" }, { "type": "integer", "minimum": 1 }] })
        }
        ValueKind::Workers => {
            json!({ "anyOf": [{ "const": "auto" }, { "type": "integer", "minimum": 1 }] })
        }
        ValueKind::TextsOrTables(rule) => {
            json!({ "type": "array", "items": { "anyOf": [{ "type": "string" }, table(rule)] } })
        }
        ValueKind::Table(rule) => table(rule),
        ValueKind::Tables(rule) => json!({ "type": "array", "items": table(rule) }),
        ValueKind::Secret => secret(),
        ValueKind::Secrets => json!({ "type": "array", "items": secret() }),
        ValueKind::FreeTable => json!({ "type": "object" }),
    }
}

fn secret() -> Value {
    let place = |name: &str| {
        let properties = json!({ name: { "type": "string" } });
        json!({ "type": "object", "required": [name], "properties": properties })
    };
    json!({ "anyOf": [{ "type": "string" }, place("env"), place("file")] })
}
