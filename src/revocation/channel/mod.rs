//! Revocations between gateways, over Redis or Valkey: what one gateway is told, all know within a second.
//!
//! A task of its own beside the requests, none of which ever waits for it: while the server is down, each gateway goes on
//! with what it has and is told, and everything is compared when the server is back. The channel is believed: whoever
//! writes to it can revoke tokens, and nothing on it can make a revoked token good again.
//!
//! The walk through the files: [`session`] (one life of the connection), [`claims`] (DPoP
//! proofs that were used), [`message`] (a revocation as text), [`reply`] (the server's answers); connections come from
//! [`redis_link`](crate::redis_link).

pub mod claims;
mod message;
mod reply;
mod session;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::model::clock::{Clock, UnixSeconds};
use crate::model::redis::RedisServer;
use crate::redis_link::{LinkError, schedule};
use crate::revocation::Revocations;
use crate::revocation::channel::session::Session;
use crate::revocation::counts::RevocationCounters;
use crate::revocation::record::RevocationRecord;

/// Seconds by which two clocks that are kept right do not differ.
const CLOCK_DIFFERENCE: u64 = 60;

/// Owns the task; dropping it ends the task, and loses nothing.
#[derive(Debug)]
pub struct Channel {
    revocations: Arc<Revocations>,
    clock: Arc<dyn Clock>,
    settings: Option<RedisServer>,
    /// Of a channel that says nothing for now.
    paused: Option<RedisServer>,
    task: JoinSet<()>,
}

impl Channel {
    /// Without a server yet.
    pub fn new(revocations: Arc<Revocations>, clock: Arc<dyn Clock>) -> Self {
        Self { revocations, clock, settings: None, paused: None, task: JoinSet::new() }
    }

    /// Uses this server from now on, or none; what is unchanged goes on.
    pub async fn follow(&mut self, wanted: Option<&RedisServer>) {
        if self.settings.as_ref() == wanted {
            return;
        }
        self.shutdown().await;
        self.settings = wanted.cloned();
        self.revocations.counts.channel_configured(wanted.is_some());
        if let Some(settings) = wanted.cloned() {
            let queue = self.revocations.outbox.open();
            let (claims, claimed) = (self.revocations.claims.open(), Arc::clone(&self.revocations));
            let claiming = settings.clone();
            self.task.spawn(async move { claims::run(claiming, &claimed.claims, claims).await });
            self.task.spawn(run(
                settings,
                Arc::clone(&self.revocations),
                Arc::clone(&self.clock),
                queue,
            ));
        }
    }

    /// Says and hears nothing until [`Channel::resume`].
    pub async fn pause(&mut self) {
        self.shutdown().await;
        self.paused = self.settings.take().or_else(|| self.paused.take());
    }

    /// Goes on where it was paused.
    pub async fn resume(&mut self) {
        if let Some(settings) = self.paused.take() {
            self.follow(Some(&settings)).await;
        }
    }

    pub async fn shutdown(&mut self) {
        self.revocations.outbox.close();
        self.revocations.claims.close();
        self.task.shutdown().await;
    }
}

/// One session after the other.
async fn run(
    settings: RedisServer,
    revocations: Arc<Revocations>,
    clock: Arc<dyn Clock>,
    mut queue: mpsc::Receiver<RevocationRecord>,
) {
    let standing = ChannelStatus::new(&settings);
    let session = Session {
        settings: &settings,
        revocations: &revocations,
        clock: &clock,
        standing: &standing,
    };
    let mut failures = 0_u32;
    loop {
        // what waits is in the comparison that a session begins with
        while queue.try_recv().is_ok() {}
        let error = session.run(&mut queue).await;
        let lasted = standing.down(&error, &revocations.counts);
        // a connection that is lost again at once is a failure like the others
        failures = if lasted.is_some_and(|lasted| lasted > schedule::LONGEST) {
            1
        } else {
            failures.saturating_add(1)
        };
        let longest =
            if error.is_refusal() { schedule::LONGEST_AFTER_REFUSAL } else { schedule::LONGEST };
        sleep(schedule::retry(failures, longest)).await;
    }
}

/// Up or down; a change is a line in the log, and what goes on is not.
#[derive(Debug)]
struct ChannelStatus {
    server: String,
    now: Mutex<ChannelState>,
    /// It was said that the clocks differ.
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
    fn new(settings: &RedisServer) -> Self {
        Self {
            server: settings.at.to_string(),
            now: Mutex::new(ChannelState::New),
            clocks_differ: AtomicBool::new(false),
            time_refused: AtomicBool::new(false),
        }
    }

    /// Everything is compared, and news goes both ways.
    fn up(&self, counts: &RevocationCounters) {
        counts.channel_came_up();
        let before = self.change(ChannelState::Up(Instant::now()));
        if !matches!(before, ChannelState::Up(_)) {
            tracing::info!(target: "portcullis::revocation", server = self.server, "the revocation channel is up");
        }
    }

    /// For how long it was up, if it was.
    fn down(&self, error: &LinkError, counts: &RevocationCounters) -> Option<Duration> {
        counts.channel_failed();
        let before = self.change(ChannelState::Down(error.label()));
        if before != ChannelState::Down(error.label()) {
            let (server, error) = (&self.server, error.describe());
            tracing::warn!(target: "portcullis::revocation", server, error, "the revocation channel is down; revocations hold here, and are told when it is back");
        }
        match before {
            ChannelState::Up(since) => Some(since.elapsed()),
            ChannelState::New | ChannelState::Down(_) => None,
        }
    }

    /// Says once that nothing can be taken out of what all share.
    fn no_time(&self) {
        if !self.time_refused.swap(true, Ordering::Relaxed) {
            let server = &self.server;
            tracing::warn!(target: "portcullis::revocation", server, "the channel's server does not let the gateway ask for its time: what has expired is not taken out of what all gateways share; give the user the right to `TIME` (`+time`)");
        }
    }

    /// Says once that the clock here and the server's differ, and once that they do no longer.
    fn compare_clocks(&self, ours: UnixSeconds, servers: UnixSeconds) {
        let differ = ours.0.abs_diff(servers.0) > CLOCK_DIFFERENCE;
        if self.clocks_differ.swap(differ, Ordering::Relaxed) == differ {
            return;
        }
        let (server, ours, servers) = (&self.server, ours.0, servers.0);
        if differ {
            tracing::warn!(target: "portcullis::revocation", server, ours, servers, "the clock of this machine and that of the channel's server differ by more than a minute; nothing is forgotten before both say so; check the time synchronization of both");
        } else {
            tracing::info!(target: "portcullis::revocation", server, "the clock of this machine and that of the channel's server agree again");
        }
    }

    fn change(&self, to: ChannelState) -> ChannelState {
        std::mem::replace(&mut *self.now.lock().unwrap_or_else(PoisonError::into_inner), to)
    }
}
