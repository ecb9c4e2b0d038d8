//! Objects as tables of the contract, each with its `id`, and back.

use std::str::FromStr;

use serde_json::{Map, Number, Value};
use uuid::Uuid;

use crate::store::{Kind, QUOTA_RESETS, Record, is_sealed};
use crate::supervise::transfer::error::TransferError;

/// The lists of the file, in their order.
pub(super) const LISTS: [(&str, Kind); 5] = [
    ("key_managers", Kind::KeyManager),
    ("throttling_policies", Kind::ThrottlingPolicy),
    ("apis", Kind::Api),
    ("deny_conditions", Kind::DenyCondition),
    ("applications", Kind::Application),
];

/// The lists of an application.
pub(super) const PARTS: [(&str, Kind); 2] =
    [("keys", Kind::Key), ("subscriptions", Kind::Subscription)];

/// Returns an object's table, and adds the number of secrets that are left out of it.
pub(super) fn table(record: &Record, secrets: &mut u64) -> toml::Table {
    let mut table = toml_table(&record.declared, secrets);
    // counts stay with their gateways
    table.remove(QUOTA_RESETS);
    table.insert("id".to_owned(), toml::Value::String(record.id.to_string()));
    table
}

fn toml_table(map: &Map<String, Value>, secrets: &mut u64) -> toml::Table {
    let mut table = toml::Table::new();
    for (key, value) in map {
        if let Some(value) = toml_value(value, secrets) {
            table.insert(key.clone(), value);
        }
    }
    table
}

fn toml_value(value: &Value, secrets: &mut u64) -> Option<toml::Value> {
    Some(match value {
        Value::Null => return None,
        sealed if is_sealed(sealed) => {
            *secrets = secrets.saturating_add(1);
            return None;
        }
        Value::Bool(flag) => toml::Value::Boolean(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => toml::Value::Integer(integer),
            None => toml::Value::Float(number.as_f64()?),
        },
        Value::String(text) => toml::Value::String(text.clone()),
        Value::Array(values) => {
            let sealed = values.iter().filter(|value| is_sealed(value)).count();
            if sealed > 0 {
                // a list of secrets is left out as a whole: its places mean something
                *secrets = secrets.saturating_add(sealed as u64);
                return None;
            }
            let values = values.iter().filter_map(|value| toml_value(value, secrets));
            toml::Value::Array(values.collect())
        }
        Value::Object(map) => toml::Value::Table(toml_table(map, secrets)),
    })
}

/// Returns the members of a table, for an object of the store.
pub(super) fn members(table: toml::Table) -> Result<Map<String, Value>, TransferError> {
    table.into_iter().map(|(key, value)| Ok((key, json(value)?))).collect()
}

fn json(value: toml::Value) -> Result<Value, TransferError> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(integer) => Value::from(integer),
        toml::Value::Float(float) => Number::from_f64(float)
            .map(Value::Number)
            .ok_or_else(|| TransferError::Form(format!("{float} is no number of the store")))?,
        toml::Value::Boolean(flag) => Value::Bool(flag),
        toml::Value::Datetime(time) => {
            return Err(TransferError::Form(format!("{time} must be written as a string")));
        }
        toml::Value::Array(values) => {
            Value::Array(values.into_iter().map(json).collect::<Result<_, _>>()?)
        }
        toml::Value::Table(table) => Value::Object(members(table)?),
    })
}

/// Takes the `id` out of a table.
pub(super) fn take_id(members: &mut Map<String, Value>) -> Result<Option<Uuid>, TransferError> {
    match members.remove("id") {
        None => Ok(None),
        Some(Value::String(text)) => Uuid::from_str(&text)
            .map(Some)
            .map_err(|_| TransferError::Form(format!("`id = {text:?}` is no UUID"))),
        Some(other) => Err(TransferError::Form(format!("`id = {other}` is no UUID"))),
    }
}

/// Makes the record of a table; `parent` is the application of a key or a subscription.
pub(super) fn record(
    kind: Kind,
    id: Uuid,
    parent: Option<Uuid>,
    declared: Map<String, Value>,
) -> Record {
    let text = |key: &str| declared.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let application = parent.unwrap_or_default();
    let name = match kind {
        Kind::Api => format!("{}:{}", text("name"), text("version")),
        Kind::ThrottlingPolicy => format!("{}:{}", text("level"), text("name")),
        Kind::DenyCondition => id.to_string(),
        Kind::Key => Record::key_name(&text("key_manager"), &text("consumer_key")),
        Kind::Subscription => Record::subscription_name(application, &text("api")),
        _ => text("name"),
    };
    let mut record = Record { parent, ..Record::new(kind, id, name) };
    match kind {
        Kind::Application => record.owner = Some(text("owner")),
        Kind::Api => record.place = Some(Record::api_place(&text("context"), &text("version"))),
        Kind::DenyCondition => record.place = Some(Record::condition_place(&declared)),
        Kind::Key => {
            let manager = text("key_manager");
            record.place = Some(Record::key_place(application, &manager, &text("type")));
            record.target = Some(manager);
        }
        Kind::Subscription => record.target = Some(text("api")),
        _ => {}
    }
    record.declared = declared;
    record
}

/// Removes members without a value, which a file cannot hold.
pub(super) fn drop_nulls(map: &mut Map<String, Value>) {
    map.retain(|_, value| !value.is_null());
    for value in map.values_mut() {
        if let Value::Object(inner) = value {
            drop_nulls(inner);
        }
    }
}
