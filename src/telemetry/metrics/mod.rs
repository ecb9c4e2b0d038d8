//! What is counted, and `/metrics`.
//!
//! The walk through the files: [`families`] names every metric; [`operation`], [`listener`] and [`worker`] are what the
//! data path writes, each worker its own [`cell`]s ([`histogram`], [`status`]); [`control`] is what the control side
//! says; [`gather`] sums it all into samples, and [`scrape`] caps and prints them. [`forecast`] predicts how many there
//! can be, [`process`] asks the system about the process.

mod cell;
mod control;
mod families;
mod forecast;
mod gather;
mod histogram;
mod listener;
mod operation;
mod process;
mod scrape;
mod status;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

pub use control::{KeyManagerFacts, KeyManagerSource, SnapshotFacts};
pub use forecast::worst_case_series;
pub use listener::{ListenerSeries, RefusedConnection, TlsFailure};
pub use operation::{Measured, OperationSeries};
pub use worker::WorkerCounters;

use self::cell::Cell;
use self::control::Control;
use self::operation::{ApiSeries, ReasonStatuses};
use self::scrape::Scrape;
use crate::model::clock::UnixSeconds;

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    workers: Box<[Arc<WorkerCounters>]>,
    unrouted: Arc<OperationSeries>,
    statuses: Arc<ReasonStatuses>,
    /// An operation's counts live as long as a snapshot or an exchange that counts there.
    operations: Mutex<HashMap<OperationLabels, Weak<OperationSeries>>>,
    apis: Mutex<HashMap<ApiLabels, Weak<ApiSeries>>>,
    listeners: Mutex<HashMap<String, Weak<ListenerSeries>>>,
    control: Control,
    access_log_dropped: Arc<Cell>,
    scrape: Mutex<Scrape>,
}

/// API, version, operation.
type OperationLabels = (Arc<str>, Arc<str>, Arc<str>);
/// API, version.
type ApiLabels = (Arc<str>, Arc<str>);

/// Counts access log lines that were lost.
#[derive(Debug, Clone)]
pub struct DroppedLines(Arc<Cell>);

impl DroppedLines {
    pub fn add(&self, lines: u64) {
        self.0.add_shared(lines);
    }
}

impl Metrics {
    /// For this many workers, each family with at most this many series.
    pub fn new(workers: usize, max_series: usize) -> Arc<Self> {
        let statuses = Arc::new(ReasonStatuses::default());
        let nothing: Arc<str> = Arc::from("");
        let api = Arc::new(ApiSeries::new(Arc::clone(&nothing), Arc::clone(&nothing), workers));
        Arc::new(Self {
            workers: (0..workers.max(1)).map(|_| Arc::default()).collect(),
            unrouted: Arc::new(OperationSeries::new(nothing, api, Arc::clone(&statuses), workers)),
            statuses,
            operations: Mutex::default(),
            apis: Mutex::default(),
            listeners: Mutex::default(),
            control: Control::default(),
            access_log_dropped: Arc::default(),
            scrape: Mutex::new(Scrape::new(max_series)),
        })
    }

    /// The counts of an operation: the same for the same labels, for as long as somebody holds them.
    pub fn operation(&self, api: &str, version: &str, operation: &str) -> Arc<OperationSeries> {
        let (api, version, operation): (Arc<str>, Arc<str>, Arc<str>) = (api.into(), version.into(), operation.into());
        let mut operations = lock(&self.operations);
        let key = (Arc::clone(&api), Arc::clone(&version), Arc::clone(&operation));
        if let Some(series) = operations.get(&key).and_then(Weak::upgrade) {
            return series;
        }
        let workers = self.workers.len();
        let api = {
            let mut apis = lock(&self.apis);
            let known = apis.get(&(Arc::clone(&api), Arc::clone(&version))).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let series = Arc::new(ApiSeries::new(Arc::clone(&api), Arc::clone(&version), workers));
                apis.insert((api, version), Arc::downgrade(&series));
                series
            })
        };
        let series = Arc::new(OperationSeries::new(operation, api, Arc::clone(&self.statuses), workers));
        operations.insert(key, Arc::downgrade(&series));
        series
    }

    /// Where exchanges are counted that no operation was found for.
    pub fn unrouted(&self) -> Arc<OperationSeries> {
        Arc::clone(&self.unrouted)
    }

    /// The counters of a worker; those of the first for a number that there is not.
    pub fn worker(&self, worker: usize) -> Arc<WorkerCounters> {
        self.workers.get(worker).or_else(|| self.workers.first()).map(Arc::clone).unwrap_or_default()
    }

    /// The counts of a listener, by name.
    pub fn listener(&self, name: &str) -> Arc<ListenerSeries> {
        let mut listeners = lock(&self.listeners);
        if let Some(series) = listeners.get(name).and_then(Weak::upgrade) {
            return series;
        }
        let series = Arc::new(ListenerSeries::new(name.into(), self.workers.len()));
        listeners.insert(name.to_owned(), Arc::downgrade(&series));
        series
    }

    /// A configuration took effect: the first one, or with a reload.
    pub fn snapshot(&self, facts: &SnapshotFacts) {
        self.control.snapshot(facts);
    }

    /// The first configuration took effect.
    pub fn loaded(&self, at: UnixSeconds) {
        self.control.loaded(at);
    }

    pub fn reloaded(&self, at: UnixSeconds) {
        self.control.reloaded(at);
    }

    pub fn reload_failed(&self) {
        self.control.reload_failed();
    }

    /// Asked at each scrape.
    pub fn key_managers(&self, source: KeyManagerSource) {
        self.control.ask_key_managers(source);
    }

    pub fn dropped_lines(&self) -> DroppedLines {
        DroppedLines(Arc::clone(&self.access_log_dropped))
    }

    /// The Prometheus text format, version 0.0.4.
    pub fn render(&self) -> String {
        let gathered = gather::gather(self);
        lock(&self.scrape).render(gathered)
    }

    fn live_operations(&self) -> Vec<Arc<OperationSeries>> {
        let mut operations = lock(&self.operations);
        operations.retain(|_, series| series.strong_count() > 0);
        let mut live: Vec<_> = operations.values().filter_map(Weak::upgrade).collect();
        live.push(Arc::clone(&self.unrouted));
        live
    }

    fn live_apis(&self) -> Vec<Arc<ApiSeries>> {
        let mut apis = lock(&self.apis);
        apis.retain(|_, series| series.strong_count() > 0);
        let mut live: Vec<_> = apis.values().filter_map(Weak::upgrade).collect();
        live.push(Arc::clone(&self.unrouted.api));
        live
    }

    fn live_listeners(&self) -> Vec<Arc<ListenerSeries>> {
        let mut listeners = lock(&self.listeners);
        listeners.retain(|_, series| series.strong_count() > 0);
        listeners.values().filter_map(Weak::upgrade).collect()
    }
}

/// These tables are touched when a snapshot compiles and when somebody scrapes, never by a request.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
