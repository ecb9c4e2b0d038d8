//! Claims DPoP proofs at the channel's server, so that each is good once over all gateways.
//!
//! A claim is one `SET ... NX EX`: the server decides which came first. Claims have a connection of
//! their own, so that news and comparisons do not delay them. A claim waits for [`PATIENCE`] at
//! most, and not at all while the server is down. For that time the caller has its own memory.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::{Pipeline, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::model::redis::RedisServer;
use crate::redis_link::schedule;
use crate::redis_link::{LinkError, connect};

/// The braces are the same as in the other keys, so that a cluster keeps them together.
const PREFIX: &str = "{portcullis}:proofs:";

/// The longest that a request waits for the server's decision.
const PATIENCE: Duration = Duration::from_millis(250);

/// The time after which a server without an answer counts as down.
const ANSWER: Duration = Duration::from_secs(1);

/// Claims that wait for their turn; more are not made.
const MOST_WAITING: usize = 4096;

/// Claims in one round.
const BATCH: usize = 256;

/// The server's decision on a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    First,
    /// Another request was first, of this gateway or another one.
    Taken,
    /// There was no answer, or there is no channel.
    Unknown,
}

#[derive(Debug)]
struct QueuedClaim {
    name: [u8; 16],
    lifetime: Duration,
    answer: oneshot::Sender<bool>,
}

/// The way from the requests to the server. Counters are relaxed: each number stands for itself.
#[derive(Debug, Default)]
pub struct ProofClaims {
    queue: Mutex<Option<mpsc::Sender<QueuedClaim>>>,
    shared: AtomicBool,
    up: AtomicBool,
    first: AtomicU64,
    taken: AtomicU64,
    unanswered: AtomicU64,
}

impl ProofClaims {
    /// Tells whether there is a channel to ask.
    pub fn are_shared(&self) -> bool {
        self.shared.load(Ordering::Relaxed)
    }

    /// Claims a name for so long. It fails if the name is taken.
    pub async fn claim(&self, name: [u8; 16], lifetime: Duration) -> Claimed {
        let claimed = self.ask(name, lifetime).await;
        let count = match claimed {
            Claimed::First => &self.first,
            Claimed::Taken => &self.taken,
            Claimed::Unknown => &self.unanswered,
        };
        count.fetch_add(1, Ordering::Relaxed);
        claimed
    }

    async fn ask(&self, name: [u8; 16], lifetime: Duration) -> Claimed {
        if !self.up.load(Ordering::Relaxed) {
            return Claimed::Unknown;
        }
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sent =
            queue.and_then(|queue| queue.try_send(QueuedClaim { name, lifetime, answer }).ok());
        if sent.is_none() {
            return Claimed::Unknown;
        }
        match timeout(PATIENCE, answered).await {
            Ok(Ok(true)) => Claimed::First,
            Ok(Ok(false)) => Claimed::Taken,
            Ok(Err(_)) | Err(_) => Claimed::Unknown,
        }
    }

    /// The outcomes of the claims so far.
    pub(in crate::revocation) fn counts(&self) -> Vec<(&'static str, u64)> {
        [("first", &self.first), ("taken", &self.taken), ("unanswered", &self.unanswered)]
            .map(|(result, count)| (result, count.load(Ordering::Relaxed)))
            .to_vec()
    }

    pub(super) fn open(&self) -> ClaimQueue {
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        self.shared.store(true, Ordering::Relaxed);
        ClaimQueue(receiver)
    }

    pub(super) fn close(&self) {
        self.shared.store(false, Ordering::Relaxed);
        self.up.store(false, Ordering::Relaxed);
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Claims on their way to the server.
pub(super) struct ClaimQueue(mpsc::Receiver<QueuedClaim>);

/// Sends claims to the server, over one connection after the other.
pub(super) async fn run(settings: RedisServer, claims: &ProofClaims, mut queue: ClaimQueue) {
    let mut failures = 0_u32;
    loop {
        let error = serve(&settings, claims, &mut queue.0, &mut failures).await;
        claims.up.store(false, Ordering::Relaxed);
        // a waiting request is answered at once
        while queue.0.try_recv().is_ok() {}
        failures = failures.saturating_add(1);
        if failures == 1 {
            let error = error.describe();
            tracing::warn!(
                target: "portcullis::revocation",
                error,
                "used DPoP proofs are not shared with the other gateways until the channel \
                 answers; each remembers its own",
            );
        }
        let longest =
            if error.is_refusal() { schedule::LONGEST_AFTER_REFUSAL } else { schedule::LONGEST };
        sleep(schedule::retry(failures, longest)).await;
    }
}

async fn serve(
    settings: &RedisServer,
    claims: &ProofClaims,
    queue: &mut mpsc::Receiver<QueuedClaim>,
    failures: &mut u32,
) -> LinkError {
    let (mut link, driver) = match connect(settings).await {
        Ok(connected) => connected,
        Err(error) => return error,
    };
    let asking = async {
        claims.up.store(true, Ordering::Relaxed);
        loop {
            let mut batch = Vec::new();
            if queue.recv_many(&mut batch, BATCH).await == 0 {
                // the owner has closed the channel; this task is about to be ended
                return std::future::pending().await;
            }
            let round = questions(&batch);
            let answers = timeout(ANSWER, round.query_async::<Vec<Value>>(&mut link)).await;
            let answers = match answers {
                Ok(Ok(answers)) => answers,
                Ok(Err(error)) => return LinkError::from(error),
                Err(_) => return LinkError::Late,
            };
            for (claim, answer) in batch.into_iter().zip(answers) {
                let answer = match answer {
                    Value::Okay => true,
                    Value::Nil => false,
                    _ => return LinkError::Shape("SET"),
                };
                // the request may have stopped waiting
                let _ = claim.answer.send(answer);
            }
            *failures = 0;
        }
    };
    tokio::select! {
        () = driver => LinkError::Closed,
        error = asking => error,
    }
}

fn questions(batch: &[QueuedClaim]) -> Pipeline {
    let mut round = Pipeline::new();
    for claim in batch {
        let mut key = String::from(PREFIX);
        for byte in claim.name {
            let _ = write!(key, "{byte:02x}");
        }
        let seconds = claim.lifetime.as_secs().max(1);
        round.cmd("SET").arg(key).arg(1).arg("NX").arg("EX").arg(seconds);
    }
    round
}
