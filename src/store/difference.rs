//! The difference of two states of an object, field by field, for the audit log.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::store::audit::FieldChange;
use crate::store::record::Record;

/// Stands for a secret.
const SECRET: &str = "(secret)";

/// The longest value that the log shows: an OpenAPI document has a megabyte.
const MOST_VALUE_BYTES: usize = 4096;

/// Returns the fields that differ, sorted by their paths.
pub(in crate::store) fn difference(
    before: Option<&Record>,
    after: Option<&Record>,
) -> Vec<FieldChange> {
    let (before, after) = (fields(before), fields(after));
    let paths: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    paths
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path))
        .map(|path| FieldChange {
            field: path.clone(),
            before: before.get(path).map(|value| shown(path, value)),
            after: after.get(path).map(|value| shown(path, value)),
        })
        .collect()
}

fn fields(record: Option<&Record>) -> BTreeMap<String, Value> {
    let mut fields = BTreeMap::new();
    let Some(record) = record else { return fields };
    let columns = [("name", Some(&record.name)), ("owner", record.owner.as_ref())];
    for (name, text) in columns.into_iter().chain([("target", record.target.as_ref())]) {
        // the names of keys and subscriptions are made of ids, with a line end between them
        if let Some(text) = text.filter(|text| !text.contains('\n')) {
            fields.insert(name.to_owned(), Value::String(text.clone()));
        }
    }
    flatten("", &record.extra, &mut fields);
    flatten("", &record.declared, &mut fields);
    fields
}

fn flatten(path: &str, map: &Map<String, Value>, fields: &mut BTreeMap<String, Value>) {
    for (key, value) in map {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            Value::Object(inner) if !inner.is_empty() && !is_sealed(inner) => {
                flatten(&path, inner, fields);
            }
            _ => {
                fields.insert(path, value.clone());
            }
        }
    }
}

fn is_sealed(map: &Map<String, Value>) -> bool {
    map.contains_key("sealed")
}

fn shown(path: &str, value: &Value) -> Value {
    let path = path.to_ascii_lowercase();
    let names_secret = ["password", "secret"].iter().any(|word| path.contains(word));
    if names_secret && !matches!(value, Value::Bool(_) | Value::Null) {
        return Value::String(SECRET.to_owned());
    }
    let value = redacted(value);
    match serde_json::to_string(&value) {
        Ok(text) if text.len() > MOST_VALUE_BYTES => {
            Value::String(format!("({} bytes)", text.len()))
        }
        _ => value,
    }
}

/// Hides secrets inside lists.
fn redacted(value: &Value) -> Value {
    match value {
        Value::Object(map) if is_sealed(map) => Value::String(SECRET.to_owned()),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), shown(key, value))).collect())
        }
        Value::Array(values) => Value::Array(values.iter().map(redacted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::store::kind::Kind;

    fn record(declared: Value, extra: Value) -> Record {
        let mut record = Record::new(Kind::KeyManager, Uuid::nil(), "is7");
        record.declared = serde_json::from_value(declared).unwrap();
        record.extra = serde_json::from_value(extra).unwrap();
        record
    }

    fn told(before: Option<&Record>, after: Option<&Record>) -> Vec<String> {
        let text = |value: Option<Value>| value.map_or("-".to_owned(), |value| value.to_string());
        difference(before, after)
            .into_iter()
            .map(|change| {
                format!("{}: {} -> {}", change.field, text(change.before), text(change.after))
            })
            .collect()
    }

    #[test]
    fn fields_are_compared_by_their_paths() {
        let before =
            record(json!({"issuer": "a", "certificates": {"jwks": "x"}}), json!({"tags": ["a"]}));
        let after = record(
            json!({"issuer": "b", "certificates": {"jwks": "x", "pem": "y"}}),
            json!({"tags": ["a", "b"]}),
        );
        assert_eq!(
            told(Some(&before), Some(&after)),
            [
                r#"certificates.pem: - -> "y""#,
                r#"issuer: "a" -> "b""#,
                r#"tags: ["a"] -> ["a","b"]"#
            ]
        );
        assert_eq!(told(None, Some(&before)).len(), 4);
        assert_eq!(told(Some(&before), Some(&before)), [""; 0]);
    }

    #[test]
    fn no_secret_is_shown() {
        let before = record(
            json!({"registration": {"token": {"sealed": "AAAA"}}, "password_hash": "$argon2id$"}),
            json!({"additional": [
                {"client_secret": "hush", "name": "n", "t": {"sealed": "BBBB"}}
            ]}),
        );
        let after = record(json!({"registration": {"token": {"sealed": "CCCC"}}}), json!({}));
        let told = told(Some(&before), Some(&after)).join("\n");
        for secret in ["AAAA", "BBBB", "CCCC", "argon2id", "hush"] {
            assert!(!told.contains(secret), "{told}");
        }
        assert!(told.contains(r#"registration.token: "(secret)" -> "(secret)""#), "{told}");
        assert!(told.contains(r#""name":"n""#), "{told}");
    }

    #[test]
    fn long_values_are_measured_and_not_shown() {
        let long = record(json!({"document": "x".repeat(5000)}), json!({}));
        assert!(told(None, Some(&long)).contains(&r#"document: - -> "(5002 bytes)""#.to_owned()));
    }
}
