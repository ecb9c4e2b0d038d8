//! Bursts: the generic cell rate algorithm (ITU-T I.371), as a bucket that time empties evenly.
//!
//! Levels are whole numbers: a request fills the bucket by `per` milliseconds, and a millisecond
//! empties it by `requests`. At most N(1 + L/W) requests pass in any interval of length L.

use std::time::Duration;

use crate::model::policy::Burst;

/// The figures of a burst, ready to be counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BurstRule {
    requests: u64,
    /// The level of one request: milliseconds of the burst's time.
    each: u64,
    /// The highest level at which a request has room.
    room: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct BurstCell {
    /// The steady moment of `level`.
    at: u64,
    level: u64,
}

impl BurstRule {
    pub(super) fn new(burst: Burst) -> Self {
        let (requests, each) = (burst.requests.get(), milliseconds(burst.per));
        Self { requests, each, room: requests.saturating_mul(each).saturating_sub(each) }
    }
}

impl BurstCell {
    /// Empties the bucket by the time that has passed.
    pub(super) fn advance(&mut self, burst: BurstRule, steady: u64) {
        let passed = steady.saturating_sub(self.at);
        self.level = self.level.saturating_sub(passed.saturating_mul(burst.requests));
        self.at = self.at.max(steady);
    }

    pub(super) fn has_room(&self, burst: BurstRule) -> bool {
        self.level <= burst.room
    }

    /// Milliseconds until a request has room.
    pub(super) fn wait(&self, burst: BurstRule) -> u64 {
        self.level.saturating_sub(burst.room).div_ceil(burst.requests)
    }

    pub(super) fn add(&mut self, burst: BurstRule) {
        self.level = self.level.saturating_add(burst.each);
    }

    /// Sets the level that all gateways together have reached, before `since` requests that went
    /// in here.
    pub(super) fn absorb(&mut self, burst: BurstRule, level: u64, since: u32) {
        let level = level.saturating_add(burst.each.saturating_mul(since.into()));
        self.level = self.level.max(level);
    }

    /// Requests that may follow at once.
    pub(super) fn left(&self, burst: BurstRule) -> u64 {
        (burst.room.saturating_add(burst.each)).saturating_sub(self.level) / burst.each
    }

    pub(super) fn is_idle(&self) -> bool {
        self.level == 0
    }
}

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}
