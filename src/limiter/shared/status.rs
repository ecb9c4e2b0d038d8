//! Tells whether this gateway counts with the others, or alone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::limiter::shared::error::CounterError;

/// The state of the shared counters, for requests, metrics and readiness. Each number stands for
/// itself.
#[derive(Debug, Default)]
pub struct SharedStatus {
    configured: AtomicBool,
    up: AtomicBool,
    decides: AtomicBool,
    rounds: AtomicU64,
    failures: AtomicU64,
    told: AtomicU64,
    known: AtomicU64,
    decided: AtomicU64,
    alone: AtomicU64,
    late: AtomicU64,
    last_round_micros: AtomicU64,
    /// The longest round after which requests go to the servers again.
    patience_micros: AtomicU64,
    /// The kind of the present failure.
    failing: Mutex<Option<&'static str>>,
}

/// The numbers of [`SharedStatus`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedNumbers {
    pub up: bool,
    /// Rounds that the servers answered, and that failed.
    pub rounds: u64,
    pub failures: u64,
    /// The counters that were sent to the servers, over all rounds.
    pub told: u64,
    /// Counters that the servers are known to hold.
    pub known: u64,
    /// Requests that the servers decided, that this gateway decided because it counts alone, and
    /// that waited in vain.
    pub decided: u64,
    pub alone: u64,
    pub late: u64,
    pub last_round: Duration,
}

impl SharedStatus {
    pub fn is_configured(&self) -> bool {
        self.configured.load(Relaxed)
    }

    /// Tells whether the servers decide on each request.
    pub fn decides_requests(&self) -> bool {
        self.decides.load(Relaxed)
    }

    /// Tells whether the servers answer. A gateway without servers is meant to count alone.
    pub fn is_up(&self) -> bool {
        self.up.load(Relaxed)
    }

    /// Returns the reason for which this gateway counts alone, in one word.
    pub fn failing(&self) -> Option<&'static str> {
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn numbers(&self) -> Option<SharedNumbers> {
        self.is_configured().then(|| SharedNumbers {
            up: self.is_up(),
            rounds: self.rounds.load(Relaxed),
            failures: self.failures.load(Relaxed),
            told: self.told.load(Relaxed),
            known: self.known.load(Relaxed),
            decided: self.decided.load(Relaxed),
            alone: self.alone.load(Relaxed),
            late: self.late.load(Relaxed),
            last_round: Duration::from_micros(self.last_round_micros.load(Relaxed)),
        })
    }

    /// `patience` is the time that requests wait for a round; `None` if none waits.
    pub(super) fn configure(&self, configured: bool, patience: Option<Duration>) {
        self.decides.store(patience.is_some(), Relaxed);
        let patience = patience.and_then(|time| u64::try_from(time.as_micros()).ok());
        self.patience_micros.store(patience.unwrap_or(u64::MAX), Relaxed);
        self.configured.store(configured, Relaxed);
        self.up.store(false, Relaxed);
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) =
            configured.then_some("connecting");
    }

    /// A round was answered. A slow one does not call requests back to the servers.
    pub(super) fn answered(&self, servers: &str, told: usize, took: Duration) {
        self.rounds.fetch_add(1, Relaxed);
        self.told.fetch_add(told as u64, Relaxed);
        self.last_round_micros.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
        let patience = Duration::from_micros(self.patience_micros.load(Relaxed));
        if took > patience || self.up.swap(true, Relaxed) {
            return;
        }
        let failed = self.failing.lock().unwrap_or_else(PoisonError::into_inner).take();
        let after = if failed == Some("connecting") { "the start" } else { "a failure" };
        tracing::info!(target: "portcullis::throttle", servers, after, "the gateway counts with the others");
    }

    pub(super) fn failed(&self, servers: &str, error: &CounterError) {
        self.failures.fetch_add(1, Relaxed);
        self.up.store(false, Relaxed);
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.replace(error.label()) != Some(error.label()) {
            let error = error.to_string();
            tracing::warn!(target: "portcullis::throttle", servers, error, "the shared counters cannot be reached; this gateway counts alone until they answer");
        }
    }

    /// Requests waited in vain: those that follow do not wait until a round is in time.
    pub(super) fn too_late(&self, servers: &str) {
        if self.up.swap(false, Relaxed) {
            *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = Some("late");
            tracing::warn!(target: "portcullis::throttle", servers, "the shared counters answer too late; this gateway counts alone until they are in time");
        }
    }

    pub(super) fn known(&self, counters: usize) {
        self.known.store(counters as u64, Relaxed);
    }

    pub(super) fn count_decided(&self) {
        self.decided.fetch_add(1, Relaxed);
    }

    pub(super) fn count_alone(&self) {
        self.alone.fetch_add(1, Relaxed);
    }

    pub(super) fn count_late(&self) {
        self.late.fetch_add(1, Relaxed);
    }
}
