//! Decides which questions are asked, how many at a time, and how long their answers hold.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use quick_cache::unsync::Cache;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::assertion::UnusableKey;
use crate::deadline::moment;
use crate::introspect::outcome::{IntrospectionAnswer, IntrospectionOutcome, IntrospectionPurpose};
use crate::introspect::pending::{PendingAnswer, Recheck};
use crate::introspect::server::IntrospectionServer;
use crate::jwks::KeyManagerKeys;
use crate::model::clock::{Moment, UnixSeconds};
use crate::model::key_manager::{KeyManager, OnIntrospectionFailure, TokenValidation};
use crate::telemetry::IntrospectionCounters;

/// Answers that one key manager's introspector remembers.
const MOST_ANSWERS: usize = 100_000;

/// Questions that wait for a place or for their answer; the next one is refused.
const MOST_ASKED: usize = 1024;

/// Questions of streams that are under way at a time, so that they leave places to requests.
const MOST_RECHECKS: usize = 16;

/// A token that is not active may become known a moment later (replication); a forged one never
/// does.
const NEGATIVE: Duration = Duration::from_secs(5);

/// The time for which a signature alone is enough if `on_introspection_failure` is "allow" and the
/// server cannot be asked.
const UNCONFIRMED: Duration = Duration::from_secs(5);

/// The shortest time between two questions about the token of one stream.
const SHORTEST_RECHECK: Duration = Duration::from_secs(1);

/// The time between two questions about the token of one stream, where answers to requests are not
/// kept.
const UNCACHED_RECHECK: Duration = Duration::from_secs(5);

type TokenKey = [u8; 32];

/// One key manager's questions and answers.
pub struct Introspector {
    known: Arc<IntrospectionTarget>,
    rechecks: Arc<Semaphore>,
    /// The questions under way: they end with this introspector, and not with a request.
    tasks: Mutex<JoinSet<()>>,
}

/// The state that introspection requests share.
struct IntrospectionTarget {
    server: IntrospectionServer,
    /// The time for which answers hold. Zero: only for the requests that asked.
    cache: Duration,
    /// The time for which a confirmation of a signed token holds.
    every: Duration,
    on_failure: OnIntrospectionFailure,
    answers: Mutex<Cache<TokenKey, CachedAnswer>>,
    asking: DashMap<TokenKey, PendingAnswer>,
    counters: Arc<IntrospectionCounters>,
}

#[derive(Clone)]
struct CachedAnswer {
    answer: IntrospectionAnswer,
    until: Moment,
}

impl fmt::Debug for Introspector {
    /// Shows neither tokens nor credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspector").field("server", &self.known.server).finish_non_exhaustive()
    }
}

impl Introspector {
    /// Makes it for a key manager with introspection.
    pub fn of(
        definition: &KeyManager,
        keys: &Arc<KeyManagerKeys>,
        counters: impl FnOnce() -> Arc<IntrospectionCounters>,
    ) -> Result<Option<Self>, UnusableKey> {
        let Some(settings) = &definition.introspection else { return Ok(None) };
        let counters = counters();
        let (every, on_failure) = match definition.validation {
            TokenValidation::Both { every, on_failure } => (every, on_failure),
            TokenValidation::SelfValidate | TokenValidation::Introspection => {
                (settings.cache, OnIntrospectionFailure::Refuse)
            }
        };
        let known = IntrospectionTarget {
            server: IntrospectionServer::of(definition, settings, keys, Arc::clone(&counters))?,
            cache: settings.cache,
            every,
            on_failure,
            answers: Mutex::new(Cache::new(MOST_ANSWERS)),
            asking: DashMap::new(),
            counters,
        };
        Ok(Some(Self {
            known: Arc::new(known),
            rechecks: Arc::new(Semaphore::new(MOST_RECHECKS)),
            tasks: Mutex::default(),
        }))
    }

    /// Returns the remembered answer about a token, without asking.
    pub fn known(&self, token: &[u8], now: Moment) -> Option<IntrospectionAnswer> {
        let known = self.known.find(&key(token), now);
        if known.is_some() {
            self.known.counters.remembered();
        }
        known
    }

