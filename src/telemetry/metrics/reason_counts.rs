//! Counts of exchanges by the reason of their decision, for a holder that has one label set.

use std::sync::OnceLock;

use super::cell::Cell;
use crate::model::reason::Reason;

/// The counts of one holder. Each worker writes to cells of its own.
#[derive(Debug)]
pub(super) struct ReasonCounts {
    workers: Box<[OnceLock<Box<ReasonCells>>]>,
}

/// The counts by [`Reason::index`], aligned like the cells of operations.
#[derive(Debug)]
#[repr(align(128))]
struct ReasonCells([Cell; Reason::COUNT]);

impl ReasonCounts {
    pub(super) fn new(workers: usize) -> Self {
        Self { workers: (0..workers).map(|_| OnceLock::new()).collect() }
    }

    /// Counts an exchange. `worker` must be the calling thread's own number.
    pub(super) fn record(&self, worker: usize, reason: Reason) {
        let Some(cells) = self.workers.get(worker) else { return };
        if let Some(cell) = cells.get_or_init(Box::default).0.get(reason.index()) {
            cell.add(1);
        }
    }

    /// The reasons that occurred, with their sums over all workers.
    pub(super) fn totals(&self) -> impl Iterator<Item = (Reason, u64)> {
        let totals = Reason::ALL.iter().map(|reason| (*reason, self.total(*reason)));
        totals.filter(|(_, count)| *count > 0)
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
