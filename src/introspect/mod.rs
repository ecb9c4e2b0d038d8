//! Tokens that only their server can read (RFC 7662, and RFC 9701 where it signs): asked about once, remembered for a while.
//!
//! Decides how long an answer holds and how many questions are asked at a time; never what a token opens. Requests with
//! one token share one question. A server that does not answer makes no token bad: that is the gateway's trouble, and is
//! told as such. A signed answer is believed only when the key manager's keys say so.
//!
//! The walk through the files: [`client`] (who asks).

mod breaker;
mod client;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use quick_cache::unsync::Cache;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::assertion::UnusableKey;
use crate::deadline::moment;
use crate::introspect::client::Client;
use crate::jwks::fetch::{Form, Posted, post};
use crate::jwks::{KeyManagerKeys, RefetchCause};
use crate::jwt::answer::{AnswerFault, Expected, signed_answer};
use crate::jwt::{Claims, Introspected, WrongType};
use crate::model::clock::{Moment, UnixSeconds};
use crate::model::key_manager::{Fetch, KeyManager, TokenRules};
use crate::telemetry::IntrospectionCounters;

/// Answers that one key manager's introspector remembers.
const MOST_ANSWERS: usize = 100_000;

/// Questions that are under way at a time; more wait, and not for longer than one question may take.
const MOST_QUESTIONS: usize = 64;

/// A token that is not active may become known a moment later (replication); a forged one never does.
const NEGATIVE: Duration = Duration::from_secs(5);

type TokenKey = [u8; 32];

/// One key manager's questions and answers.
pub struct Introspector {
    /// `None`: the discovery document names it.
    endpoint: Option<String>,
    client: Client,
    /// By which the gateway is known, for whom signed answers are.
    client_id: String,
    /// Only signed answers are believed.
    signed: bool,
    keys: Arc<KeyManagerKeys>,
    rules: TokenRules,
    fetch: Fetch,
    /// Where it is written.
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
    until: Moment,
}

/// What a server said of a token.
#[derive(Debug, Clone)]
pub enum Answer {
    /// With when it has to be asked again.
    Active(Arc<Claims>, Moment),
    /// Known to the server, and no access token.
    NotAccess(WrongType),
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
    pub fn of(
        definition: &KeyManager,
        keys: &Arc<KeyManagerKeys>,
        counters: impl FnOnce() -> Arc<IntrospectionCounters>,
    ) -> Result<Option<Self>, UnusableKey> {
        let Some(settings) = &definition.introspection else { return Ok(None) };
        Ok(Some(Self {
            endpoint: settings.endpoint.clone(),
            client: Client::of(settings.credentials.as_ref())?,
            client_id: settings
                .credentials
                .as_ref()
                .map(|credentials| credentials.username.clone())
                .unwrap_or_default(),
            signed: settings.signed,
            keys: Arc::clone(keys),
            rules: definition.rules.clone(),
            fetch: definition.fetch.clone(),
            issuer: definition.issuer.as_ref().map(ToString::to_string).unwrap_or_default(),
            cache: settings.cache,
            answers: Mutex::new(Cache::new(MOST_ANSWERS)),
            asking: DashMap::new(),
            places: Semaphore::new(MOST_QUESTIONS),
            counters: counters(),
        }))
    }

