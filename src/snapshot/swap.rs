//! The one swap cell that holds the snapshot in use.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::snapshot::Snapshot;

/// The holder of the snapshot in use.
#[derive(Debug)]
pub struct Snapshots {
    current: ArcSwap<Snapshot>,
}

impl Snapshots {
    pub fn new(first: Snapshot) -> Self {
        first.throttling.take_effect();
        Self { current: ArcSwap::from_pointee(first) }
    }

    pub fn load(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Publishes the next generation; requests in progress keep theirs.
    pub fn publish(&self, next: Snapshot) {
        next.throttling.take_effect();
        self.current.store(Arc::new(next));
    }

    pub(super) fn cell(&self) -> &ArcSwap<Snapshot> {
        &self.current
    }
}
