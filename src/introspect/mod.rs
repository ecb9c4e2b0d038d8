//! Tokens that only their server can read (RFC 7662): asked about once, remembered for a while.
//!
//! Decides how long an answer holds and how many questions are asked at a time; never what a token opens. Requests with
//! one token share one question. A server that does not answer makes no token bad: that is the gateway's trouble, and is
//! told as such.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use http::HeaderValue;
use quick_cache::unsync::Cache;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::jwks::fetch::{Form, post};
use crate::jwt::{Claims, Introspected};
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::{Fetch, KeyManager};
use crate::telemetry::IntrospectionCounters;

/// Answers that one key manager's introspector remembers.
const MOST_ANSWERS: usize = 100_000;

/// Questions that are under way at a time; more wait, and not for longer than one question may take.
const MOST_QUESTIONS: usize = 64;

/// A token that is not active may become known a moment later (replication); a forged one never does.
const NEGATIVE_SECONDS: u64 = 5;

type TokenKey = [u8; 32];

/// One key manager's questions and answers.
pub struct Introspector {
    endpoint: String,
    authorization: Option<HeaderValue>,
    fetch: Fetch,
    issuer: String,
    /// How long answers hold; zero: only for the request that asked.
    cache: Duration,
    answers: Mutex<Cache<TokenKey, Kept>>,
    asking: DashMap<TokenKey, watch::Receiver<Option<Outcome>>>,
    places: Semaphore,
    counters: Arc<IntrospectionCounters>,
}

#[derive(Clone)]
struct Kept {
    answer: Answer,
    until: UnixSeconds,
}

/// What a server said of a token.
#[derive(Debug, Clone)]
pub enum Answer {
    /// With when it has to be asked again.
    Active(Arc<Claims>, UnixSeconds),
    Inactive,
}

/// What came of asking.
#[derive(Debug, Clone)]
pub enum Outcome {
    Answered(Answer),
    /// With the operator's word on it.
    Unavailable(Arc<str>),
}

impl fmt::Debug for Introspector {
    /// Neither tokens nor credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspector").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Introspector {
    /// For a key manager that can be asked.
    pub fn of(definition: &KeyManager, counters: impl FnOnce() -> Arc<IntrospectionCounters>) -> Option<Self> {
        let settings = definition.introspection.as_ref()?;
        let authorization = settings.credentials.as_ref().and_then(|credentials| {
            // RFC 6749 section 2.3.1 wants both parts form-encoded; servers that do not decode see no difference in plain ones
            let pair = format!("{}:{}", credentials.username, credentials.password.reveal());
            let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Some(Self {
            endpoint: settings.endpoint.clone(),
            authorization,
            fetch: definition.fetch.clone(),
            issuer: definition.issuer.as_ref().map(ToString::to_string).unwrap_or_default(),
            cache: settings.cache,
            answers: Mutex::new(Cache::new(MOST_ANSWERS)),
            asking: DashMap::new(),
            places: Semaphore::new(MOST_QUESTIONS),
            counters: counters(),
        })
    }

    /// What is known of a token without asking.
    pub fn known(&self, token: &[u8], now: UnixSeconds) -> Option<Answer> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = answers.get(&key(token)).filter(|kept| kept.until > now).map(|kept| kept.answer.clone());
        if known.is_some() {
            self.counters.remembered();
        }
        known
    }

    /// Asks the server, or waits for a question about the same token that is under way.
    pub async fn ask(&self, token: &[u8], now: UnixSeconds) -> Outcome {
        let key = key(token);
        let sender = match self.asking.entry(key) {
            Entry::Occupied(asked) => Err(asked.get().clone()),
            Entry::Vacant(place) => {
                let (sender, receiver) = watch::channel(None);
                place.insert(receiver);
                Ok(sender)
            }
        };
        match sender {
            Err(mut asked) => {
                let outcome = asked.wait_for(Option::is_some).await;
                let outcome = outcome.ok().and_then(|outcome| outcome.clone());
                outcome.unwrap_or_else(|| Outcome::Unavailable("the question was given up".into()))
            }
            Ok(sender) => {
                self.counters.began();
                let _asked = Asked { introspector: self, key };
                let began = Instant::now();
                let outcome = self.question(token, now).await;
                match &outcome {
                    Outcome::Answered(Answer::Active(..)) => self.counters.active(began.elapsed()),
                    Outcome::Answered(Answer::Inactive) => self.counters.inactive(began.elapsed()),
                    Outcome::Unavailable(_) => self.counters.unavailable(began.elapsed()),
                }
                if let Outcome::Answered(answer) = &outcome {
                    self.keep(key, answer, now);
                }
                sender.send_replace(Some(outcome.clone()));
                outcome
            }
        }
    }

    async fn question(&self, token: &[u8], now: UnixSeconds) -> Outcome {
        let Ok(place) = timeout(self.fetch.request_timeout, self.places.acquire()).await else {
            return Outcome::Unavailable("too many questions are under way".into());
        };
        let Ok(token) = std::str::from_utf8(token) else { return Outcome::Answered(Answer::Inactive) };
        let form = Form { fields: &[("token", token), ("token_type_hint", "access_token")], authorization: self.authorization.as_ref() };
        let document = post(&self.fetch, &self.endpoint, &form).await;
        drop(place);
        match document {
            Err(failure) => Outcome::Unavailable(failure.to_string().into()),
            Ok(content) => match Claims::introspected(&content, &self.issuer, self.latest(now)) {
                Ok(Introspected::Inactive) => Outcome::Answered(Answer::Inactive),
                Ok(Introspected::Active(claims)) => {
                    let until = self.latest(now).min(claims.expires_at());
                    Outcome::Answered(Answer::Active(Arc::new(claims), until))
                }
                Err(fault) => Outcome::Unavailable(format!("the introspection answer cannot be read: {fault}").into()),
            },
        }
    }

    fn latest(&self, now: UnixSeconds) -> UnixSeconds {
        UnixSeconds(now.0.saturating_add(self.cache.as_secs()))
    }

    fn keep(&self, key: TokenKey, answer: &Answer, now: UnixSeconds) {
        let until = match answer {
            Answer::Active(_, until) => *until,
            Answer::Inactive => UnixSeconds(now.0.saturating_add(NEGATIVE_SECONDS.min(self.cache.as_secs()))),
        };
        if until > now {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.insert(key, Kept { answer: answer.clone(), until });
        }
    }
}

/// A question that is under way; its end is known to all who wait, also when its asker leaves.
struct Asked<'i> {
    introspector: &'i Introspector,
    key: TokenKey,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.introspector.asking.remove(&self.key);
        self.introspector.counters.ended();
    }
}

fn key(token: &[u8]) -> TokenKey {
    digest(&SHA256, token).as_ref().try_into().unwrap_or_default()
}
