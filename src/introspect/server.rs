//! One question to one server, and its answer, checked by the key manager's keys and issuer.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::assertion::UnusableKey;
use crate::deadline::moment;
use crate::fetch::{FormPost, Posted, post};
use crate::introspect::breaker::{Breaker, BreakerOpen};
use crate::introspect::client_authentication::ClientAuthentication;
use crate::introspect::outcome::{IntrospectionAnswer, IntrospectionOutcome};
use crate::jwks::{CertificateUse, KeyManagerKeys, RefetchCause};
use crate::jwt::introspection_response::{AnswerFault, ExpectedResponse, signed_answer};
use crate::jwt::{Claims, Introspected, OddMember};
use crate::model::clock::{Moment, UnixSeconds};
use crate::model::key_manager::{Fetch, Introspection, KeyManager, TokenRules};
use crate::telemetry::IntrospectionCounters;

/// Questions that are under way at a time; more wait, within the time of their own question.
const MOST_QUESTIONS: usize = 64;

/// The introspection server of one key manager.
pub(super) struct IntrospectionServer {
    name: Box<str>,
    /// `None`: the discovery document names it.
    endpoint: Option<String>,
    client: ClientAuthentication,
    /// The gateway's client id, which signed answers are for.
    client_id: String,
    /// Only signed answers are accepted.
    signed: bool,
    keys: Arc<KeyManagerKeys>,
    rules: TokenRules,
    fetch: Fetch,
    /// The issuer, if it is configured; else empty.
    issuer: String,
    places: Semaphore,
    breaker: Breaker,
    /// The failure that was logged last.
    trouble: Mutex<Option<Arc<str>>>,
    /// The odd members of answers that were logged.
    odd: Mutex<BTreeSet<OddMember>>,
    counters: Arc<IntrospectionCounters>,
}

/// The reason why a request brought no answer.
enum Failure {
    /// The server was not reached, did not answer in time, or reported a failure of its own.
    Trouble(String),
    /// The answer says nothing about the token. A token can make a server refuse, so this is no
    /// failure of the server.
    Unusable(String),
    /// The server was not asked.
    NotAsked(String),
}

impl fmt::Debug for IntrospectionServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl IntrospectionServer {
    pub(super) fn of(
        definition: &KeyManager,
        settings: &Introspection,
        keys: &Arc<KeyManagerKeys>,
        counters: Arc<IntrospectionCounters>,
    ) -> Result<Self, UnusableKey> {
        Ok(Self {
            name: definition.name.as_str().into(),
            endpoint: settings.endpoint.clone(),
            client: ClientAuthentication::of(settings.credentials.as_ref())?,
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
            places: Semaphore::new(MOST_QUESTIONS),
            breaker: Breaker::new(definition.name.as_str(), Arc::clone(&counters)),
            trouble: Mutex::default(),
            odd: Mutex::default(),
            counters,
        })
    }

    /// Asks about a token, all within one `request_timeout`. The answer holds for as long as
    /// `hold`, and not beyond the token's end.
    pub(super) async fn question(
        &self,
        token: &str,
        hold: Duration,
        now: UnixSeconds,
    ) -> IntrospectionOutcome {
        // a token without a known end is active now, even if answers are not kept
        let latest = UnixSeconds(now.0.saturating_add(hold.as_secs().max(1)));
        let limit = self.fetch.request_timeout;
        let attempt = match self.breaker.enter(moment()) {
            Ok(attempt) => attempt,
            Err(BreakerOpen(rest)) => {
                return IntrospectionOutcome::Spared(self.left_alone(rest), rest);
            }
        };
        let began = Instant::now();
        let read = match timeout(limit, self.places.acquire()).await {
            Ok(Ok(_place)) => {
                let left = limit.saturating_sub(began.elapsed());
                timeout(left, self.exchange(token, latest, now)).await.unwrap_or_else(|_| {
                    let why = format!("its server did not answer within {} ms", limit.as_millis());
                    Err(Failure::Trouble(why))
                })
            }
            // the questions that have the places tell how the server is
            Ok(Err(_)) | Err(_) => {
                Err(Failure::NotAsked("too many questions are under way".to_owned()))
            }
        };
        match &read {
            Err(Failure::Trouble(_)) => attempt.failed(moment()),
            Err(Failure::NotAsked(_)) => drop(attempt),
            // an answer that is of no use for one token may be of use for the next
            Ok(_) | Err(Failure::Unusable(_)) => attempt.succeeded(),
        }
        match read {
            Ok(said) => {
                self.recovered();
                IntrospectionOutcome::Answered(self.answer(said, hold, now))
            }
            Err(Failure::Trouble(why) | Failure::Unusable(why) | Failure::NotAsked(why)) => {
                let why: Arc<str> = why.into();
                self.failed(&why);
                IntrospectionOutcome::Unavailable(why)
            }
        }
    }

    fn answer(&self, said: Introspected, hold: Duration, now: UnixSeconds) -> IntrospectionAnswer {
        let (claims, odd) = match said {
            Introspected::Inactive => return IntrospectionAnswer::Inactive,
            Introspected::NotAccess(wrong) => return IntrospectionAnswer::NotAccess(wrong),
            Introspected::Active(claims, odd) => (claims, odd),
        };
        self.name_odd(&odd);
        let left = Duration::from_secs(claims.expires_at().0.saturating_sub(now.0));
        let until = match (hold.is_zero(), claims.states_expiry()) {
            // workers count in ticks: not even until the next one
            (true, _) => Moment::default(),
            (false, true) => moment().after(hold.min(left)),
            (false, false) => moment().after(hold),
        };
        IntrospectionAnswer::Active(Arc::new(claims), until)
    }

