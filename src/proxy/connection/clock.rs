//! The times of one connection, and whether it has waited longer than the limits allow. All times
//! are in ticks.

use std::cell::Cell;
use std::time::Duration;

use crate::deadline::ticks;
use crate::model::gateway::ClientLimits;

/// An idle HTTP/1 client has this long to use its connection once more when the connection is
/// drained.
const ONCE_MORE: Duration = Duration::from_secs(1);

/// The time after which a drained HTTP/2 connection without streams is closed, even if its client
/// does not read the GOAWAY.
const UNHEARD: Duration = Duration::from_secs(2);

/// The phase that a connection is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The connection waits for a request.
    Idle,
    /// Some bytes of a head came, or the connection is new.
    Head,
    Serving,
}

/// The reason for which the worker's sweep closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    Head,
    Idle,
    /// The connection was told to close, and the time for that is over.
    Lingering,
    Write,
}

/// The times of one connection.
#[derive(Debug)]
pub(super) struct ConnectionClock {
    pub(super) phase: Cell<Phase>,
    /// The time at which the phase began.
    pub(super) since: Cell<u64>,
    /// The tick since which the client reads nothing that is sent to it.
    pub(super) blocked: Cell<Option<u64>>,
    /// The tick at which the connection was told to close because it sent no request.
    pub(super) told: Cell<Option<u64>>,
    /// The tick from which the next request is the last one.
    pub(super) draining: Cell<Option<u64>>,
    /// The connection speaks HTTP/2, whose clients can be told to close.
    pub(super) multiplexed: Cell<bool>,
}

impl ConnectionClock {
    pub(super) fn new(now: u64) -> Self {
        Self {
            phase: Cell::new(Phase::Head),
            since: Cell::new(now),
            blocked: Cell::new(None),
            told: Cell::new(None),
            draining: Cell::new(None),
            multiplexed: Cell::new(false),
        }
    }

    pub(super) fn enter(&self, phase: Phase, now: u64) {
        self.phase.set(phase);
        self.since.set(now);
    }

    pub(super) fn write_blocked(&self, blocked: bool, now: u64) {
        match (blocked, self.blocked.get()) {
            (true, None) => self.blocked.set(Some(now)),
            (false, Some(_)) => self.blocked.set(None),
            _ => {}
        }
    }

    /// Returns the limit that the connection has exceeded, if there is one.
    pub(super) fn overdue(
        &self,
        limits: &ClientLimits,
        now: u64,
        serving: bool,
    ) -> Option<Overdue> {
        let longer = |since: Option<u64>, limit| {
            since.is_some_and(|since| now.saturating_sub(since) > limit)
        };
        if longer(self.blocked.get(), ticks(limits.body_stall_timeout)) {
            return Some(Overdue::Write);
        }
        // counted from the moment of telling, since the sweep may have come late
        if longer(self.told.get(), ticks(limits.header_timeout)) {
            return Some(Overdue::Lingering);
        }
        let waited = now.saturating_sub(self.since.get());
        if let Some(since) = self.draining.get().filter(|_| !serving) {
            let waited = waited.min(now.saturating_sub(since));
            if self.multiplexed.get() {
                if waited > ticks(UNHEARD) {
                    return Some(Overdue::Lingering);
                }
            } else if self.phase.get() == Phase::Idle && waited > ticks(ONCE_MORE) {
                return Some(Overdue::Idle);
            }
        }
        match self.phase.get() {
            Phase::Head if waited > ticks(limits.header_timeout) => Some(Overdue::Head),
            Phase::Idle if waited > ticks(limits.idle_timeout) => Some(Overdue::Idle),
            _ => None,
        }
    }
}
