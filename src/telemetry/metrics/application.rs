//! Counts exchanges by application, where the operator wants that.
//!
//! Series are made up to a bound; the applications that come later share one. So neither a scrape
//! nor the memory grows with the number of applications.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::cell::Cell;
use super::collect::{as_f64, sample};
use super::exposition::Exposition;
use super::families;
use super::sample::{Label, OTHER};
use crate::model::reason::Reason;

/// The counts of one application. Each worker writes to cells of its own.
#[derive(Debug)]
pub struct ApplicationSeries {
    workers: Box<[OnceLock<Box<ReasonCells>>]>,
}

/// By [`Reason::index`]. Aligned like the cells of operations.
#[derive(Debug)]
#[repr(align(128))]
struct ReasonCells([Cell; Reason::COUNT]);

/// The series of all applications that were seen.
#[derive(Debug)]
pub struct ApplicationRegistry {
    workers: usize,
    most: usize,
    /// By application and owner. Asked once for each token that a worker does not know.
    known: Mutex<BTreeMap<[Arc<str>; 2], Arc<ApplicationSeries>>>,
    rest: Arc<ApplicationSeries>,
}

impl ApplicationRegistry {
    pub(super) fn new(workers: usize, most: usize) -> Self {
        let rest = Arc::new(ApplicationSeries::new(workers));
        Self { workers, most, known: Mutex::default(), rest }
    }

    /// Returns the series of an application, or the one of all that found no place.
    pub fn of(&self, application: &str, owner: &str) -> Arc<ApplicationSeries> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = [Arc::from(application), Arc::from(owner)];
        if let Some(series) = known.get(&key) {
            return Arc::clone(series);
        }
        if known.len() >= self.most {
            return Arc::clone(&self.rest);
        }
        let series = Arc::new(ApplicationSeries::new(self.workers));
        known.insert(key, Arc::clone(&series));
        series
    }
}

impl ApplicationSeries {
    fn new(workers: usize) -> Self {
        Self { workers: (0..workers).map(|_| OnceLock::new()).collect() }
    }

    /// Counts an exchange. `worker` must be the calling thread's own number.
    pub fn record(&self, worker: usize, reason: Reason) {
        let Some(cells) = self.workers.get(worker) else { return };
        if let Some(cell) = cells.get_or_init(Box::default).0.get(reason.index()) {
            cell.add(1);
        }
    }

    fn total(&self, reason: Reason) -> u64 {
        let cells = self.workers.iter().filter_map(OnceLock::get);
        cells.filter_map(|cells| cells.0.get(reason.index())).map(Cell::load).sum()
    }
}

impl Default for ReasonCells {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Cell::default()))
    }
}

pub(super) fn applications(out: &mut Exposition<'_>, registry: &ApplicationRegistry) {
    let known = registry.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let other = [Label::Fixed(OTHER), Label::Fixed(OTHER)];
    let rest = [(other, Arc::clone(&registry.rest))];
    let known = known.into_iter().map(|(names, series)| (names.map(Label::Shared), series));
    let mut samples = Vec::new();
    for ([application, owner], series) in known.chain(rest) {
        for reason in Reason::ALL {
            let count = series.total(*reason);
            if count > 0 {
                let labels = [application.clone(), owner.clone(), Label::Fixed(reason.label())];
                samples.push(sample(labels, as_f64(count)));
            }
        }
    }
    out.write(&families::APPLICATION_REQUESTS, samples);
}
