//! One count over all gateways, in Redis or Valkey.
//!
//! *Batched*: each gateway counts by itself and compares its counters with the servers every
//! `sync_interval`; no request waits. *Exact*: the servers decide on each request, in one step for
//! all of its counters; a request waits for [`PATIENCE`] at most. If the servers do not answer, the
//! gateway counts alone, and sends its counts later.
//!
//! The walk through the files: [`session`] (one life of the connections), [`servers`] (the server
//! of a key), [`slots`] (of a cluster), [`merge`] and [`known`] (comparing a counter), [`exact`] (a
//! request), [`scripts`] (the servers' scripts), [`status`] (connected or alone).

mod error;
mod exact;
mod known;
mod merge;
mod scripts;
mod servers;
mod session;
mod slots;
mod status;

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::limiter::counters::{CounterClaim, Counters, Exceeded, Passed};
use crate::limiter::key::{CounterKey, KeySpace};
use crate::limiter::shared::exact::{OwnedClaim, UndecidedRequest};
use crate::limiter::shared::merge::Sums;
use crate::limiter::shared::servers::Servers;
use crate::limiter::shared::session::{CounterSession, Memory, Parts};
pub use crate::limiter::shared::status::{SharedNumbers, SharedStatus};
use crate::model::clock::Clock;
use crate::model::redis::RedisServers;
use crate::model::throttling::{CounterMode, SharedCounting};
use crate::redis_link::schedule;

/// The longest that a request waits for the servers.
const PATIENCE: Duration = Duration::from_millis(5);

/// After so many requests in a row that waited in vain, no request waits until the servers answer
/// in time again.
const MOST_IN_VAIN: u32 = 3;

/// Requests that wait for the servers at a time; more are counted here.
const MOST_WAITING: usize = 4096;

/// The way of requests to the servers, shared by all workers.
#[derive(Debug, Default)]
pub struct SharedLimiter {
    status: SharedStatus,
    queue: Mutex<Option<mpsc::Sender<UndecidedRequest>>>,
    in_vain: AtomicU32,
    name: Mutex<String>,
}

impl SharedLimiter {
    pub fn status(&self) -> &SharedStatus {
        &self.status
    }

    /// Lets the servers decide on a request. Returns `None` if they cannot, so that this gateway
    /// must decide.
    pub async fn decide(&self, claims: &[CounterClaim<'_>]) -> Option<Result<Passed, Exceeded>> {
        if !self.status.decides_requests() {
            return None;
        }
        if !self.status.is_up() {
            self.status.count_alone();
            return None;
        }
        let owned = claims
            .iter()
            .map(|claim| OwnedClaim { limit: Arc::clone(claim.limit), key: claim.key });
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let undecided = UndecidedRequest { claims: owned.collect(), answer };
        let sent = queue.is_some_and(|queue| queue.try_send(undecided).is_ok());
        if sent && let Ok(Ok(decision)) = timeout(PATIENCE, answered).await {
            self.in_vain.store(0, Relaxed);
            return Some(decision);
        }
        self.status.count_late();
        if self.in_vain.fetch_add(1, Relaxed) + 1 >= MOST_IN_VAIN {
            self.in_vain.store(0, Relaxed);
            self.status.too_late(&self.name.lock().unwrap_or_else(PoisonError::into_inner));
        }
        None
    }

    fn open(&self, name: &str, patience: Option<Duration>) -> mpsc::Receiver<UndecidedRequest> {
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        name.clone_into(&mut self.name.lock().unwrap_or_else(PoisonError::into_inner));
        self.status.configure(true, patience);
        receiver
    }

    fn close(&self) {
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.status.configure(false, None);
    }
}

/// The name of a counter on the servers.
pub fn counter_name(counter: CounterKey, mode: CounterMode) -> String {
    String::from_utf8_lossy(&merge::key(counter.0, sums(mode))).into_owned()
}

fn sums(mode: CounterMode) -> Sums {
    match mode {
        CounterMode::Batched => Sums::OfAll,
        CounterMode::Exact => Sums::OfThisGateway,
    }
}

/// Returns the secret of the counters' names, on which all gateways must agree: it is made from the
/// password that they share. Without a password, any program that reaches the servers can change
/// every count anyway.
pub fn key_space(settings: &SharedCounting) -> KeySpace {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"portcullis shared counters 1\0");
    if let Some(password) = &settings.servers.login.password {
        context.update(password.reveal().as_bytes());
    }
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    KeySpace::from_bytes(bytes)
}

/// Owns the task that talks to the servers; dropping it ends the task.
#[derive(Debug)]
pub struct SharedCounters {
    limiter: Arc<SharedLimiter>,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
    settings: Option<SharedCounting>,
    task: JoinSet<()>,
}

impl SharedCounters {
    /// Makes the counters of a gateway that has no servers yet.
    pub fn new(
        limiter: Arc<SharedLimiter>,
        counters: Arc<Counters>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { limiter, counters, clock, settings: None, task: JoinSet::new() }
    }

    /// Uses these servers from now on, or none. An unchanged session goes on.
    pub async fn follow(&mut self, wanted: Option<&SharedCounting>) {
        if self.settings.as_ref() == wanted {
            return;
        }
        self.shutdown().await;
        self.settings = wanted.cloned();
        if let Some(settings) = wanted.cloned() {
            let patience = (settings.mode == CounterMode::Exact).then_some(PATIENCE);
            let requests = self.limiter.open(&name(&settings.servers), patience);
            let (limiter, counters) = (Arc::clone(&self.limiter), Arc::clone(&self.counters));
            let clock = Arc::clone(&self.clock);
            self.task.spawn(run(settings, limiter, counters, clock, requests));
        }
    }

    pub async fn shutdown(&mut self) {
        self.limiter.close();
        self.settings = None;
        self.task.shutdown().await;
    }
}

/// Runs one session after the other.
async fn run(
    settings: SharedCounting,
    limiter: Arc<SharedLimiter>,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
    mut requests: mpsc::Receiver<UndecidedRequest>,
) {
    let name = name(&settings.servers);
    let gateway = schedule::unique();
    let mut memory = Memory::begin(&counters, gateway);
    let parts = Parts {
        counters: &counters,
        status: &limiter.status,
        clock: &clock,
        sums: sums(settings.mode),
        sync_interval: settings.sync_interval,
        name: &name,
    };
    let mut failures = 0_u32;
    loop {
        let error = match Servers::connect(&settings.servers).await {
            Ok(servers) => match CounterSession::begin(parts, servers, &mut memory).await {
                Ok(mut session) => {
                    failures = 0;
                    session.run(&mut requests).await
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        limiter.status.failed(&name, &error);
        // a waiting request is answered at once
        while requests.try_recv().is_ok() {}
        failures = failures.saturating_add(1);
        sleep(schedule::retry(failures, schedule::LONGEST)).await;
    }
}

/// The servers as the log names them: without name and password.
fn name(servers: &RedisServers) -> String {
    let seeds: Vec<_> = servers.seeds.iter().map(ToString::to_string).collect();
    seeds.join(",")
}
