//! Secrets on the way in: a file has none, or a new one as plain text, and the store keeps them
//! sealed.

use serde_json::{Map, Value};

use crate::config::is_secret_key;
use crate::model::secret::Secret;
use crate::store::{Record, SecretPlace, StoreKeys, is_sealed};
use crate::supervise::transfer::error::TransferError;
use crate::supervise::transfer::form::LISTS;

/// Puts the secrets of an object into its new form: those that the file omits stay, and new ones
/// are sealed.
pub(super) fn seal(
    old: Option<&Record>,
    new: &mut Record,
    keys: &StoreKeys,
) -> Result<(), TransferError> {
    let Some((list, _)) = LISTS.iter().find(|(_, kind)| *kind == new.kind) else { return Ok(()) };
    let mut declared = std::mem::take(&mut new.declared);
    if let Some(old) = old {
        keep(&old.declared, &mut declared);
    }
    let mut sealing = Sealing { list, record: new, keys, path: Vec::new() };
    sealing.members(&mut declared, old.map(|old| &old.declared))?;
    new.declared = declared;
    Ok(())
}

/// Keeps the sealed secrets that the file omits.
fn keep(old: &Map<String, Value>, new: &mut Map<String, Value>) {
    for (key, value) in old {
        match (value, new.get_mut(key)) {
            (value, None) if is_secret(value) => {
                new.insert(key.clone(), value.clone());
            }
            (Value::Object(old), Some(Value::Object(new))) => keep(old, new),
            (Value::Array(old), Some(Value::Array(new))) if old.len() == new.len() => {
                for pair in old.iter().zip(new) {
                    if let (Value::Object(old), Value::Object(new)) = pair {
                        keep(old, new);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Tells whether an export leaves a value out as a secret.
fn is_secret(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(is_sealed),
        other => is_sealed(other),
    }
}

struct Sealing<'s> {
    list: &'s str,
    record: &'s Record,
    keys: &'s StoreKeys,
    path: Vec<String>,
}

impl Sealing<'_> {
    fn members(
        &mut self,
        new: &mut Map<String, Value>,
        old: Option<&Map<String, Value>>,
    ) -> Result<(), TransferError> {
        for (key, value) in new {
            self.path.push(key.clone());
            self.value(key, value, old.and_then(|old| old.get(key)))?;
            self.path.pop();
        }
        Ok(())
    }

    fn value(
        &mut self,
        field: &str,
        new: &mut Value,
        old: Option<&Value>,
    ) -> Result<(), TransferError> {
        match new {
            sealed if is_sealed(sealed) => Ok(()),
            Value::Object(new) => self.members(new, old.and_then(Value::as_object)),
            Value::Array(values) => {
                let old = old.and_then(Value::as_array);
                for (at, value) in values.iter_mut().enumerate() {
                    self.value(field, value, old.and_then(|old| old.get(at)))?;
                }
                Ok(())
            }
            Value::String(text) if self.holds_secret() => {
                let place = SecretPlace { kind: self.record.kind, id: self.record.id, field };
                let same = old.filter(|old| {
                    let opened = self.keys.open(place, old);
                    opened.is_ok_and(|opened| opened.reveal() == text)
                });
                *new = match same {
                    Some(old) => old.clone(),
                    None => self.keys.seal(place, &Secret::new(std::mem::take(text)))?,
                };
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn holds_secret(&self) -> bool {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        is_secret_key(self.list, &path)
    }
}
