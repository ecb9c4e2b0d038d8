//! The task of one key manager: asks on its own clock and when a request asks it to, whatever
//! others do.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_lc_rs::rand;
use tokio::time::{Instant, sleep_until};

use crate::jwks::document::{self, Fetched};
use crate::jwks::failure::KeySetFailure;
use crate::jwks::keys::{CertificateUse, KeyManagerKeys};
use crate::jwks::outcome::FetchEnding;
use crate::jwks::rotation::KeyNews;
use crate::jwks::schedule::{Allowance, FetchPlan, Moment};
use crate::jwks::{schedule, store};
use crate::jwt::KeySet;
use crate::model::clock::{Clock, UnixSeconds};
use crate::model::key_manager::KeyManager;
use crate::model::names::Issuer;

/// The shortest time between two logs of a lasting failure.
const REPEAT_LOG: Duration = Duration::from_mins(1);

/// The state of the task.
#[derive(Debug)]
pub(super) struct RefreshTask {
    pub(super) key_manager: KeyManager,
    pub(super) keys: Arc<KeyManagerKeys>,
    pub(super) folder: PathBuf,
    /// Tells whether good keys are kept on disk. Key sets of organizations that any token can name
    /// are not, until they are trusted.
    pub(super) kept: Arc<AtomicBool>,
    pub(super) clock: Arc<dyn Clock>,
}

/// The state of the task between fetches.
#[derive(Debug, Default)]
struct FetchMemory {
    failures: u32,
    failing_with: Option<&'static str>,
    logged: Option<Instant>,
}

impl RefreshTask {
    /// Runs until it is dropped. The first fetch is at once.
    pub(super) async fn run(self) {
        let refetch_requests = &self.keys.refetch_requests;
        let mut memory = FetchMemory::default();
        let mut allowance = Allowance::new(self.key_manager.fetch.min_refetch);
        let (mut background, mut last_began) = (Moment::ZERO, Moment::ZERO);
        loop {
            let now = refetch_requests.moment(Instant::now());
            let (wanted, forced) =
                (refetch_requests.is_wanted(last_began), refetch_requests.is_forced(last_began));
            let start = FetchPlan { background, wanted, forced }.next(&allowance, now);
            tokio::select! {
                () = sleep_until(refetch_requests.instant(start.at)) => {}
                () = refetch_requests.rung() => continue,
            }
            refetch_requests.fetch_begins();
            let began = refetch_requests.moment(Instant::now());
            last_began = began;
            if start.charged {
                tracing::debug!(
                    target: "portcullis::jwks",
                    key_manager = %self.key_manager.name,
                    "a request needs newer keys",
                );
                allowance.take(began);
            }
            let (wait, ending) = match document::read(&self.key_manager).await {
                Ok(fetched) => self.good(fetched, &mut memory),
                Err(failure) => (self.bad(&failure, &mut memory), FetchEnding::Failed),
            };
            background = refetch_requests.moment(Instant::now()).saturating_add(wait);
            refetch_requests.announce(allowance.opens_at(), allowance.spare_opens_at(), background);
            refetch_requests.fetch_ended();
            self.keys.finish(began, ending);
        }
    }

    fn good(&self, fetched: Fetched, memory: &mut FetchMemory) -> (Duration, FetchEnding) {
        let Fetched { keys, content, issuer, freshness, introspection, certificate_until } =
            fetched;
        self.keys.note_certificate(CertificateUse::KeySet, certificate_until);
        let name = &self.key_manager.name;
        let learned = issuer.as_ref().map(ToString::to_string);
        let kids: Vec<String> = keys.keys.key_ids().map(str::to_owned).collect();
        // before a token can be verified with them, so that no use of a new key is missed
        let news = self.keys.rotation.publish(&keys.keys, Instant::now().into_std());
        let ending = self.keys.succeed(keys.keys, &keys.skipped, issuer, introspection);
        if ending == FetchEnding::Changed {
            tracing::info!(target: "portcullis::jwks", key_manager = %name, ?kids, "keys in use");
            self.tell_of_rotation(news);
            for skipped in &keys.skipped {
                let (position, kid, reason) = (
                    skipped.position,
                    skipped.key_id.as_deref().unwrap_or("none"),
                    &skipped.reason,
                );
                if reason.is_for_another_use() {
                    tracing::debug!(
                        target: "portcullis::jwks",
                        key_manager = %name,
                        position,
                        kid,
                        %reason,
                        "a key of the set is for another use",
                    );
                } else {
                    tracing::warn!(
                        target: "portcullis::jwks",
                        key_manager = %name,
                        position,
                        kid,
                        %reason,
                        "a key of the set cannot be used; the others are",
                    );
                }
            }
        } else if memory.failing_with.is_some() {
            tracing::info!(
                target: "portcullis::jwks",
                key_manager = %name,
                "the key set can be read again",
            );
        }
        memory.failures = 0;
        memory.failing_with = None;
        self.keep(learned, &content);
        (schedule::refresh(self.key_manager.fetch.refresh, freshness, jitter()), ending)
    }

