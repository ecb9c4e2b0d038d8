//! Counts each exchange: by operation, method, reason and status, and by API.
//!
//! Every worker has cells of its own, made when it first needs them, and is the only writer of
//! them. So `record` takes no lock, no locked instruction and, after the first exchange of a
//! worker, an operation and a method, no memory.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Method;

use super::cell::Cell;
use super::exemplars::{Exemplar, ExemplarCells, Exemplars};
use super::histogram::{HistogramCells, HistogramTotals};
use super::status::{STATUS_CELLS, cell_of};
use crate::model::reason::Reason;
use crate::telemetry::access_log::UnixMillis;
use crate::telemetry::traces::TraceId;

/// The measures of one exchange.
#[derive(Debug, Clone, Copy)]
pub struct Measured<'a> {
    pub method: &'a Method,
    pub status: u16,
    pub reason: Reason,
    /// The refusal that was only observed.
    pub observed: Option<Reason>,
    /// The time from the request head to the end of the answer.
    pub total: Duration,
    /// The time spent on the backend; `None` if it was not asked.
    pub backend: Option<Duration>,
    pub received_bytes: u64,
    pub sent_bytes: u64,
    /// The trace and the end of an exchange that is exported.
    pub exported: Option<(TraceId, UnixMillis)>,
}

/// The counts of one operation, with those of its API. Outlives snapshots: the same labels give the
/// same series.
#[derive(Debug)]
pub struct OperationSeries {
    pub(super) operation: Arc<str>,
    pub(super) api: Arc<ApiSeries>,
    statuses: Arc<ReasonStatuses>,
    workers: Box<[OnceLock<Box<MethodTable>>]>,
}

/// The counts of one API.
#[derive(Debug)]
pub(super) struct ApiSeries {
    pub(super) api: Arc<str>,
    pub(super) version: Arc<str>,
    workers: Box<[OnceLock<Box<ApiCells>>]>,
}

/// The status that each reason is answered with, plus one: the first one seen. A refusal's status
/// is fixed, so this keeps one series per reason whatever happens.
#[derive(Debug)]
pub(super) struct ReasonStatuses([AtomicU16; Reason::COUNT]);

/// The counts of an API, summed over all workers.
#[derive(Debug, Default)]
pub(super) struct ApiTotals {
    pub(super) total: HistogramTotals,
    pub(super) backend: HistogramTotals,
    pub(super) received_bytes: u64,
    pub(super) sent_bytes: u64,
    pub(super) exemplars: Exemplars,
    /// The counts in the order of [`Reason::OBSERVABLE`].
    pub(super) observed: [u64; Reason::OBSERVABLE.len()],
}

/// The counts of an operation for one method, summed over all workers.
#[derive(Debug)]
pub(super) struct MethodTotals {
    /// The counts by [`Reason::index`]; [`Reason::Forwarded`] has none.
    pub(super) reasons: [u64; Reason::COUNT],
    /// The forwarded answers, by [`super::status`] cell.
    pub(super) forwarded: [u64; STATUS_CELLS],
}

type MethodTable = [OnceLock<Box<MethodCells>>; METHODS.len()];

/// Aligned, so that no two workers write to one cache line (or to a pair of them that the processor
/// fetches as one).
#[derive(Debug)]
#[repr(align(128))]
struct MethodCells {
    reasons: [Cell; Reason::COUNT],
    forwarded: [Cell; STATUS_CELLS],
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct ApiCells {
    total: HistogramCells,
    backend: HistogramCells,
    received_bytes: Cell,
    sent_bytes: Cell,
    exemplars: ExemplarCells,
    observed: [Cell; Reason::OBSERVABLE.len()],
}

/// The `method` labels: clients may invent methods, so all that are not here share the last.
pub(super) const METHODS: [&str; 8] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];

/// The position in [`METHODS`].
pub(super) fn method_class(method: &Method) -> usize {
    match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::PATCH => 4,
        Method::DELETE => 5,
        Method::OPTIONS => 6,
        _ => 7,
    }
}

impl OperationSeries {
    pub(super) fn new(
        operation: Arc<str>,
        api: Arc<ApiSeries>,
        statuses: Arc<ReasonStatuses>,
        workers: usize,
    ) -> Self {
        Self { operation, api, statuses, workers: (0..workers).map(|_| OnceLock::new()).collect() }
    }

