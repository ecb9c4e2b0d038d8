//! Finds series by their labels. Whatever counts in a series keeps it alive.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::listener::ListenerSeries;
use super::operation::{ApiSeries, OperationSeries, ReasonStatuses};

#[derive(Debug)]
pub(super) struct Registry {
    workers: usize,
    statuses: Arc<ReasonStatuses>,
    /// Locked to compile a snapshot and for scrapes; no request ever waits here.
    known: Mutex<KnownSeries>,
}

#[derive(Debug, Default)]
struct KnownSeries {
    apis: BTreeMap<[Arc<str>; 2], Weak<ApiSeries>>,
    operations: BTreeMap<[Arc<str>; 3], Weak<OperationSeries>>,
    listeners: BTreeMap<Arc<str>, Weak<ListenerSeries>>,
    /// The number of known operations at which unused ones are forgotten.
    tidy_at: usize,
}

/// The series of a scrape, in the order of their labels.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) apis: Vec<Arc<ApiSeries>>,
    pub(super) operations: Vec<Arc<OperationSeries>>,
    pub(super) listeners: Vec<Arc<ListenerSeries>>,
}

/// The number of series at which tidying starts. Later it happens whenever the number has doubled.
const TIDY_AT_LEAST: usize = 256;

impl Registry {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            workers,
            statuses: Arc::default(),
            known: Mutex::new(KnownSeries { tidy_at: TIDY_AT_LEAST, ..KnownSeries::default() }),
        }
    }

    pub(super) fn statuses(&self) -> &ReasonStatuses {
        &self.statuses
    }

    pub(super) fn operation(
        &self,
        api: &str,
        version: &str,
        operation: &str,
    ) -> Arc<OperationSeries> {
        let mut known = self.known();
        let labels = [Arc::from(api), Arc::from(version), Arc::from(operation)];
        if let Some(series) = known.operations.get(&labels).and_then(Weak::upgrade) {
            return series;
        }
        if known.operations.len() >= known.tidy_at {
            known.tidy();
        }
        let [api, version, operation] = &labels;
        let api = known.api(api, version, self.workers);
        let series = Arc::new(OperationSeries::new(
            Arc::clone(operation),
            api,
            Arc::clone(&self.statuses),
            self.workers,
        ));
        known.operations.insert(labels, Arc::downgrade(&series));
        series
    }

    pub(super) fn listener(&self, name: &str) -> Arc<ListenerSeries> {
        let mut known = self.known();
        if let Some(series) = known.listeners.get(name).and_then(Weak::upgrade) {
            return series;
        }
        let series = Arc::new(ListenerSeries::new(name.into(), self.workers));
        known.listeners.insert(Arc::clone(&series.name), Arc::downgrade(&series));
        series
    }

    pub(super) fn live(&self) -> Live {
        let mut known = self.known();
        known.tidy();
        Live {
            apis: known.apis.values().filter_map(Weak::upgrade).collect(),
            operations: known.operations.values().filter_map(Weak::upgrade).collect(),
            listeners: known.listeners.values().filter_map(Weak::upgrade).collect(),
        }
    }

    #[cfg(test)]
    pub(super) fn known_operations(&self) -> usize {
        self.known().operations.len()
    }

    fn known(&self) -> MutexGuard<'_, KnownSeries> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KnownSeries {
    fn api(&mut self, api: &Arc<str>, version: &Arc<str>, workers: usize) -> Arc<ApiSeries> {
        let labels = [Arc::clone(api), Arc::clone(version)];
        if let Some(series) = self.apis.get(&labels).and_then(Weak::upgrade) {
            return series;
        }
        let series = Arc::new(ApiSeries::new(Arc::clone(api), Arc::clone(version), workers));
        self.apis.insert(labels, Arc::downgrade(&series));
        series
    }

    fn tidy(&mut self) {
        self.apis.retain(|_, series| series.strong_count() > 0);
        self.operations.retain(|_, series| series.strong_count() > 0);
        self.listeners.retain(|_, series| series.strong_count() > 0);
        self.tidy_at = (self.operations.len() * 2).max(TIDY_AT_LEAST);
    }
}