    /// Warns of keys that come and go, once for each.
    fn tell_of_rotation(&self, news: KeyNews) {
        let name = &self.key_manager.name;
        for kid in news.announced {
            tracing::info!(
                target: "portcullis::jwks",
                key_manager = %name,
                kid,
                "the server publishes a new key, and no token has used it yet: \
                 a rotation is ahead",
            );
        }
        for (kid, valid_for) in news.withdrawn {
            tracing::warn!(
                target: "portcullis::jwks",
                key_manager = %name,
                kid,
                tokens_valid_for = valid_for.as_secs(),
                "the server has withdrawn a key while tokens of it are valid: they are refused",
            );
        }
    }

    fn bad(&self, failure: &KeySetFailure, memory: &mut FetchMemory) -> Duration {
        let name = &self.key_manager.name;
        let news = memory.failing_with != Some(failure.label())
            || memory.logged.is_none_or(|at| at.elapsed() >= REPEAT_LOG);
        if news {
            memory.logged = Some(Instant::now());
            let kept = self.keys.current().keys.is_some();
            tracing::warn!(
                target: "portcullis::jwks",
                key_manager = %name,
                class = failure.label(),
                %failure,
                keys_kept = kept,
                "the key set cannot be read",
            );
        }
        memory.failures = memory.failures.saturating_add(1);
        memory.failing_with = Some(failure.label());
        self.keys.fail(failure);
        self.give_up_old_keys();
        let wait = schedule::retry(memory.failures, jitter());
        // never asleep beyond the moment at which the last good keys end
        let left = self.keys.age().map(|age| self.key_manager.fetch.keep_stale.saturating_sub(age));
        left.filter(|left| !left.is_zero()).map_or(wait, |left| wait.min(left))
    }

    fn give_up_old_keys(&self) {
        let fetch = &self.key_manager.fetch;
        let too_old = self
            .keys
            .age()
            .is_some_and(|age| !schedule::is_believed(age, fetch.keep_stale, fetch.refresh));
        if too_old && self.keys.current().keys.is_some() {
            tracing::error!(
                target: "portcullis::jwks",
                key_manager = %self.key_manager.name,
                "the last good keys are older than jwks_keep_stale: tokens can no longer be judged",
            );
            self.keys.expire();
        }
    }

    fn keep(&self, learned_issuer: Option<String>, document: &[u8]) {
        if !self.kept.load(Ordering::Relaxed) {
            return;
        }
        let Some(kept) =
            store::StoredKeySet::new(&self.key_manager, learned_issuer, self.clock.now(), document)
        else {
            return;
        };
        if let Err(error) = store::write(&self.folder, &self.key_manager, &kept) {
            tracing::warn!(
                target: "portcullis::jwks",
                key_manager = %self.key_manager.name,
                %error,
                "the last good keys cannot be kept on disk",
            );
        }
    }

    /// Takes up the keys of an earlier run, unless they are too old or were kept for something
    /// else.
    pub(super) fn restore(&self) {
        if self.keys.current().keys.is_some() {
            return;
        }
        let Some(kept) = store::read(&self.folder, &self.key_manager)
            .filter(|kept| kept.is_for(&self.key_manager))
        else {
            return;
        };
        let UnixSeconds(now) = self.clock.now();
        let age = Duration::from_secs(now.saturating_sub(kept.fetched_at));
        if !schedule::is_believed(
            age,
            self.key_manager.fetch.keep_stale,
            self.key_manager.fetch.refresh,
        ) {
            return;
        }
        let issuer =
            kept.learned_issuer.as_deref().and_then(|issuer| Issuer::try_from(issuer).ok());
        // kept by an earlier version, which mistook it for an issuer
        if issuer.as_ref().is_some_and(|issuer| issuer.as_str().contains(['{', '}'])) {
            return;
        }
        if let Ok(parsed) = KeySet::from_jwks(kept.document.as_bytes()) {
            tracing::info!(
                target: "portcullis::jwks",
                key_manager = %self.key_manager.name,
                age = age.as_secs(),
                "last good keys taken up from disk",
            );
            self.keys.restore(Arc::new(parsed.keys), issuer, age);
        }
    }
}

/// Returns a random number from 0 to 1. Without it gateways would only ask at the same time.
fn jitter() -> f64 {
    let mut bytes = [0; 4];
    let _ = rand::fill(&mut bytes);
    f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
}
