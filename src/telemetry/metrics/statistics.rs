//! Statistics of applications: the outcomes of their requests over the last hour and day, by API.
//!
//! A worker counts in cells of its own and takes no lock for it. It looks a pair of application and
//! API up once for each token. The control side adds the new counts to [`history`], and answers
//! from there. Pairs beyond a bound are counted together.

mod history;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use super::cell::Cell;
use super::collect::{as_f64, sample};
use super::exposition::Exposition;
use super::families;
use super::histogram::{HistogramCells, HistogramTotals};
use super::operation::{ApiSeries, OperationSeries};
use crate::model::clock::{Clock, Moment};
use crate::model::reason::Reason;
use history::{CallHistory, CallTotals};

pub use history::CallWindow;

/// The most pairs of an application and an API that are counted apart. A pair with 37 slots of
/// history takes up to 8 kB, and 0.7 kB for each worker that serves it.
const MOST_PAIRS: usize = 2_000;

/// The counts of one application at one API. Each worker writes to cells of its own.
#[derive(Debug)]
struct CallSeries {
    workers: Box<[OnceLock<Box<CallCells>>]>,
}

/// The cells, aligned like those of operations.
#[derive(Debug)]
#[repr(align(128))]
struct CallCells {
    /// The counts by [`Reason::index`].
    reasons: [Cell; Reason::COUNT],
    /// The latency of forwarded requests; a refusal says nothing about the time that an API takes.
    latency: HistogramCells,
}

/// The counts that a token's calls of one API go to.
#[derive(Debug)]
pub struct CountedCalls {
    /// A weak reference keeps the API's place in memory, so no later API can be mistaken for it.
    api: Weak<ApiSeries>,
    series: Arc<CallSeries>,
}

/// A pair of an application and an API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallPair {
    pub application: Arc<str>,
    pub owner: Arc<str>,
    pub api: Arc<str>,
    pub version: Arc<str>,
}

/// The outcomes of the requests of one pair.
#[derive(Debug, Clone)]
pub struct CallReport {
    pub pair: CallPair,
    pub hour: CallWindow,
    pub day: CallWindow,
}

/// All pairs with requests of the last day.
#[derive(Debug)]
pub struct CallStatistics {
    workers: usize,
    most: usize,
    clock: Arc<dyn Clock>,
    /// A worker looks here once for each token and API that it does not know.
    known: Mutex<BTreeMap<CallPair, Arc<CallSeries>>>,
    rest: Arc<CallSeries>,
    /// Used by the control side alone.
    histories: Mutex<BTreeMap<CallPair, CallHistory>>,
}

impl CallStatistics {
    pub(super) fn new(workers: usize, clock: Arc<dyn Clock>) -> Self {
        Self::bounded(workers, MOST_PAIRS, clock)
    }

    fn bounded(workers: usize, most: usize, clock: Arc<dyn Clock>) -> Self {
        Self {
            workers,
            most,
            clock,
            known: Mutex::default(),
            rest: Arc::new(CallSeries::new(workers)),
            histories: Mutex::default(),
        }
    }

    /// Returns the series of an application at the API of this operation, or the one of all pairs
    /// that found no place.
    pub fn of(&self, application: &str, owner: &str, operation: &OperationSeries) -> CountedCalls {
        let api = Arc::downgrade(&operation.api);
        let pair = CallPair {
            application: application.into(),
            owner: owner.into(),
            api: Arc::clone(&operation.api.api),
            version: Arc::clone(&operation.api.version),
        };
        let mut known = lock(&self.known);
        if let Some(series) = known.get(&pair) {
            return CountedCalls { api, series: Arc::clone(series) };
        }
        if known.len() >= self.most {
            return CountedCalls { api, series: Arc::clone(&self.rest) };
        }
        let series = Arc::new(CallSeries::new(self.workers));
        known.insert(pair, Arc::clone(&series));
        CountedCalls { api, series }
    }

    /// Adds the new counts to the histories, and forgets pairs without a request of the last day.
    pub fn settle(&self) {
        self.settle_at(self.clock.moment());
    }

    fn settle_at(&self, now: Moment) {
        let mut histories = lock(&self.histories);
        let known = lock(&self.known).clone();
        for (pair, series) in known {
            let history = histories.entry(pair).or_default();
            history.add(now, &series.totals());
        }
        let mut known = lock(&self.known);
        histories.retain(|pair, history| {
            // a holder of the series may count in it, and only known tokens hold it
            let is_used = || known.get(pair).is_some_and(|series| Arc::strong_count(series) > 1);
            let kept = !history.is_empty() || is_used();
            if !kept {
                known.remove(pair);
            }
            kept
        });
    }

    /// Returns the outcomes of the requests of each wanted pair.
    pub fn report(&self, wanted: impl Fn(&CallPair) -> bool) -> Vec<CallReport> {
        let now = self.clock.moment();
        self.settle_at(now);
        let histories = lock(&self.histories);
        let wanted = histories.iter().filter(|(pair, history)| !history.is_empty() && wanted(pair));
        wanted
            .map(|(pair, history)| CallReport {
                pair: pair.clone(),
                hour: history.hour(now),
                day: history.day(now),
            })
            .collect()
    }

