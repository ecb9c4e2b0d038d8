//! The state of the channel, logged when it changes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::clock::UnixSeconds;
use crate::model::redis::RedisServer;
use crate::redis_link::LinkError;
use crate::revocation::counts::RevocationCounters;

/// The largest difference of two well kept clocks, in seconds.
const CLOCK_DIFFERENCE: u64 = 60;

/// Up or down. A change is logged, and a lasting state is not.
#[derive(Debug)]
pub(super) struct ChannelStatus {
    server: String,
    now: Mutex<ChannelState>,
    /// The difference of the clocks was logged.
    clocks_differ: AtomicBool,
    time_refused: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChannelState {
    New,
    Up(Instant),
    Down(&'static str),
}

impl ChannelStatus {
    pub(super) fn new(settings: &RedisServer) -> Self {
        Self {
            server: settings.at.to_string(),
            now: Mutex::new(ChannelState::New),
            clocks_differ: AtomicBool::new(false),
            time_refused: AtomicBool::new(false),
        }
    }

    /// Notes that everything is compared, and news goes both ways.
    pub(super) fn up(&self, counts: &RevocationCounters) {
        counts.channel_came_up();
        let before = self.change(ChannelState::Up(Instant::now()));
        if !matches!(before, ChannelState::Up(_)) {
            tracing::info!(
                target: "portcullis::revocation",
                server = self.server,
                "the revocation channel is up",
            );
        }
    }

    /// Notes that the channel is down. Returns the time for which it was up, if it was.
    pub(super) fn down(&self, error: &LinkError, counts: &RevocationCounters) -> Option<Duration> {
        counts.channel_failed();
        let before = self.change(ChannelState::Down(error.label()));
        if before != ChannelState::Down(error.label()) {
            let (server, error) = (&self.server, error.describe());
            tracing::warn!(
                target: "portcullis::revocation",
                server,
                error,
                "the revocation channel is down; revocations hold here, and are told when it is \
                 back",
            );
        }
        match before {
            ChannelState::Up(since) => Some(since.elapsed()),
            ChannelState::New | ChannelState::Down(_) => None,
        }
    }

    /// Logs once that nothing can be removed from the shared set.
    pub(super) fn no_time(&self) {
        if !self.time_refused.swap(true, Ordering::Relaxed) {
            let server = &self.server;
            tracing::warn!(
                target: "portcullis::revocation",
                server,
                "the channel's server does not let the gateway ask for its time: what has expired \
                 is not taken out of what all gateways share; give the user the right to `TIME` \
                 (`+time`)",
            );
        }
    }

    /// Says once that the clock here and the server's differ, and once that they do no longer.
    pub(super) fn compare_clocks(&self, ours: UnixSeconds, servers: UnixSeconds) {
        let differ = ours.0.abs_diff(servers.0) > CLOCK_DIFFERENCE;
        if self.clocks_differ.swap(differ, Ordering::Relaxed) == differ {
            return;
        }
        let (server, ours, servers) = (&self.server, ours.0, servers.0);
        if differ {
            tracing::warn!(
                target: "portcullis::revocation",
                server,
                ours,
                servers,
                "the clock of this machine and that of the channel's server differ by more than a \
                 minute; nothing is forgotten before both say so; check the time synchronization \
                 of \
                 both",
            );
        } else {
            tracing::info!(
                target: "portcullis::revocation",
                server,
                "the clock of this machine and that of the channel's server agree again",
            );
        }
    }

    fn change(&self, to: ChannelState) -> ChannelState {
        std::mem::replace(&mut *self.now.lock().unwrap_or_else(PoisonError::into_inner), to)
    }
}
