//! A key manager's keys: workers read them, and a fetch changes them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::jwks::failure::KeySetFailure;
use crate::jwks::outcome::{FetchEnding, WaitOutcomes};
use crate::jwks::refetch_requests::RefetchRequests;
use crate::jwks::rotation::KeyRotation;
use crate::jwks::schedule::Moment;
use crate::jwt::{Claims, KeySet, SkippedKey};
use crate::model::clock::UnixSeconds;
use crate::model::names::Issuer;

/// A change that is this young may have come after a request looked at the keys.
const RECENTLY: Duration = Duration::from_secs(1);

/// One key manager's keys: outlives snapshots and reloads, read without a lock.
#[derive(Debug)]
pub struct KeyManagerKeys {
    state: ArcSwap<KeyState>,
    pub(super) outcome: watch::Sender<WaitOutcomes>,
    pub(super) refetch_requests: RefetchRequests,
    pub(super) rotation: KeyRotation,
    /// Tells whether a fetch can be requested. Keys from files and keys of a disabled key manager
    /// are not fetched.
    fetched: AtomicBool,
    /// These keys are not fetched any more, because the configuration has replaced them.
    retired: AtomicBool,
    /// The longest that a request waits for keys.
    pub(super) wait: Duration,
    record: Mutex<FetchRecord>,
}

/// The keys in use.
#[derive(Debug, Clone)]
pub struct KeyState {
    /// `None` if it never had any, or the last good ones are older than `jwks_keep_stale`.
    pub keys: Option<Arc<KeySet>>,
    /// Grows when the usable keys, or the learned issuer, change.
    pub generation: u64,
    /// The issuer of the discovery document, if one was read.
    pub issuer: Option<Issuer>,
    /// The introspection endpoint that the discovery document names.
    pub introspection: Option<Arc<str>>,
    /// The last fetch failed, so a key that is missing may exist.
    pub last_attempt_failed: bool,
}

/// The facts for `/readyz`, `/metrics`, `check` and `explain`.
#[derive(Debug, Clone)]
pub struct KeyManagerStatus {
    pub usable: bool,
    pub key_count: usize,
    pub generation: u64,
    /// The time since the last good fetch.
    pub age: Option<Duration>,
    /// The last failure, while it is the last outcome.
    pub last_failure: Option<String>,
    /// Fetches by result.
    pub fetches: Vec<(&'static str, u64)>,
    /// Keys of the current document that were left out, by reason.
    pub skipped: Vec<(&'static str, u64)>,
    /// Requests that wait for newer keys.
    pub waiting: usize,
    /// The outcomes of waiting, counted by result.
    pub waits: Vec<(&'static str, u64)>,
    /// The number of keys in each state of a rotation; empty if keys do not come from a server.
    pub rotation: Vec<(&'static str, u64)>,
    /// The first end of the certificates that its servers have shown last, in seconds since 1970.
    pub certificate_until: Option<u64>,
}

#[derive(Debug, Default)]
struct FetchRecord {
    last_good: Option<Instant>,
    last_change: Option<Instant>,
    last_failure: Option<String>,
    /// The server answered that the key set does not exist.
    absent: bool,
    fetches: BTreeMap<&'static str, u64>,
    skipped: BTreeMap<&'static str, u64>,
    /// The certificates' ends, by [`CertificateUse`].
    certificates: [Option<u64>; 2],
}

/// The server that has shown a certificate. The two are often one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateUse {
    KeySet,
    Introspection,
}

impl KeyManagerKeys {
    /// Makes an empty set. A request waits for keys until `wait` has passed since it arrived.
    pub(super) fn new(wait: Duration) -> Arc<Self> {
        let state = KeyState {
            keys: None,
            generation: 0,
            issuer: None,
            introspection: None,
            last_attempt_failed: false,
        };
        Arc::new(Self {
            state: ArcSwap::from_pointee(state),
            outcome: watch::Sender::new(WaitOutcomes::default()),
            refetch_requests: RefetchRequests::new(),
            rotation: KeyRotation::new(),
            fetched: AtomicBool::new(true),
            retired: AtomicBool::new(false),
            wait,
            record: Mutex::new(FetchRecord::default()),
        })
    }

    /// The keys in use: wait-free.
    pub fn current(&self) -> Guard<Arc<KeyState>> {
        self.state.load()
    }

    /// Tells whether the keys changed a moment ago, perhaps after a request looked at them.
    pub fn changed_recently(&self) -> bool {
        self.is_fetched() && self.record().last_change.is_some_and(|at| at.elapsed() < RECENTLY)
    }

    /// Tells whether the keys come from a server.
    pub fn is_fetched(&self) -> bool {
        self.fetched.load(Ordering::Relaxed)
    }

    /// Makes waiting requests look for the keys that replaced these.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
        self.outcome.send_modify(|_| {});
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::SeqCst)
    }

    /// Waits until the first fetch has ended, with success or not.
    pub async fn settled(&self) {
        let mut outcome = self.outcome.subscribe();
        if self.fetched.load(Ordering::Relaxed) {
            let _ = outcome.wait_for(|outcome| outcome.ending != FetchEnding::Pending).await;
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
            waiting: self.refetch_requests.places.taken(),
            waits: self.refetch_requests.results(),
            rotation: self.rotation.states(Instant::now().into_std()),
            certificate_until: record.certificates.iter().flatten().min().copied(),
        }
    }

    /// Notes the end of a server's certificate.
    pub fn note_certificate(&self, of: CertificateUse, until: Option<u64>) {
        let [key_set, introspection] = &mut self.record().certificates;
        match of {
            CertificateUse::KeySet => *key_set = until,
            CertificateUse::Introspection => *introspection = until,
        }
    }

    /// Notes a token that was just verified with one of the keys. Not called for a token that a
    /// worker remembers.
    pub fn note_verified(&self, claims: &Claims, now: UnixSeconds) {
        let valid_for = Duration::from_secs(claims.expires_at().0.saturating_sub(now.0));
        if let Some(kid) =
            self.rotation.note(claims.signed_by(), valid_for, Instant::now().into_std())
        {
            tracing::info!(
                target: "portcullis::jwks",
                issuer = claims.issuer(),
                %kid,
                "a token of a new key was seen: the rotation has begun",
            );
        }
    }

    /// Replaces the old key set by a good one, and returns whether they differ. Waiting requests
    /// are notified by [`Self::finish`].
    pub(super) fn succeed(
        &self,
        keys: KeySet,
        skipped: &[SkippedKey],
        issuer: Option<Issuer>,
        introspection: Option<Arc<str>>,
    ) -> FetchEnding {
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
            if changed {
                record.last_change = record.last_good;
            }
            record.last_failure = None;
            record.absent = false;
            count(&mut record.fetches, if changed { "changed" } else { "unchanged" });
            record.skipped.clear();
            for key in skipped {
                count(&mut record.skipped, key.reason.label());
            }
        }
        if changed { FetchEnding::Changed } else { FetchEnding::Unchanged }
    }

