//! Everything that the store has, at one revision.

use std::sync::Arc;
use std::sync::mpsc::{IntoIter, sync_channel};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::config::StoredApplication;
use crate::store::{Kind, Record, Store, StoreError, StoreHead, StoreKeys};
use crate::supervise::provisioning::applications::Gathering;
use crate::supervise::provisioning::tables::StoredTables;

/// What the gateway serves, tables first: applications refer to them.
const SERVED: [Kind; 7] = [
    Kind::KeyManager,
    Kind::Api,
    Kind::ThrottlingPolicy,
    Kind::DenyCondition,
    Kind::Application,
    Kind::Key,
    Kind::Subscription,
];

/// Records that wait between the database and the compiler.
const BETWEEN: usize = 1024;

/// Reads a store from a thread where waiting is allowed.
#[derive(Debug, Clone)]
pub(in crate::supervise) struct StoreReader {
    store: Arc<dyn Store>,
    keys: Arc<StoreKeys>,
    runtime: Handle,
}

/// A reading that is under way: tables first, then applications one by one.
#[derive(Debug)]
pub(in crate::supervise) struct StateReading {
    pub(in crate::supervise) tables: StoredTables,
    next: Option<Record>,
    records: IntoIter<Record>,
    end: JoinHandle<Result<StoreHead, StoreError>>,
    runtime: Handle,
}

impl StoreReader {
    /// For the current runtime.
    pub(in crate::supervise) fn new(store: Arc<dyn Store>, keys: StoreKeys) -> Self {
        Self { store, keys: Arc::new(keys), runtime: Handle::current() }
    }

    /// Opens the secrets of records.
    pub(in crate::supervise) fn keys(&self) -> &Arc<StoreKeys> {
        &self.keys
    }

    pub(in crate::supervise) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Begins a reading. Call it on a thread where waiting is allowed.
    pub(in crate::supervise) fn begin(&self) -> Result<StateReading, StoreError> {
        let (sender, receiver) = sync_channel(BETWEEN);
        let store = Arc::clone(&self.store);
        let end = self.runtime.spawn(async move {
            // who reads no further has failed already
            let each = Box::new(move |record| drop(sender.send(record)));
            store.read_all(&SERVED, each).await
        });
        let mut reading = StateReading {
            tables: StoredTables::default(),
            next: None,
            records: receiver.into_iter(),
            end,
            runtime: self.runtime.clone(),
        };
        reading.read_tables(&self.keys)?;
        Ok(reading)
    }
}

impl StateReading {
    fn read_tables(&mut self, keys: &StoreKeys) -> Result<(), StoreError> {
        for record in self.records.by_ref() {
            if record.kind.is_of_applications() {
                self.next = Some(record);
                break;
            }
            self.tables.put(record, keys)?;
        }
        Ok(())
    }

    /// Waits for the end and returns the revision that all of it is of.
    pub(in crate::supervise) fn finish(self) -> Result<StoreHead, StoreError> {
        let Self { records, end, runtime, .. } = self;
        // a reader that stopped early must not hold the database up
        drop(records);
        let ended = runtime.block_on(end);
        ended.map_err(|_| StoreError::Unavailable("the reading was stopped".to_owned()))?
    }
}

impl Iterator for StateReading {
    type Item = StoredApplication;

    /// The next application with its keys and subscriptions, which follow it.
    fn next(&mut self) -> Option<StoredApplication> {
        let first = self.next.take().or_else(|| self.records.next())?;
        let mut gathering = Gathering::of(first);
        for record in self.records.by_ref() {
            if record.kind == Kind::Application {
                self.next = Some(record);
                break;
            }
            gathering.add(record);
        }
        Some(gathering.finish())
    }
}
