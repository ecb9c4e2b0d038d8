//! Remembers backend JWTs: signed once for a token and an API, and used until shortly before they
//! end.

use std::cell::RefCell;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use http::HeaderValue;
use quick_cache::unsync::Cache;

use crate::assertion::backend_jwt::Assertions;
use crate::assertion::caller::AssertedCaller;
use crate::model::clock::{Moment, UnixSeconds};

/// The number of backend JWTs that one worker remembers. Each is about a kilobyte.
const CAPACITY: usize = 8192;

/// The seconds before its end from which a backend JWT is not used again: the backend may be slow,
/// or its clock ahead.
const MARGIN: u64 = 30;

type Key = [u8; 32];

/// The backend JWTs of one worker.
#[derive(Debug)]
pub struct AssertionCache {
    signed: RefCell<Cache<Key, SignedAssertion>>,
}

/// A backend JWT with its end, by the time of day that it names and by monotonic time.
#[derive(Debug, Clone)]
struct SignedAssertion {
    value: HeaderValue,
    until: UnixSeconds,
    at: Moment,
    lifetime: Duration,
}

/// The key of `[backend_jwt]` failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key of [backend_jwt] cannot sign")]
pub struct CannotSign;

impl SignedAssertion {
    fn is_usable(&self, now: UnixSeconds, moment: Moment) -> bool {
        self.until.0 > now.0.saturating_add(MARGIN)
            && self.lifetime > moment.since(self.at).saturating_add(Duration::from_secs(MARGIN))
    }
}

impl Default for AssertionCache {
    fn default() -> Self {
        Self { signed: RefCell::new(Cache::new(CAPACITY)) }
    }
}

impl AssertionCache {
    /// Returns the backend JWT of a caller, signed now or before. `token` is the digest of the
    /// caller's token; `id` makes the `jti` of a new one.
    pub fn backend_jwt(
        &self,
        assertions: &Assertions,
        caller: &AssertedCaller<'_>,
        token: &[u8],
        id: impl FnOnce() -> String,
        (now, moment): (UnixSeconds, Moment),
    ) -> Result<HeaderValue, CannotSign> {
        let key = key(caller, token, assertions.key_id());
        let known = self
            .signed
            .borrow()
            .get(&key)
            .filter(|signed| signed.is_usable(now, moment))
            .map(|signed| signed.value.clone());
        if let Some(value) = known {
            return Ok(value);
        }
        let (value, until) = assertions.sign(caller, &id(), now).ok_or(CannotSign)?;
        let lifetime = Duration::from_secs(until.0.saturating_sub(now.0));
        let signed = SignedAssertion { value: value.clone(), until, at: moment, lifetime };
        self.signed.borrow_mut().insert(key, signed);
        Ok(value)
    }
}

/// Digests everything that a backend JWT depends on, each part behind its length.
fn key(caller: &AssertedCaller<'_>, token: &[u8], key_id: &str) -> Key {
    let (name, owner) = caller.application.unwrap_or_default();
    let mut context = Context::new(&SHA256);
    context.update(token);
    let attributes = caller.attributes.unwrap_or_default();
    let key_type = caller.key_type.label();
    for part in
        [caller.api, caller.version, caller.context, key_id, key_type, name, owner, attributes]
    {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let digest = context.finish();
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}