    /// Returns the number of requests of pairs that found no place.
    pub fn uncounted(&self) -> u64 {
        self.rest.totals().requests()
    }
}

impl CallSeries {
    fn new(workers: usize) -> Self {
        Self { workers: (0..workers).map(|_| OnceLock::new()).collect() }
    }

    fn totals(&self) -> CallTotals {
        let mut sum =
            CallTotals { reasons: [0; Reason::COUNT], latency: HistogramTotals::default() };
        for cells in self.workers.iter().filter_map(OnceLock::get) {
            for (total, cell) in sum.reasons.iter_mut().zip(&cells.reasons) {
                *total += cell.load();
            }
            cells.latency.add_to(&mut sum.latency);
        }
        sum
    }
}

impl CountedCalls {
    /// Tells whether this counts calls of an operation's API.
    pub fn is_at(&self, operation: &OperationSeries) -> bool {
        std::ptr::eq(self.api.as_ptr(), Arc::as_ptr(&operation.api))
    }

    /// Counts an exchange. `worker` must be the calling thread's own number.
    pub fn record(&self, worker: usize, reason: Reason, total: Duration) {
        let Some(cells) = self.series.workers.get(worker) else { return };
        let cells = cells.get_or_init(Box::default);
        if let Some(cell) = cells.reasons.get(reason.index()) {
            cell.add(1);
        }
        if reason == Reason::Forwarded {
            cells.latency.observe(total);
        }
    }
}

impl Default for CallCells {
    fn default() -> Self {
        Self {
            reasons: std::array::from_fn(|_| Cell::default()),
            latency: HistogramCells::default(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn statistics(out: &mut Exposition<'_>, statistics: &CallStatistics) {
    let pairs = lock(&statistics.known).len() as u64;
    out.write(&families::STATISTICS_PAIRS, vec![sample([], as_f64(pairs))]);
    let uncounted = as_f64(statistics.uncounted());
    out.write(&families::STATISTICS_UNCOUNTED, vec![sample([], uncounted)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Metrics;
    use crate::telemetry::metrics::tests::StillClock;

    const MINUTE: u64 = 60_000;

    #[test]
    fn pairs_are_counted_apart_up_to_a_bound_and_forgotten_after_a_day() {
        let metrics = Metrics::new(2, 100);
        let statistics = CallStatistics::bounded(2, 2, Arc::new(StillClock));
        let pay = metrics.operation("pay", "1", "/*");
        let lend = metrics.operation("lend", "1", "/*");
        let record = |application: &str, operation, worker, reason| {
            let counted = statistics.of(application, "ann", operation);
            assert!(counted.is_at(operation));
            counted.record(worker, reason, Duration::from_millis(4));
        };
        record("shop", &pay, 0, Reason::Forwarded);
        record("shop", &pay, 1, Reason::InsufficientScope);
        record("shop", &lend, 1, Reason::Forwarded);
        record("bank", &lend, 0, Reason::Forwarded);
        assert_eq!(statistics.uncounted(), 1, "there were two places");
        let shown = statistics.report(|pair| &*pair.api == "pay");
        assert_eq!(shown.len(), 1);
        assert_eq!(shown[0].hour.requests(), 2);
        assert_eq!(shown[0].hour.refusals(), [(Reason::InsufficientScope, 1)]);
        assert_eq!(shown[0].hour.latency().unwrap().count, 1);
        statistics.settle_at(Moment(90 * MINUTE));
        assert_eq!(statistics.report(|_| true).len(), 2, "the clock went back: nothing is lost");
        statistics.settle_at(Moment(26 * 60 * MINUTE));
        assert_eq!(statistics.report(|_| true).len(), 0);
        record("bank", &lend, 0, Reason::Forwarded);
        assert_eq!(statistics.uncounted(), 1, "a place was free again");
    }

    #[test]
    fn a_pair_that_a_token_counts_in_is_kept() {
        let metrics = Metrics::new(1, 100);
        let statistics = CallStatistics::bounded(1, 2, Arc::new(StillClock));
        let pay = metrics.operation("pay", "1", "/*");
        let held = statistics.of("shop", "ann", &pay);
        statistics.settle_at(Moment(50 * 60 * MINUTE));
        held.record(0, Reason::Forwarded, Duration::ZERO);
        statistics.settle_at(Moment(50 * 60 * MINUTE));
        assert_eq!(lock(&statistics.histories).values().filter(|own| !own.is_empty()).count(), 1);
    }

    #[test]
    fn a_later_api_of_the_same_name_is_not_taken_for_an_earlier_one() {
        let metrics = Metrics::new(1, 100);
        let statistics = CallStatistics::bounded(1, 2, Arc::new(StillClock));
        let pay = metrics.operation("pay", "1", "/*");
        let counted = statistics.of("shop", "ann", &pay);
        drop(pay);
        let later = metrics.operation("pay", "1", "/*");
        assert!(!counted.is_at(&later));
    }
}
