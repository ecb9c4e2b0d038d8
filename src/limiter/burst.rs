//! Bursts: the generic cell rate algorithm (ITU-T I.371), as a bucket that time empties evenly.
//!
//! Levels are whole numbers: a request fills the bucket by `per` milliseconds, and a millisecond
//! empties it by `requests`. At most N(1 + L/W) requests pass in any interval of length L.

use std::time::Duration;

use crate::model::policy::Burst;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct BurstCell {
    /// The steady moment of `level`.
    at: u64,
    level: u64,
    /// Requests that went in, ever; it wraps. Other gateways are told the difference.
    spent: u32,
}

impl BurstCell {
    /// Empties the bucket by the time that has passed.
    pub(super) fn advance(&mut self, burst: Burst, steady: u64) {
        let passed = steady.saturating_sub(self.at);
        self.level = self.level.saturating_sub(passed.saturating_mul(burst.requests.get()));
        self.at = self.at.max(steady);
    }

    /// Milliseconds until a request has room.
    pub(super) fn wait(&self, burst: Burst) -> u64 {
        let whole = burst.requests.get().saturating_mul(each(burst));
        let over = self.level.saturating_add(each(burst)).saturating_sub(whole);
        // most requests are within their burst, and a division is slow
        if over == 0 { 0 } else { over.div_ceil(burst.requests.get()) }
    }

    pub(super) fn add(&mut self, burst: Burst, requests: u64) {
        self.level = self.level.saturating_add(each(burst).saturating_mul(requests));
        self.spent = self.spent.wrapping_add(u32::try_from(requests).unwrap_or(u32::MAX));
    }

    pub(super) fn spent(&self) -> u32 {
        self.spent
    }

    /// Sets the level that all gateways together have reached, as of the time when `spent` requests
    /// had gone in here: those that followed are added.
    pub(super) fn absorb(&mut self, burst: Burst, level: u64, spent: u32) {
        let since = u64::from(self.spent.wrapping_sub(spent));
        let level = level.saturating_add(each(burst).saturating_mul(since));
        self.level = self.level.max(level);
    }

    /// Requests that may follow at once.
    pub(super) fn left(&self, burst: Burst) -> u64 {
        let whole = burst.requests.get().saturating_mul(each(burst));
        whole.saturating_sub(self.level) / each(burst)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.level == 0
    }
}

/// The level of one request: milliseconds of the burst's time.
fn each(burst: Burst) -> u64 {
    milliseconds(burst.per)
}

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}
