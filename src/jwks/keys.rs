//! What workers read of a key manager's keys, and how they ask for newer ones.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use crate::jwks::failure::FetchFailure;
use crate::jwt::{KeySet, SkippedKey};
use crate::model::names::Issuer;

/// Requests that may wait for one fetch; more are answered with what is known.
const MOST_WAITING: usize = 1024;

/// The longest that a request waits for a fetch.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// One key manager's keys: outlives snapshots and reloads, read without a lock.
#[derive(Debug)]
pub struct KeyManagerKeys {
    state: ArcSwap<KeyState>,
    outcome: watch::Sender<Outcome>,
    asked: mpsc::Sender<RefetchCause>,
    waiting: AtomicUsize,
    /// Whether a fetch may be asked for: not for keys from files, nor for a disabled key manager.
    fetched: AtomicBool,
    /// Until when the task would decide not to ask, in microseconds since `begun`: a flood costs it nothing.
    rests_until: AtomicU64,
    begun: Instant,
    wait: Duration,
    record: Mutex<Record>,
}

/// The keys in use.
#[derive(Debug, Clone)]
pub struct KeyState {
    /// `None`: never had any, or the last good ones are older than `jwks_keep_stale`.
    pub keys: Option<Arc<KeySet>>,
    /// Grows when the usable keys, or the learned issuer, change.
    pub generation: u64,
    /// From the discovery document, where one was read.
    pub issuer: Option<Issuer>,
    /// Where the discovery document says that tokens can be asked about.
    pub introspection: Option<Arc<str>>,
    /// An unknown key now means that we do not know, not that there is no such key.
    pub last_attempt_failed: bool,
}

/// Why newer keys are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefetchCause {
    UnknownKey,
    BadSignature,
    NoKeys,
}

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refetched {
    Changed,
    Unchanged,
    /// `jwks_min_refetch` is not over, or these keys are not fetched.
    NotAllowed,
    Failed,
    TimedOut,
}

