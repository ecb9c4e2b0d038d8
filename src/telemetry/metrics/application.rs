//! Counts exchanges by application, if the operator wants that.
//!
//! Series are made up to a bound, and later applications share one. So neither a scrape nor the
//! memory grows with the number of applications.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::collect::{as_f64, sample};
use super::exposition::Exposition;
use super::families;
use super::reason_counts::ReasonCounts;
use super::sample::{Label, OTHER};
use crate::model::reason::Reason;

/// The counts of one application.
#[derive(Debug)]
pub struct ApplicationSeries(ReasonCounts);

/// The series of all applications that were seen.
#[derive(Debug)]
pub struct ApplicationRegistry {
    workers: usize,
    most: usize,
    /// Series by application and owner. A worker looks here once for each token that it does not
    /// know.
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
        Self(ReasonCounts::new(workers))
    }

    /// Counts an exchange. `worker` must be the calling thread's own number.
    pub fn record(&self, worker: usize, reason: Reason) {
        self.0.record(worker, reason);
    }
}

pub(super) fn applications(out: &mut Exposition<'_>, registry: &ApplicationRegistry) {
    let known = registry.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let other = [Label::Fixed(OTHER), Label::Fixed(OTHER)];
    let rest = [(other, Arc::clone(&registry.rest))];
    let known = known.into_iter().map(|(names, series)| (names.map(Label::Shared), series));
    let mut samples = Vec::new();
    for ([application, owner], series) in known.chain(rest) {
        for (reason, count) in series.0.totals() {
            let labels = [application.clone(), owner.clone(), Label::Fixed(reason.label())];
            samples.push(sample(labels, as_f64(count)));
        }
    }
    out.write(&families::APPLICATION_REQUESTS, samples);
}