    /// What is known of a token without asking.
    pub fn known(&self, token: &[u8], now: Moment) -> Option<Answer> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = answers
            .get(&key(token))
            .filter(|kept| kept.until > now)
            .map(|kept| kept.answer.clone());
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
                    Outcome::Answered(Answer::Inactive | Answer::NotAccess(_)) => {
                        self.counters.inactive(began.elapsed());
                    }
                    Outcome::Unavailable(_) => self.counters.unavailable(began.elapsed()),
                }
                if let Outcome::Answered(answer) = &outcome {
                    self.keep(key, answer, moment());
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
        let Ok(token) = std::str::from_utf8(token) else {
            return Outcome::Answered(Answer::Inactive);
        };
        let posted = self.post(token, now).await;
        drop(place);
        let read = match posted {
            Ok(Posted { content, signed: true }) => self.read_signed(&content, now).await,
            Ok(Posted { signed: false, .. }) if self.signed => {
                Err("the introspection answer is not signed".into())
            }
            Ok(Posted { content, signed: false }) => {
                Claims::introspected(&content, &self.issuer(), &self.rules, self.latest(now))
                    .map_err(|fault| format!("the introspection answer cannot be read: {fault}"))
            }
            Err(why) => Err(why),
        };
        match read {
            Ok(Introspected::Inactive) => Outcome::Answered(Answer::Inactive),
            Ok(Introspected::NotAccess(wrong)) => Outcome::Answered(Answer::NotAccess(wrong)),
            Ok(Introspected::Active(claims)) => {
                let left = Duration::from_secs(claims.expires_at().0.saturating_sub(now.0));
                let until = moment().after(self.cache.min(left));
                Outcome::Answered(Answer::Active(Arc::new(claims), until))
            }
            Err(why) => Outcome::Unavailable(why.into()),
        }
    }

    async fn post(&self, token: &str, now: UnixSeconds) -> Result<Posted, String> {
        let endpoint = self
            .endpoint()
            .await
            .ok_or("no discovery document has named an introspection endpoint")?;
        let issuer = self.issuer();
        let proof = self
            .client
            .proof(&issuer, &endpoint, now)
            .ok_or("the gateway cannot sign who it is")?;
        let mut fields = vec![("token", token), ("token_type_hint", "access_token")];
        fields.extend(proof.fields.iter().map(|(name, value)| (*name, value.as_str())));
        let form =
            Form { fields: &fields, authorization: proof.authorization, signed: self.signed };
        post(&self.fetch, &endpoint, &form).await.map_err(|failure| failure.to_string())
    }

    /// As it is written, or as the discovery document says; where that was not read yet, it is asked for.
    async fn endpoint(&self) -> Option<Arc<str>> {
        if let Some(written) = &self.endpoint {
            return Some(written.as_str().into());
        }
        let learned = || self.keys.current().introspection.clone();
        if learned().is_none() {
            self.keys.refetch(RefetchCause::NoKeys).await;
        }
        learned()
    }

    /// As it is written, or as the discovery document says; empty where neither is known.
    fn issuer(&self) -> String {
        if !self.issuer.is_empty() {
            return self.issuer.clone();
        }
        self.keys.current().issuer.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// A signed answer; an unknown key is looked for once.
    async fn read_signed(&self, content: &[u8], now: UnixSeconds) -> Result<Introspected, String> {
        let told = |fault: &dyn fmt::Display| {
            format!("the signed introspection answer cannot be believed: {fault}")
        };
        let verdict = self.verify(content, now);
        let newer = match &verdict {
            Some(Err(AnswerFault::Signature(rejection))) => rejection.newer_keys_may_help(),
            None => true,
            Some(_) => false,
        };
        let verdict = if newer {
            self.keys.refetch(RefetchCause::UnknownKey).await;
            self.verify(content, now)
        } else {
            verdict
        };
        match verdict {
            Some(read) => read.map_err(|fault| told(&fault)),
            None => Err(told(&"the key manager has no keys")),
        }
    }

    /// `None`: there are no keys.
    fn verify(
        &self,
        content: &[u8],
        now: UnixSeconds,
    ) -> Option<Result<Introspected, AnswerFault>> {
        let state = self.keys.current();
        let keys = state.keys.as_ref()?;
        let issuer = self.issuer();
        let max_bytes = usize::try_from(self.fetch.max_document_bytes).unwrap_or(usize::MAX);
        let expected =
            Expected { issuer: &issuer, audience: &self.client_id, rules: &self.rules, max_bytes };
        Some(signed_answer(content.trim_ascii(), keys, &expected, self.latest(now), now))
    }

    fn latest(&self, now: UnixSeconds) -> UnixSeconds {
        UnixSeconds(now.0.saturating_add(self.cache.as_secs()))
    }

    fn keep(&self, key: TokenKey, answer: &Answer, now: Moment) {
        let until = match answer {
            Answer::Active(_, until) => *until,
            Answer::Inactive | Answer::NotAccess(_) => now.after(NEGATIVE.min(self.cache)),
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