/// For `/readyz`, `/metrics`, `check` and `explain`.
#[derive(Debug, Clone)]
pub struct KeyManagerStatus {
    pub usable: bool,
    pub key_count: usize,
    pub generation: u64,
    /// Since the last good fetch.
    pub age: Option<Duration>,
    /// The last failure, while it is the last outcome.
    pub last_failure: Option<String>,
    /// Fetches by result.
    pub fetches: Vec<(&'static str, u64)>,
    /// Keys of the current document that were left out, by reason.
    pub skipped: Vec<(&'static str, u64)>,
}

/// How the last finished fetch ended. Who waits tells by the numbers what came of its asking: a look that asked nobody must
/// not hide the fetch that was finished just before it.
#[derive(Debug, Clone, Copy, Default)]
struct Outcome {
    /// How often the task has looked, and of these, how often it fetched.
    looks: u64,
    fetches: u64,
    ending: Ending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Ending {
    /// Nothing has finished yet.
    #[default]
    Pending,
    Changed,
    Unchanged,
    Failed,
}

#[derive(Debug, Default)]
struct Record {
    last_good: Option<Instant>,
    last_failure: Option<String>,
    /// The server answered, and said that there is nothing.
    absent: bool,
    fetches: BTreeMap<&'static str, u64>,
    skipped: BTreeMap<&'static str, u64>,
}

/// Counts a waiting request for as long as it waits, also when it is dropped.
struct Waiting<'k>(&'k AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl KeyManagerKeys {
    /// Without keys; the receiver is the fetching task's.
    pub(super) fn new(wait: Duration) -> (Arc<Self>, mpsc::Receiver<RefetchCause>) {
        let (asked, asks) = mpsc::channel(1);
        let state = KeyState {
            keys: None,
            generation: 0,
            issuer: None,
            introspection: None,
            last_attempt_failed: false,
        };
        let keys = Self {
            state: ArcSwap::from_pointee(state),
            outcome: watch::Sender::new(Outcome::default()),
            asked,
            waiting: AtomicUsize::new(0),
            fetched: AtomicBool::new(true),
            rests_until: AtomicU64::new(0),
            begun: Instant::now(),
            wait: wait.min(LONGEST_WAIT),
            record: Mutex::new(Record::default()),
        };
        (Arc::new(keys), asks)
    }

    /// The keys in use: wait-free.
    pub fn current(&self) -> Guard<Arc<KeyState>> {
        self.state.load()
    }

    /// Asks for newer keys and waits, bounded, for what comes of it. All who ask at one time share one fetch, and there is
    /// at most one per `jwks_min_refetch`. Callable from any runtime; dropping the future stops the waiting only.
    pub async fn refetch(&self, cause: RefetchCause) -> Refetched {
        if !self.fetched.load(Ordering::Relaxed) || self.rests() {
            return Refetched::NotAllowed;
        }
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if waiting >= MOST_WAITING {
            return Refetched::Failed;
        }
        let mut outcome = self.outcome.subscribe();
        let before = *outcome.borrow_and_update();
        // a first fetch that ended since the caller looked has brought what it is here for
        let came = || cause == RefetchCause::NoKeys && self.state.load().keys.is_some();
        if came() {
            return Refetched::Changed;
        }
        // a full queue means that somebody asked already, and the answer will be ours too
        let _ = self.asked.try_send(cause);
        let finished =
            timeout(self.wait, outcome.wait_for(|outcome| outcome.looks > before.looks)).await;
        match finished {
            Err(_) => Refetched::TimedOut,
            Ok(Err(_)) => Refetched::Failed,
            // the last outcome hides the one before: that fetch, and then the answer to our question
            Ok(Ok(_)) if came() => Refetched::Changed,
            Ok(Ok(outcome)) if outcome.fetches == before.fetches => Refetched::NotAllowed,
            Ok(Ok(outcome)) => match outcome.ending {
                Ending::Changed => Refetched::Changed,
                Ending::Unchanged => Refetched::Unchanged,
                Ending::Pending | Ending::Failed => Refetched::Failed,
            },
        }
    }

    /// Waits until the first fetch has ended, one way or the other.
    pub async fn settled(&self) {
        let mut outcome = self.outcome.subscribe();
        if self.fetched.load(Ordering::Relaxed) {
            let _ = outcome.wait_for(|outcome| outcome.ending != Ending::Pending).await;
        }
    }

    pub fn status(&self) -> KeyManagerStatus {
        let state = self.state.load();
        let record = self.record();
        KeyManagerStatus {
            usable: state.keys.is_some(),
            key_count: state.keys.as_ref().map_or(0, |keys| keys.len()),
            generation: state.generation,
            age: record.last_good.map(|at| at.elapsed()),
            last_failure: record.last_failure.clone(),
            fetches: record.fetches.iter().map(|(label, count)| (*label, *count)).collect(),
            skipped: record.skipped.iter().map(|(label, count)| (*label, *count)).collect(),
        }
    }

    /// Puts a good key set in place of the old one; says whether it differs.
    pub(super) fn succeed(
        &self,
        keys: KeySet,
        skipped: &[SkippedKey],
        issuer: Option<Issuer>,
        introspection: Option<Arc<str>>,
    ) -> bool {
        let before = self.state.load_full();
        let same_keys =
            before.keys.as_ref().is_some_and(|old| old.fingerprint() == keys.fingerprint());
        let changed = !same_keys || before.issuer != issuer;
        let state = KeyState {
            keys: if same_keys { before.keys.clone() } else { Some(Arc::new(keys)) },
            generation: before.generation.saturating_add(u64::from(changed)),
            issuer,
            introspection,
            last_attempt_failed: false,
        };
        self.state.store(Arc::new(state));
        {
            let mut record = self.record();
            record.last_good = Some(Instant::now());
            record.last_failure = None;
            record.absent = false;
            count(&mut record.fetches, if changed { "changed" } else { "unchanged" });
            record.skipped.clear();
            for key in skipped {
                count(&mut record.skipped, key.reason.label());
            }
        }
        self.finish(if changed { Ending::Changed } else { Ending::Unchanged });
        changed
    }

    /// Keys kept from before this process: good, and of a known age.
    pub(super) fn restore(&self, keys: Arc<KeySet>, issuer: Option<Issuer>, age: Duration) {
        self.state.store(Arc::new(KeyState {
            keys: Some(keys),
            generation: 1,
            issuer,
            introspection: None,
            last_attempt_failed: false,
        }));
        self.record().last_good = Instant::now().checked_sub(age);
    }

    /// Remembers a failure; keys stay as they are.
    pub(super) fn fail(&self, failure: &FetchFailure) {
        let before = self.state.load_full();
        if !before.last_attempt_failed {
            self.state.store(Arc::new(KeyState {
                last_attempt_failed: true,
                ..KeyState::clone(&before)
            }));
        }
        {
            let mut record = self.record();
            record.last_failure = Some(failure.to_string());
            record.absent = failure.is_absence();
            count(&mut record.fetches, failure.label());
        }
        self.finish(Ending::Failed);
    }

    /// A fetch begins: who asks from now on waits for it.
    pub(super) fn is_fetching(&self) {
        self.rests_until.store(0, Ordering::Relaxed);
    }

    /// A fetch has ended: until then no request may cause another.
    pub(super) fn rest_until(&self, until: Instant) {
        let micros = u64::try_from(until.saturating_duration_since(self.begun).as_micros())
            .unwrap_or(u64::MAX);
        self.rests_until.store(micros, Ordering::Relaxed);
    }

    fn rests(&self) -> bool {
        self.begun.elapsed().as_micros() < u128::from(self.rests_until.load(Ordering::Relaxed))
    }

    /// Tells those who wait that nobody was asked.
    pub(super) fn not_allowed(&self) {
        self.outcome.send_modify(|outcome| outcome.looks = outcome.looks.wrapping_add(1));
    }

    /// Too old: from now on nothing is judged by them.
    pub(super) fn expire(&self) {
        let before = self.state.load_full();
        let generation = before.generation.saturating_add(1);
        self.state.store(Arc::new(KeyState { keys: None, generation, ..KeyState::clone(&before) }));
    }

    /// These keys are not fetched.
    pub(super) fn is_fixed(&self) {
        self.fetched.store(false, Ordering::Relaxed);
    }

    /// Whether the server, when it was last asked, said that there is no such key set.
    pub fn is_absent(&self) -> bool {
        self.record().absent
    }

    /// Whether a first fetch has ended.
    pub fn has_settled(&self) -> bool {
        self.outcome.borrow().ending != Ending::Pending
    }

    /// How old the last good keys are.
    pub(super) fn age(&self) -> Option<Duration> {
        self.record().last_good.map(|at| at.elapsed())
    }

    fn finish(&self, ending: Ending) {
        self.outcome.send_modify(|outcome| {
            *outcome = Outcome {
                looks: outcome.looks.wrapping_add(1),
                fetches: outcome.fetches.wrapping_add(1),
                ending,
            };
        });
    }

    fn record(&self) -> std::sync::MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(counts: &mut BTreeMap<&'static str, u64>, label: &'static str) {
    let count = counts.entry(label).or_default();
    *count = count.saturating_add(1);
}

impl fmt::Display for RefetchCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownKey => "a token with an unknown kid",
            Self::BadSignature => "a token with a bad signature",
            Self::NoKeys => "a token, and no keys yet",
        })
    }
}
