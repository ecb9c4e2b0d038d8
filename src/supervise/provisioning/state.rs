//! The whole content of the store, at one revision.

use std::sync::Arc;
use std::sync::mpsc::{IntoIter, sync_channel};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::config::StoredApplication;
use crate::store::{Kind, Served, ServedApplication, Store, StoreError, StoreHead, StoreKeys};
use crate::supervise::provisioning::tables::StoredTables;

/// The kinds that the gateway serves besides applications, which refer to them.
const TABLES: [Kind; 4] =
    [Kind::KeyManager, Kind::Api, Kind::ThrottlingPolicy, Kind::DenyCondition];

/// Objects that wait between the database and the compiler.
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
    next: Option<ServedApplication>,
    objects: IntoIter<Served>,
    end: JoinHandle<Result<StoreHead, StoreError>>,
    runtime: Handle,
}

impl StoreReader {
    /// Uses the current runtime.
    pub(in crate::supervise) fn new(store: Arc<dyn Store>, keys: StoreKeys) -> Self {
        Self { store, keys: Arc::new(keys), runtime: Handle::current() }
    }

    /// Opens the secrets of records.
    pub(in crate::supervise) fn keys(&self) -> &Arc<StoreKeys> {
        &self.keys
    }

    /// The runtime on which the store does its work.
    pub(in crate::supervise) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(in crate::supervise) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Begins a reading. Call it on a thread where waiting is allowed.
    pub(in crate::supervise) fn begin(&self) -> Result<StateReading, StoreError> {
        let (sender, receiver) = sync_channel(BETWEEN);
        let store = Arc::clone(&self.store);
        let end = self.runtime.spawn(async move {
            // a reader that stops has already failed
            let each = Box::new(move |object| drop(sender.send(object)));
            store.read_served(&TABLES, each).await
        });
        let mut reading = StateReading {
            tables: StoredTables::default(),
            next: None,
            objects: receiver.into_iter(),
            end,
            runtime: self.runtime.clone(),
        };
        reading.read_tables(&self.keys)?;
        Ok(reading)
    }
}

impl StateReading {
    fn read_tables(&mut self, keys: &StoreKeys) -> Result<(), StoreError> {
        for object in self.objects.by_ref() {
            match object {
                Served::Table(record) => self.tables.put(record, keys)?,
                Served::Application(first) => {
                    self.next = Some(first);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Waits for the end and returns the revision that all of it is of.
    pub(in crate::supervise) fn finish(self) -> Result<StoreHead, StoreError> {
        let Self { objects, end, runtime, .. } = self;
        // a reader that stopped early must not hold the database up
        drop(objects);
        let ended = runtime.block_on(end);
        ended.map_err(|_| StoreError::Unavailable("the reading was stopped".to_owned()))?
    }
}

impl Iterator for StateReading {
    type Item = StoredApplication;

    fn next(&mut self) -> Option<StoredApplication> {
        let next = self.next.take().or_else(|| match self.objects.next()? {
            Served::Application(application) => Some(application),
            Served::Table(_) => None,
        });
        next.map(|ServedApplication { revision, line }| StoredApplication { revision, line })
    }
}