    async fn exchange(
        &self,
        token: &str,
        latest: UnixSeconds,
        now: UnixSeconds,
    ) -> Result<Introspected, Failure> {
        let posted = self.post(token, now).await?;
        let read = match posted {
            Posted { content, signed: true, .. } => self.read_signed(&content, latest, now).await,
            Posted { signed: false, .. } if self.signed => {
                Err("the introspection answer is not signed".into())
            }
            Posted { content, signed: false, .. } => {
                Claims::introspected(&content, &self.issuer(), &self.rules, latest)
                    .map_err(|fault| format!("the introspection answer cannot be used: {fault}"))
            }
        };
        read.map_err(Failure::Unusable)
    }

    async fn post(&self, token: &str, now: UnixSeconds) -> Result<Posted, Failure> {
        let endpoint = self
            .endpoint()
            .await
            .ok_or("no discovery document has named an introspection endpoint")
            .map_err(|why| Failure::Unusable(why.to_owned()))?;
        let issuer = self.issuer();
        let proof = self
            .client
            .proof(&issuer, &endpoint, now)
            .ok_or("the gateway cannot sign its client assertion")
            .map_err(|why| Failure::Unusable(why.to_owned()))?;
        let mut fields = vec![("token", token), ("token_type_hint", "access_token")];
        fields.extend(proof.fields.iter().map(|(name, value)| (*name, value.as_str())));
        let form =
            FormPost { fields: &fields, authorization: proof.authorization, signed: self.signed };
        let posted = post(&self.fetch, &endpoint, &form).await.map_err(|failure| {
            let why = failure.to_string();
            if failure.is_outage() { Failure::Trouble(why) } else { Failure::Unusable(why) }
        })?;
        self.keys.note_certificate(CertificateUse::Introspection, posted.certificate_until);
        Ok(posted)
    }

    /// Returns the configured endpoint, or that of the discovery document, which is fetched if it
    /// was not read yet.
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

    /// Returns the configured issuer, or that of the discovery document; empty if neither is known.
    fn issuer(&self) -> String {
        if !self.issuer.is_empty() {
            return self.issuer.clone();
        }
        self.keys.current().issuer.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// A signed answer; an unknown key is looked for once.
    async fn read_signed(
        &self,
        content: &[u8],
        latest: UnixSeconds,
        now: UnixSeconds,
    ) -> Result<Introspected, String> {
        let told = |fault: &dyn fmt::Display| {
            format!("the signed introspection answer cannot be believed: {fault}")
        };
        let verdict = self.verify(content, latest, now);
        let newer = match &verdict {
            Some(Err(AnswerFault::Signature(rejection))) => rejection.newer_keys_may_help(),
            None => true,
            Some(_) => false,
        };
        let verdict = if newer {
            self.keys.refetch(RefetchCause::UnknownKey).await;
            self.verify(content, latest, now)
        } else {
            verdict
        };
        match verdict {
            Some(read) => read.map_err(|fault| told(&fault)),
            None => Err(told(&"the key manager has no keys")),
        }
    }

    /// Returns `None` if there are no keys.
    fn verify(
        &self,
        content: &[u8],
        latest: UnixSeconds,
        now: UnixSeconds,
    ) -> Option<Result<Introspected, AnswerFault>> {
        let state = self.keys.current();
        let keys = state.keys.as_ref()?;
        let issuer = self.issuer();
        let max_bytes = usize::try_from(self.fetch.max_document_bytes).unwrap_or(usize::MAX);
        let expected = ExpectedResponse {
            issuer: &issuer,
            audience: &self.client_id,
            rules: &self.rules,
            max_bytes,
        };
        Some(signed_answer(content.trim_ascii(), keys, &expected, latest, now))
    }

    /// Explains that the server is not asked for this long.
    fn left_alone(&self, rest: Duration) -> Arc<str> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let last = trouble.as_deref().unwrap_or("it failed");
        format!("its server is left alone for {} ms: {last}", rest.as_millis()).into()
    }

    /// Logs a failure if it differs from the one before, so that a server that is down is reported
    /// once.
    fn failed(&self, why: &Arc<str>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.as_ref() != Some(why) {
            tracing::warn!(
                key_manager = &*self.name,
                "the server does not answer introspection requests: {why}"
            );
            *trouble = Some(Arc::clone(why));
        }
    }

    /// Names each odd member once in the log, and counts all of them.
    fn name_odd(&self, members: &[OddMember]) {
        if members.is_empty() {
            return;
        }
        self.counters.odd_members(members.len() as u64);
        let mut named = self.odd.lock().unwrap_or_else(PoisonError::into_inner);
        for odd in members.iter().filter(|odd| named.insert(**odd)) {
            tracing::warn!(
                key_manager = &*self.name,
                "`{}` of an introspection answer {}",
                odd.name,
                odd.found
            );
        }
    }

    fn recovered(&self) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.take().is_some() {
            tracing::info!(
                key_manager = &*self.name,
                "the server answers introspection requests again"
            );
        }
    }
}
