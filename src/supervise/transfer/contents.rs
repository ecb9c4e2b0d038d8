//! The objects of a store that a file can hold, in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use crate::config::{ConfigFiles, Loaded, Report, StoredApplications, StoredObjects};
use crate::model::identity::Identities;
use crate::store::{Change, Kind, Record, Store, StoreKeys};
use crate::supervise::provisioning::{Gathering, StoredTables};
use crate::supervise::transfer::error::TransferError;

/// The kinds that a file can hold, and those that belong to an API.
const READ: [Kind; 9] = [
    Kind::KeyManager,
    Kind::Api,
    Kind::ThrottlingPolicy,
    Kind::DenyCondition,
    Kind::Definition,
    Kind::ApiRevision,
    Kind::Application,
    Kind::Key,
    Kind::Subscription,
];

#[derive(Debug, Clone, Default)]
pub(super) struct StoreContents {
    records: BTreeMap<(Kind, Uuid), Record>,
    children: HashMap<Uuid, BTreeSet<(Kind, Uuid)>>,
    /// Objects by unique name; deny conditions by their place.
    names: HashMap<(Kind, String), Uuid>,
}

impl StoreContents {
    pub(super) async fn read(store: &dyn Store) -> Result<Self, TransferError> {
        let contents = Arc::new(Mutex::new(Self::default()));
        let adding = Arc::clone(&contents);
        let each = move |mut record: Record| {
            if matches!(record.kind, Kind::Definition | Kind::ApiRevision) {
                // they only go with their API, and a document is long
                record.declared.clear();
                record.extra.clear();
            }
            adding.lock().unwrap_or_else(PoisonError::into_inner).put(record);
        };
        store.read_all(&READ, Box::new(each)).await?;
        let mut contents = contents.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *contents))
    }

    pub(super) fn get(&self, kind: Kind, id: Uuid) -> Option<&Record> {
        self.records.get(&(kind, id))
    }

    /// Finds the object that a new one would collide with.
    pub(super) fn alike(&self, record: &Record) -> Option<&Record> {
        let id = self.names.get(&(record.kind, name(record).to_owned()))?;
        self.get(record.kind, *id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// Returns the objects that belong to an application or an API.
    pub(super) fn children(&self, id: Uuid) -> impl Iterator<Item = &Record> {
        let own = self.children.get(&id).into_iter().flatten();
        own.filter_map(|key| self.records.get(key))
    }

    fn put(&mut self, record: Record) {
        self.remove(record.kind, record.id);
        let key = (record.kind, record.id);
        self.names.insert((record.kind, name(&record).to_owned()), record.id);
        // the id of a definition is its API's
        let definition = (record.kind == Kind::Definition).then_some(record.id);
        if let Some(parent) = record.parent.or(definition) {
            self.children.entry(parent).or_default().insert(key);
        }
        self.records.insert(key, record);
    }

    fn remove(&mut self, kind: Kind, id: Uuid) {
        let Some(old) = self.records.remove(&(kind, id)) else { return };
        let named = (kind, name(&old).to_owned());
        if self.names.get(&named) == Some(&id) {
            self.names.remove(&named);
        }
        if let Some(own) = old.parent.and_then(|parent| self.children.get_mut(&parent)) {
            own.remove(&(kind, id));
        }
    }

    /// Returns these contents after changes that are not made yet.
    pub(super) fn after(&self, changes: &[Change]) -> Self {
        let mut next = self.clone();
        for change in changes {
            match change {
                Change::Create(record) | Change::Update { record, .. } => next.put(record.clone()),
                Change::Delete { kind, id, .. } => next.remove(*kind, *id),
            }
        }
        next
    }

    /// Compiles the configuration that the gateway would have with these contents beside its files.
    pub(super) fn compiled(
        &self,
        files: &Arc<ConfigFiles>,
        identities: &Identities,
        keys: &StoreKeys,
    ) -> Result<Loaded, TransferError> {
        let mut tables = StoredTables::default();
        for record in self.records.values().filter(|record| record.kind.is_declared()) {
            tables.put(record.clone(), keys)?;
        }
        let applications = self.records.values().filter(|own| own.kind == Kind::Application);
        let mut applications = applications.map(|application| {
            let mut gathering = Gathering::of(application.clone());
            self.children(application.id).for_each(|part| gathering.add(part.clone()));
            gathering.finish()
        });
        let applications = StoredApplications::Each(&mut applications);
        let stored = StoredObjects { tables: tables.to_vec(), applications };
        let refused = |report: Report| TransferError::Refused(Box::new(report));
        files.resolve_gateway(identities, stored).map_err(refused)
    }
}

fn name(record: &Record) -> &str {
    match (record.kind, &record.place) {
        (Kind::DenyCondition, Some(place)) => place,
        _ => &record.name,
    }
}