    /// Keys kept from before this process: good, and of a known age.
    pub(super) fn restore(&self, keys: Arc<KeySet>, issuer: Option<Issuer>, age: Duration) {
        self.rotation.publish(&keys, Instant::now().into_std());
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
    pub(super) fn fail(&self, failure: &KeySetFailure) {
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
    }

    /// Drops keys that are too old, so that no token is judged by them.
    pub(super) fn expire(&self) {
        let before = self.state.load_full();
        let generation = before.generation.saturating_add(1);
        self.state.store(Arc::new(KeyState { keys: None, generation, ..KeyState::clone(&before) }));
    }

    /// Marks these keys as not fetched.
    pub(super) fn is_fixed(&self) {
        self.fetched.store(false, Ordering::Relaxed);
    }

    /// Tells whether the server answered at the last fetch that there is no such key set.
    pub fn is_absent(&self) -> bool {
        self.record().absent
    }

    /// Tells whether a first fetch has ended.
    pub fn has_settled(&self) -> bool {
        self.outcome.borrow().ending != FetchEnding::Pending
    }

    /// The age of the last good keys.
    pub(super) fn age(&self) -> Option<Duration> {
        self.record().last_good.map(|at| at.elapsed())
    }

    /// Tells waiting requests that the fetch which began at that moment has ended.
    pub(super) fn finish(&self, began: Moment, ending: FetchEnding) {
        self.outcome.send_modify(|outcome| {
            let good = matches!(ending, FetchEnding::Changed | FetchEnding::Unchanged);
            *outcome = WaitOutcomes {
                last_began: Some(began),
                last_good_began: if good { Some(began) } else { outcome.last_good_began },
                ending,
            };
        });
    }

    fn record(&self) -> std::sync::MutexGuard<'_, FetchRecord> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(counts: &mut BTreeMap<&'static str, u64>, label: &'static str) {
    let count = counts.entry(label).or_default();
    *count = count.saturating_add(1);
}
