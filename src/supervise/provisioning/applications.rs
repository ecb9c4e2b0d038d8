//! Applications of the store with their keys and subscriptions.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use crate::config::StoredApplication;
use crate::store::{Change, Kind, Record, Removal, Store, StoreError, StoreHead};

/// Puts an application's records into the form of a line of an application file.
#[derive(Debug)]
pub(in crate::supervise) struct Gathering {
    pub(in crate::supervise) application: Record,
    pub(in crate::supervise) keys: Vec<Record>,
    pub(in crate::supervise) subscriptions: Vec<Record>,
}

impl Gathering {
    pub(in crate::supervise) fn of(application: Record) -> Self {
        Self { application, keys: Vec::new(), subscriptions: Vec::new() }
    }

    pub(in crate::supervise) fn add(&mut self, record: Record) {
        match record.kind {
            Kind::Key => self.keys.push(record),
            Kind::Subscription => self.subscriptions.push(record),
            _ => {}
        }
    }

    pub(in crate::supervise) fn finish(self) -> StoredApplication {
        let Self { application, keys, subscriptions } = self;
        let parts = keys.iter().chain(&subscriptions);
        let revision = parts.map(|own| own.revision).fold(application.revision, u64::max);
        let tables = |records: Vec<Record>| {
            let tables = records.into_iter().map(|own| Value::Object(own.declared));
            Value::Array(tables.collect())
        };
        let mut members = application.declared;
        members.insert("keys".to_owned(), tables(keys));
        members.insert("subscriptions".to_owned(), tables(subscriptions));
        StoredApplication { revision, line: Value::Object(members).to_string() }
    }
}

/// Returns the applications that these changes concern.
pub(super) fn touched(written: &[Record], removed: &[Removal]) -> Vec<Uuid> {
    let of = |kind: Kind, id: Uuid, parent: Option<Uuid>| match kind {
        Kind::Application => Some(id),
        Kind::Key | Kind::Subscription => parent,
        _ => None,
    };
    let written = written.iter().filter_map(|own| of(own.kind, own.id, own.parent));
    let removed = removed.iter().filter_map(|own| of(own.kind, own.id, own.parent));
    let each: BTreeSet<_> = written.chain(removed).collect();
    each.into_iter().collect()
}

/// Reads those of the applications that there are, as they all were at one revision: this one or a
/// later one of the same history.
pub(super) async fn read(
    store: &Arc<dyn Store>,
    ids: &[Uuid],
    from: StoreHead,
) -> Result<HashMap<Uuid, Gathering>, StoreError> {
    let mut found = HashMap::new();
    if ids.is_empty() {
        return Ok(found);
    }
    let (head, records) = store.applications(ids).await?;
    if head.epoch != from.epoch || head.revision < from.revision {
        // the server told of changes, and was gone when its copy was asked for the objects
        let message = "the copy of the store does not have a change yet".to_owned();
        return Err(StoreError::Unavailable(message));
    }
    for record in records {
        if record.kind == Kind::Application {
            found.insert(record.id, Gathering::of(record));
        } else if let Some(own) = record.parent.and_then(|parent| found.get_mut(&parent)) {
            own.add(record);
        }
    }
    Ok(found)
}

/// An application as it would be after changes that are not made yet.
pub(super) fn after(current: Option<Gathering>, id: Uuid, changes: &[Change]) -> Option<Gathering> {
    let mut application = None;
    let mut parts = Vec::new();
    if let Some(Gathering { application: own, keys, subscriptions }) = current {
        application = Some(own);
        parts.extend(keys);
        parts.extend(subscriptions);
    }
    for change in changes {
        match change {
            Change::Create(record) | Change::Update { record, .. } => {
                if record.kind == Kind::Application && record.id == id {
                    application = Some(record.clone());
                } else if record.kind.is_of_applications() && record.parent == Some(id) {
                    parts.retain(|own: &Record| (own.kind, own.id) != (record.kind, record.id));
                    parts.push(record.clone());
                }
            }
            Change::Delete { kind: Kind::Application, id: gone, .. } if *gone == id => {
                application = None;
            }
            Change::Delete { kind, id: gone, .. } => {
                parts.retain(|own: &Record| (own.kind, own.id) != (*kind, *gone));
            }
        }
    }
    let mut gathering = Gathering::of(application?);
    for record in parts {
        gathering.add(record);
    }
    Some(gathering)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{SqliteStore, write_of};
    use crate::supervise::clock::SystemClock;

    #[tokio::test]
    async fn objects_that_are_older_than_their_change_are_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("s.db"), Arc::new(SystemClock)).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let shop = Record::new(Kind::Application, Uuid::new_v4(), "shop");
        let ids = [shop.id];
        store.write(write_of(vec![Change::Create(shop)])).await.unwrap();
        let head = store.head().await.unwrap();
        assert_eq!(read(&store, &ids, head).await.unwrap().len(), 1);
        let later = StoreHead { revision: head.revision + 1, ..head };
        let other = StoreHead { epoch: Uuid::new_v4(), ..head };
        for head in [later, other] {
            assert!(matches!(read(&store, &ids, head).await, Err(StoreError::Unavailable(_))));
        }
    }
}
