//! One number that one thread writes and any thread reads.

use std::sync::atomic::{AtomicU64, Ordering};

/// Accesses are relaxed: each number is independent, and a reader that comes a moment early sees
/// the value before.
#[derive(Debug, Default)]
pub(super) struct Cell(AtomicU64);

impl Cell {
    /// Adds, for the one thread that owns this cell: a load and a store, without a locked
    /// instruction. Two threads would lose counts.
    pub(super) fn add(&self, amount: u64) {
        self.0.store(self.load().wrapping_add(amount), Ordering::Relaxed);
    }

    /// Adds from any thread, for rare events.
    pub(super) fn add_shared(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The number of open objects: all that ever began, less all that ever ended.
#[derive(Debug, Default)]
pub(super) struct OpenCount {
    pub(super) began: Cell,
    pub(super) ended: Cell,
}

impl OpenCount {
    /// The end is read first, so that an end is never seen without its beginning.
    pub(super) fn open(&self) -> u64 {
        let ended = self.ended.load();
        self.began.load().saturating_sub(ended)
    }
}
