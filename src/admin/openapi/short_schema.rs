//! Short names of types: `name<=100?` is a name of at most 100 characters or `null`.
//!
//! A schema is written as a string, or as an object that holds such strings. `?` at the end permits
//! `null`. `=A|B` is one of these words. `[T]<=9` is a list of at most nine. `List(T)` and
//! `Page(T)` are the lists of WSO2's form. Any other word is the name of a schema of the document.
//! A property whose name ends with `?` can be left out, and one that is `false` does not exist. An
//! object has no other properties than those that are written, unless it is `open`.

use serde_json::{Map, Value, json};

use crate::admin::openapi::pattern;

/// Keywords whose value is a schema.
const OF_SCHEMA: [&str; 6] =
    ["items", "additionalProperties", "propertyNames", "contains", "not", "schema"];

/// Keywords whose value is a list of schemas.
const OF_SCHEMAS: [&str; 3] = ["anyOf", "oneOf", "allOf"];

/// Spells a schema out.
pub(super) fn schema(written: &Value) -> Value {
    match written {
        Value::String(text) => of_text(text),
        Value::Object(members) => Value::Object(of_object(members)),
        other => other.clone(),
    }
}

fn of_object(written: &Map<String, Value>) -> Map<String, Value> {
    let mut members = Map::new();
    let is_open = written.get("open") == Some(&json!(true));
    for (key, value) in written {
        let value = match (key.as_str(), value) {
            ("open" | "example", _) => continue,
            ("properties", Value::Object(properties)) => {
                let (properties, required) = properties_of(properties);
                members.insert("required".to_owned(), required);
                if !is_open {
                    members.insert("type".to_owned(), json!("object"));
                    members.insert("additionalProperties".to_owned(), json!(false));
                }
                properties
            }
            (key, value) if OF_SCHEMA.contains(&key) => schema(value),
            (key, Value::Array(list)) if OF_SCHEMAS.contains(&key) => {
                list.iter().map(schema).collect()
            }
            (_, value) => value.clone(),
        };
        members.insert(key.clone(), value);
    }
    members
}

/// Returns the properties, and the names of those that cannot be left out.
fn properties_of(written: &Map<String, Value>) -> (Value, Value) {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (key, value) in written.iter().filter(|(_, value)| **value != json!(false)) {
        let name = key.strip_suffix('?').unwrap_or(key);
        if name == key {
            required.push(json!(name));
        }
        properties.insert(name.to_owned(), schema(value));
    }
    (Value::Object(properties), Value::Array(required))
}

fn of_text(text: &str) -> Value {
    if let Some(inner) = text.strip_suffix('?') {
        return nullable(of_text(inner));
    }
    if let Some(words) = text.strip_prefix('=') {
        return json!({ "type": "string", "enum": words.split('|').collect::<Vec<_>>() });
    }
    if let Some((item, most)) = text.strip_prefix('[').and_then(|own| own.rsplit_once(']')) {
        let mut list = json!({ "type": "array", "items": of_text(item) });
        if let (Some(most), Value::Object(members)) = (limit(most), &mut list) {
            members.insert("maxItems".to_owned(), json!(most));
        }
        return list;
    }
    if let Some((list, item)) = text.strip_suffix(')').and_then(|own| own.split_once('(')) {
        return list_of(list, item);
    }
    let (kind, most) = text.split_once("<=").unwrap_or((text, ""));
    plain(kind, most.parse().ok())
}

fn limit(text: &str) -> Option<u64> {
    text.strip_prefix("<=")?.parse().ok()
}

fn list_of(list: &str, item: &str) -> Value {
    let list_schema = json!({ "type": "array", "items": of_text(item) });
    let mut properties = json!({ "count": of_text("count"), "list": list_schema });
    let mut required = vec!["count", "list"];
    if let (true, Value::Object(members)) = (list == "Page", &mut properties) {
        members.insert("pagination".to_owned(), of_text("Pagination"));
        required.push("pagination");
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn plain(kind: &str, most: Option<u64>) -> Value {
    let mut own = match kind {
        "any" => json!({}),
        "boolean" | "string" => json!({ "type": kind }),
        // facts that readers of JSON guarantee
        "integer" => json!({ "type": kind, "format": "int64" }),
        "count" => json!({ "type": "integer", "minimum": 0 }),
        "uuid" | "binary" => json!({ "type": "string", "format": kind }),
        "time" => json!({ "type": "string", "format": "date-time" }),
        "nonempty" => json!({ "type": "string", "minLength": 1 }),
        "text" => json!({ "type": "string" }),
        "texts" => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        "name" => {
            let pattern = pattern::name(most.unwrap_or(100));
            json!({ "type": "string", "minLength": 1, "pattern": pattern })
        }
        "prose" => json!({ "type": "string", "pattern": pattern::prose() }),
        other => json!({ "$ref": format!("#/components/schemas/{other}") }),
    };
    if let (Some(most), Value::Object(members)) = (most, &mut own) {
        members.insert("maxLength".to_owned(), json!(most));
    }
    own
}

fn nullable(own: Value) -> Value {
    match own {
        Value::Object(mut members) if members.get("type").is_some_and(Value::is_string) => {
            if let Some(kind) = members.remove("type") {
                members.insert("type".to_owned(), json!([kind, "null"]));
            }
            if let Some(Value::Array(words)) = members.get_mut("enum") {
                words.push(Value::Null);
            }
            Value::Object(members)
        }
        other => json!({ "anyOf": [other, { "type": "null" }] }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_spelled_out() {
        assert_eq!(of_text("boolean?"), json!({ "type": ["boolean", "null"] }));
        assert_eq!(
            of_text("=A|B?"),
            json!({ "type": ["string", "null"], "enum": ["A", "B", null] })
        );
        assert_eq!(of_text("[text<=5]<=9")["maxItems"], 9);
        assert_eq!(of_text("[text<=5]<=9")["items"]["maxLength"], 5);
        let nullable =
            json!({ "anyOf": [{ "$ref": "#/components/schemas/Key" }, { "type": "null" }] });
        assert_eq!(of_text("Key?"), nullable);
        assert_eq!(of_text("Page(Key)")["required"], json!(["count", "list", "pagination"]));
        let object = schema(&json!({ "properties": { "a": "string", "b?": "count", "c": false } }));
        assert_eq!(object["required"], json!(["a"]));
        assert_eq!(object["properties"]["b"]["minimum"], 0);
        assert_eq!(object["additionalProperties"], false);
        assert!(schema(&json!({ "open": true, "properties": {} })).get("type").is_none());
    }
}
