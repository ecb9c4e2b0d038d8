//! The objects in a file.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::store::Kind;
use crate::supervise::transfer::error::TransferError;
use crate::supervise::transfer::form::{LISTS, PARTS, members, take_id};

/// A table of the file.
#[derive(Debug)]
pub(super) struct FileObject {
    pub(super) kind: Kind,
    /// The object's id, which finds it under any name. Without an id the name finds it.
    pub(super) id: Option<Uuid>,
    pub(super) declared: Map<String, Value>,
    /// The keys and subscriptions of an application, which are all that it has.
    pub(super) parts: Vec<FileObject>,
}

/// Reads a file of the lists that the store keeps.
pub(super) fn read(text: &str) -> Result<Vec<FileObject>, TransferError> {
    let mut file: toml::Table =
        toml::from_str(text).map_err(|error| TransferError::Form(error.to_string()))?;
    let mut objects = Vec::new();
    for (list, kind) in LISTS {
        let Some(value) = file.remove(list) else { continue };
        let wrong = || TransferError::Form(format!("`{list}` must be tables: [[{list}]]"));
        let toml::Value::Array(values) = value else { return Err(wrong()) };
        for value in values {
            let toml::Value::Table(table) = value else { return Err(wrong()) };
            objects.push(object(kind, members(table)?)?);
        }
    }
    match file.keys().next() {
        None => Ok(objects),
        Some(other) => {
            let lists: Vec<_> = LISTS.iter().map(|(list, _)| *list).collect();
            let kept = lists.join(", ");
            let message = format!("`{other}` is not kept in the store, which has: {kept}");
            Err(TransferError::Form(message))
        }
    }
}

fn object(kind: Kind, mut declared: Map<String, Value>) -> Result<FileObject, TransferError> {
    let id = take_id(&mut declared)?;
    let mut parts = Vec::new();
    let lists = if kind == Kind::Application { &PARTS[..] } else { &[] };
    for (list, kind) in lists {
        for declared in tables(&mut declared, list)? {
            parts.push(object(*kind, declared)?);
        }
    }
    Ok(FileObject { kind, id, declared, parts })
}

fn tables(
    members: &mut Map<String, Value>,
    list: &str,
) -> Result<Vec<Map<String, Value>>, TransferError> {
    let wrong = || TransferError::Form(format!("`applications.{list}` must be a list of tables"));
    let values = match members.remove(list) {
        None => return Ok(Vec::new()),
        Some(Value::Array(values)) => values,
        Some(_) => return Err(wrong()),
    };
    let tables = values.into_iter().map(|value| match value {
        Value::Object(table) => Ok(table),
        _ => Err(wrong()),
    });
    tables.collect()
}
