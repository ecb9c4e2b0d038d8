//! Counts the exchanges of each key manager, and early signs of trouble.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::cell::Cell;
use super::clock_lead::ClockLead;
use super::collect::{as_f64, sample};
use super::exposition::Exposition;
use super::families;
use super::reason_counts::ReasonCounts;
use super::sample::Label;
use crate::model::clock::{Moment, UnixSeconds};
use crate::model::reason::Reason;

/// A log line about a foreign consumer key is written at most this often for a key manager, in
/// milliseconds: a client that was set up wrongly repeats itself.
const FOREIGN_KEY_LOG_MILLIS: u64 = 60_000;

/// The counts of one key manager. The organizations of a template that no file lists share one.
#[derive(Debug)]
pub struct KeyManagerSeries {
    requests: ReasonCounts,
    foreign_keys: Cell,
    /// The time from which the next log line about a foreign key is allowed.
    next_line: Cell,
    clock_lead: ClockLead,
}

impl KeyManagerSeries {
    fn new(workers: usize) -> Self {
        Self {
            requests: ReasonCounts::new(workers),
            foreign_keys: Cell::default(),
            next_line: Cell::default(),
            clock_lead: ClockLead::default(),
        }
    }

    /// Counts an exchange whose token it judged. `worker` must be the calling thread's own number.
    pub fn record(&self, worker: usize, reason: Reason) {
        self.requests.record(worker, reason);
    }

    /// Notes the time of issue of a token whose signature was just checked.
    pub fn token_issued(&self, at: UnixSeconds, now: UnixSeconds) {
        let seconds = |time: UnixSeconds| i64::try_from(time.0).unwrap_or(i64::MAX);
        self.clock_lead.note(seconds(at).saturating_sub(seconds(now)));
    }

    /// Counts a consumer key of another key manager, and tells whether to log it. Two workers can
    /// both be told so in the same moment.
    pub fn foreign_key(&self, now: Moment) -> bool {
        self.foreign_keys.add_shared(1);
        // from 1 on: a hand-set clock may begin at zero
        let now = now.0.saturating_add(1);
        let is_due = self.next_line.load() <= now;
        if is_due {
            self.next_line.set(now.saturating_add(FOREIGN_KEY_LOG_MILLIS));
        }
        is_due
    }
}

/// The series of all key managers. Whatever counts in one keeps it alive.
#[derive(Debug)]
pub(super) struct KeyManagerRegistry {
    workers: usize,
    known: Mutex<BTreeMap<Arc<str>, Weak<KeyManagerSeries>>>,
}

type Live = Vec<(Arc<str>, Arc<KeyManagerSeries>)>;

impl KeyManagerRegistry {
    pub(super) fn new(workers: usize) -> Self {
        Self { workers, known: Mutex::default() }
    }

    pub(super) fn of(&self, key_manager: &str) -> Arc<KeyManagerSeries> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = known.get(key_manager).and_then(Weak::upgrade) {
            return series;
        }
        let series = Arc::new(KeyManagerSeries::new(self.workers));
        known.insert(key_manager.into(), Arc::downgrade(&series));
        series
    }

    pub(super) fn live(&self) -> Live {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, series| series.strong_count() > 0);
        known
            .iter()
            .filter_map(|(name, series)| Some((Arc::clone(name), series.upgrade()?)))
            .collect()
    }
}

pub(super) fn judged(out: &mut Exposition<'_>, live: &Live) {
    let name = |name: &Arc<str>| Label::Shared(Arc::clone(name));
    let requests = live.iter().flat_map(|(key_manager, series)| {
        series.requests.totals().map(|(reason, count)| {
            sample([name(key_manager), Label::Fixed(reason.label())], as_f64(count))
        })
    });
    out.write(&families::KEY_MANAGER_REQUESTS, requests.collect());
    let foreign = live.iter().map(|(key_manager, series)| {
        sample([name(key_manager)], as_f64(series.foreign_keys.load()))
    });
    out.write(&families::FOREIGN_CONSUMER_KEYS, foreign.collect());
    let leads = live.iter().filter_map(|(key_manager, series)| {
        let seconds = series.clock_lead.seconds()?;
        Some(sample([name(key_manager)], signed(seconds)))
    });
    out.write(&families::ISSUER_CLOCK_LEAD, leads.collect());
}

/// the seconds of a day are far within the precision of a double
#[allow(clippy::cast_precision_loss, reason = "at most a day of seconds")]
fn signed(seconds: i64) -> f64 {
    seconds as f64
}
