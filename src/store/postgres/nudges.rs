//! Wakes those that follow the store.

use tokio::sync::Notify;

/// One place for each follower, so that none takes the nudge of another.
#[derive(Debug, Default)]
pub(in crate::store) struct Nudges {
    /// The gateway, which serves by the rows that it reads.
    pub(in crate::store) gateway: Notify,
    /// The copy in `state_dir`.
    pub(in crate::store) replica: Notify,
}

impl Nudges {
    pub(in crate::store) fn nudge(&self) {
        self.gateway.notify_one();
        self.replica.notify_one();
    }
}
