//! Wakes those that follow the store.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// One place for each follower, so that none takes the nudge of another.
#[derive(Debug, Default)]
pub(in crate::store) struct Nudges {
    /// The gateway, which serves by the rows that it reads.
    pub(in crate::store) gateway: Notify,
    /// The copy in `state_dir`.
    pub(in crate::store) replica: Notify,
    /// The connections that have listened so far: after each the server may be another one.
    connections: AtomicU64,
}

impl Nudges {
    pub(in crate::store) fn nudge(&self) {
        self.gateway.notify_one();
        self.replica.notify_one();
    }

    pub(in crate::store) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.nudge();
    }

    pub(in crate::store) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}
