//! Revocations between gateways, over Redis or Valkey: what one gateway is told, all know within a
//! second.
//!
//! It is a task of its own, and no request waits for it. While the server is down, each gateway
//! goes on with its own revocations. When the server is back, everything is compared. The channel
//! is trusted: a program that writes to it can revoke tokens. Nothing on it can make a revoked
//! token good again.
//!
//! The walk through the files: [`session`] (one life of the connection), [`status`] (up or down),
//! [`used_proofs`] (DPoP proofs), [`message`] (a revocation as text), [`reply`] (the
//! server's answers); connections come from [`redis_link`](crate::redis_link).

mod message;
mod reply;
mod session;
mod status;
pub mod used_proofs;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::model::clock::Clock;
use crate::model::redis::RedisServer;
use crate::redis_link::schedule;
use crate::revocation::channel::session::Session;
use crate::revocation::channel::status::ChannelStatus;
use crate::revocation::record::RevocationRecord;
use crate::revocation::revocations::Revocations;

/// Owns the task; dropping it ends the task, and loses nothing.
#[derive(Debug)]
pub struct Channel {
    revocations: Arc<Revocations>,
    clock: Arc<dyn Clock>,
    settings: Option<RedisServer>,
    /// The server of a paused channel.
    paused: Option<RedisServer>,
    task: JoinSet<()>,
}

impl Channel {
    /// A channel without a server yet.
    pub fn new(revocations: Arc<Revocations>, clock: Arc<dyn Clock>) -> Self {
        Self { revocations, clock, settings: None, paused: None, task: JoinSet::new() }
    }

    /// Uses this server from now on, or none. An unchanged session goes on.
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
            self.task
                .spawn(async move { used_proofs::run(claiming, &claimed.claims, claims).await });
            self.task.spawn(run(
                settings,
                Arc::clone(&self.revocations),
                Arc::clone(&self.clock),
                queue,
            ));
        }
    }

    /// Sends and reads nothing until [`Channel::resume`].
    pub async fn pause(&mut self) {
        self.shutdown().await;
        self.paused = self.settings.take().or_else(|| self.paused.take());
    }

    /// Goes on after a pause.
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

/// Runs one session after the other.
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
        // a session begins with a comparison, which has the queued revocations too
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