    /// Asks the server, or joins a question about the same token that is under way. Needs a
    /// runtime.
    pub fn begin(
        &self,
        token: &[u8],
        purpose: IntrospectionPurpose,
        now: UnixSeconds,
    ) -> PendingAnswer {
        let Ok(text) = std::str::from_utf8(token) else {
            return PendingAnswer::settled(IntrospectionOutcome::Answered(
                IntrospectionAnswer::Inactive,
            ));
        };
        let key = key(token);
        // counts all shards, so not while an entry of one is held
        let full = self.known.asking.len() >= MOST_ASKED;
        let (sender, pending) = match self.known.asking.entry(key) {
            Entry::Occupied(asked) => return asked.get().clone(),
            Entry::Vacant(place) => {
                // an answer that came since the caller looked was kept before its question left
                // this table
                if let Some(answer) = self.known.find(&key, moment()) {
                    return PendingAnswer::settled(IntrospectionOutcome::Answered(answer));
                }
                if full {
                    return PendingAnswer::settled(IntrospectionOutcome::Unavailable(
                        "too many questions are under way".into(),
                    ));
                }
                let (sender, receiver) = watch::channel(None);
                let pending = PendingAnswer(receiver);
                place.insert(pending.clone());
                (sender, pending)
            }
        };
        self.known.counters.began();
        let asked = PendingIntrospection { known: Arc::clone(&self.known), key };
        let token: Box<str> = text.into();
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let outcome = asked.known.ask(key, &token, purpose, now).await;
            drop(asked);
            sender.send_replace(Some(outcome));
        });
        pending
    }

    /// Asks, and waits for the outcome.
    pub async fn ask(
        &self,
        token: &[u8],
        purpose: IntrospectionPurpose,
        now: UnixSeconds,
    ) -> IntrospectionOutcome {
        self.begin(token, purpose, now).outcome().await
    }

    /// Asks again about the token of a stream. Returns `None` while too many of these questions are
    /// in progress.
    pub fn recheck(
        &self,
        token: &[u8],
        purpose: IntrospectionPurpose,
        now: UnixSeconds,
    ) -> Option<Recheck> {
        let place = Arc::clone(&self.rechecks).try_acquire_owned().ok()?;
        let pending = match self.known(token, moment()) {
            Some(answer) => PendingAnswer::settled(IntrospectionOutcome::Answered(answer)),
            None => self.begin(token, purpose, now),
        };
        Some(Recheck { pending, _place: place })
    }

    /// The time between two questions about the token of one stream.
    pub fn recheck_interval(&self, purpose: IntrospectionPurpose) -> Duration {
        match purpose {
            IntrospectionPurpose::Confirm => self.known.every.max(SHORTEST_RECHECK),
            IntrospectionPurpose::Judge if self.known.cache.is_zero() => UNCACHED_RECHECK,
            IntrospectionPurpose::Judge => self.known.cache.max(SHORTEST_RECHECK),
        }
    }

    /// Tells whether a stream may go on while its server cannot be asked.
    pub fn allows_silence(&self, purpose: IntrospectionPurpose) -> bool {
        purpose == IntrospectionPurpose::Confirm
            && self.known.on_failure == OnIntrospectionFailure::Allow
    }
}

impl IntrospectionTarget {
    fn find(&self, key: &TokenKey, now: Moment) -> Option<IntrospectionAnswer> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(key).filter(|kept| kept.until > now).map(|kept| kept.answer.clone())
    }

    /// Asks, counts and remembers.
    async fn ask(
        &self,
        key: TokenKey,
        token: &str,
        purpose: IntrospectionPurpose,
        now: UnixSeconds,
    ) -> IntrospectionOutcome {
        let began = Instant::now();
        let hold = match purpose {
            IntrospectionPurpose::Judge => self.cache,
            IntrospectionPurpose::Confirm => self.every,
        };
        let outcome = self.server.question(token, hold, now).await;
        match &outcome {
            IntrospectionOutcome::Answered(IntrospectionAnswer::Active(..)) => {
                self.counters.active(began.elapsed());
            }
            IntrospectionOutcome::Answered(_) => self.counters.inactive(began.elapsed()),
            IntrospectionOutcome::Unavailable(_) => self.counters.unavailable(began.elapsed()),
            IntrospectionOutcome::Spared(..) => {}
        }
        match outcome {
            IntrospectionOutcome::Unavailable(_) | IntrospectionOutcome::Spared(..)
                if purpose == IntrospectionPurpose::Confirm
                    && self.on_failure == OnIntrospectionFailure::Allow =>
            {
                IntrospectionOutcome::Answered(self.pass_over(key, moment().after(UNCONFIRMED)))
            }
            IntrospectionOutcome::Answered(answer) => {
                let now = moment();
                let until = match (&answer, purpose) {
                    (
                        IntrospectionAnswer::Active(_, until)
                        | IntrospectionAnswer::Unconfirmed(until),
                        _,
                    ) => *until,
                    (
                        IntrospectionAnswer::Inactive | IntrospectionAnswer::NotAccess(_),
                        IntrospectionPurpose::Judge,
                    ) => now.after(NEGATIVE.min(hold)),
                    (
                        IntrospectionAnswer::Inactive | IntrospectionAnswer::NotAccess(_),
                        IntrospectionPurpose::Confirm,
                    ) => now.after(hold),
                };
                self.keep(key, &answer, until, now);
                IntrospectionOutcome::Answered(answer)
            }
            unanswered => unanswered,
        }
    }

    /// Lets a token pass because its server cannot be asked. A token that the server has called
    /// inactive stays so.
    fn pass_over(&self, key: TokenKey, until: Moment) -> IntrospectionAnswer {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = answers.get(&key).map(|kept| kept.answer.clone());
        let refused = refused.filter(|answer| {
            matches!(answer, IntrospectionAnswer::Inactive | IntrospectionAnswer::NotAccess(_))
        });
        let answer = refused.unwrap_or(IntrospectionAnswer::Unconfirmed(until));
        answers.insert(key, CachedAnswer { answer: answer.clone(), until });
        answer
    }

    fn keep(&self, key: TokenKey, answer: &IntrospectionAnswer, until: Moment, now: Moment) {
        if until > now {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.insert(key, CachedAnswer { answer: answer.clone(), until });
        }
    }
}

/// A question that is under way, until its answer is kept or it is given up.
struct PendingIntrospection {
    known: Arc<IntrospectionTarget>,
    key: TokenKey,
}

impl Drop for PendingIntrospection {
    fn drop(&mut self) {
        self.known.asking.remove(&self.key);
        self.known.counters.ended();
    }
}

fn key(token: &[u8]) -> TokenKey {
    digest(&SHA256, token).as_ref().try_into().unwrap_or_default()
}
