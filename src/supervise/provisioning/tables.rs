//! Records as tables of the configuration, which the compiler reads beside those of the files.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use crate::config::StoredTable;
use crate::store::{Change, Kind, Record, SecretPlace, StoreError, StoreKeys, is_sealed};

/// The tables of the store that are not about applications, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::supervise) struct StoredTables(BTreeMap<(Kind, Uuid), StoredTable>);

impl StoredTables {
    /// Adds or replaces the table of a record, with its secrets opened; a record of another kind
    /// changes nothing.
    pub(in crate::supervise) fn put(
        &mut self,
        record: Record,
        keys: &StoreKeys,
    ) -> Result<(), StoreError> {
        let Some(list) = list_of(record.kind) else { return Ok(()) };
        let Record { kind, id, name, revision, declared: mut members, .. } = record;
        for (field, value) in &mut members {
            open(SecretPlace { kind, id, field }, value, keys)?;
        }
        self.0.insert((kind, id), StoredTable { list, name, revision, members });
        Ok(())
    }

    pub(super) fn remove(&mut self, kind: Kind, id: Uuid) {
        self.0.remove(&(kind, id));
    }

    /// Returns these tables after changes that are not made yet.
    pub(super) fn after(&self, changes: &[Change], keys: &StoreKeys) -> Result<Self, StoreError> {
        let mut next = self.clone();
        for change in changes {
            match change {
                Change::Create(record) | Change::Update { record, .. } => {
                    next.put(record.clone(), keys)?;
                }
                Change::Delete { kind, id, .. } => next.remove(*kind, *id),
            }
        }
        Ok(next)
    }

    pub(in crate::supervise) fn to_vec(&self) -> Vec<StoredTable> {
        let mut tables: Vec<_> = self.0.values().cloned().collect();
        // the order of ids means nothing to a reader of a report
        tables.sort_by(|one, other| (one.list, &one.name).cmp(&(other.list, &other.name)));
        tables
    }
}

/// Replaces a sealed secret by its value: the compiler reads it like a secret of a file, and no
/// report shows it.
fn open(place: SecretPlace<'_>, value: &mut Value, keys: &StoreKeys) -> Result<(), StoreError> {
    if is_sealed(value) {
        *value = Value::String(keys.open(place, value)?.reveal().to_owned());
        return Ok(());
    }
    match value {
        Value::Object(members) => members
            .iter_mut()
            .try_for_each(|(field, below)| open(SecretPlace { field, ..place }, below, keys)),
        Value::Array(values) => values.iter_mut().try_for_each(|below| open(place, below, keys)),
        _ => Ok(()),
    }
}

/// The list of the configuration that a kind of records belongs to.
fn list_of(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::KeyManager => Some("key_managers"),
        Kind::Api => Some("apis"),
        Kind::ThrottlingPolicy => Some("throttling_policies"),
        Kind::DenyCondition => Some("deny_conditions"),
        _ => None,
    }
}