    /// Counts an exchange. `worker` must be the calling thread's own number; one that does not
    /// exist counts nothing.
    pub fn record(&self, worker: usize, exchange: &Measured<'_>) {
        let Some(methods) = self.workers.get(worker) else { return };
        if let Some(cells) = methods.get_or_init(Box::default).get(method_class(exchange.method)) {
            cells.get_or_init(Box::default).record(exchange);
        }
        self.statuses.learn(exchange.reason, exchange.status);
        self.api.record(worker, exchange);
    }

    /// Returns the sum over all workers for a position in [`METHODS`]; `None` if no worker saw that
    /// method.
    pub(super) fn totals(&self, method: usize) -> Option<MethodTotals> {
        let mut sum: Option<MethodTotals> = None;
        for cells in self.workers.iter().filter_map(|methods| methods.get()?.get(method)?.get()) {
            cells.add_to(sum.get_or_insert_with(MethodTotals::default));
        }
        sum
    }
}

impl ApiSeries {
    pub(super) fn new(api: Arc<str>, version: Arc<str>, workers: usize) -> Self {
        Self { api, version, workers: (0..workers).map(|_| OnceLock::new()).collect() }
    }

    fn record(&self, worker: usize, exchange: &Measured<'_>) {
        let Some(cells) = self.workers.get(worker) else { return };
        let cells = cells.get_or_init(Box::default);
        cells.total.observe(exchange.total);
        if let Some(backend) = exchange.backend {
            cells.backend.observe(backend);
        }
        cells.received_bytes.add(exchange.received_bytes);
        cells.sent_bytes.add(exchange.sent_bytes);
        if let Some(observed) = exchange.observed {
            let cells = Reason::OBSERVABLE.iter().zip(&cells.observed);
            cells.filter(|(reason, _)| **reason == observed).for_each(|(_, cell)| cell.add(1));
        }
        if let Some((trace, at)) = exchange.exported {
            cells.exemplars.note(Exemplar { trace, value: exchange.total, at });
        }
    }

    pub(super) fn totals(&self) -> ApiTotals {
        let mut sum = ApiTotals::default();
        for cells in self.workers.iter().filter_map(OnceLock::get) {
            cells.total.add_to(&mut sum.total);
            cells.backend.add_to(&mut sum.backend);
            sum.received_bytes += cells.received_bytes.load();
            sum.sent_bytes += cells.sent_bytes.load();
            cells.exemplars.add_to(&mut sum.exemplars);
            for (total, cell) in sum.observed.iter_mut().zip(&cells.observed) {
                *total += cell.load();
            }
        }
        sum
    }
}

impl ReasonStatuses {
    /// Returns `None` until an exchange has ended with this reason; one that ends in this moment
    /// may be missed.
    pub(super) fn status(&self, reason: Reason) -> Option<u16> {
        self.0.get(reason.index())?.load(Ordering::Relaxed).checked_sub(1)
    }

    fn learn(&self, reason: Reason, status: u16) {
        if let Some(known) = self.0.get(reason.index())
            && known.load(Ordering::Relaxed) == 0
        {
            // another worker may have been first: its status stays
            let _ = known.compare_exchange(
                0,
                status.saturating_add(1),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
    }
}

impl Default for ReasonStatuses {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU16::new(0)))
    }
}

impl MethodCells {
    fn record(&self, exchange: &Measured<'_>) {
        let cell = match exchange.reason {
            Reason::Forwarded => self.forwarded.get(cell_of(exchange.status)),
            refused => self.reasons.get(refused.index()),
        };
        if let Some(cell) = cell {
            cell.add(1);
        }
    }

    fn add_to(&self, totals: &mut MethodTotals) {
        for (total, cell) in totals.reasons.iter_mut().zip(&self.reasons) {
            *total += cell.load();
        }
        for (total, cell) in totals.forwarded.iter_mut().zip(&self.forwarded) {
            *total += cell.load();
        }
    }
}

impl Default for MethodCells {
    fn default() -> Self {
        Self {
            reasons: std::array::from_fn(|_| Cell::default()),
            forwarded: std::array::from_fn(|_| Cell::default()),
        }
    }
}

impl Default for MethodTotals {
    fn default() -> Self {
        Self { reasons: [0; Reason::COUNT], forwarded: [0; STATUS_CELLS] }
    }
}
