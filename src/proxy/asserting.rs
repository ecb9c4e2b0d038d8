//! What a backend is told of the caller: signed once for a token and an API, and remembered.

use std::cell::RefCell;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use http::{HeaderName, HeaderValue};
use quick_cache::unsync::Cache;

use crate::assertion::AssertedCaller;
use crate::authenticate::Principal;
use crate::authorize::Grant;
use crate::model::clock::{Moment, UnixSeconds};
use crate::snapshot::Snapshot;

/// Signed tokens that one worker remembers.
const MOST: usize = 8192;

/// One that ends within this many seconds is not used again.
const SPARE: u64 = 30;

type Key = [u8; 32];

/// A worker's signed tokens.
#[derive(Debug)]
pub struct AssertionCache {
    signed: RefCell<Cache<Key, SignedAssertion>>,
}

/// A signed token, as long as it may be used: by the time of day that it names, and no longer than its lifetime.
#[derive(Debug, Clone)]
struct SignedAssertion {
    value: HeaderValue,
    until: UnixSeconds,
    at: Moment,
    lifetime: Duration,
}

/// The header by which the gateway speaks to backends: nobody else's word stands in it.
#[derive(Debug, Clone)]
pub struct Assertion {
    pub header: HeaderName,
    /// `None`: nothing is said, and nothing may be.
    pub value: Option<HeaderValue>,
}

/// The key of `[backend_jwt]` failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key of [backend_jwt] cannot sign")]
pub struct CannotSign;

/// All that a signed token depends on.
fn key_of(grant: &Grant<'_>, principal: &Principal, key_id: &str) -> Key {
    let api = &grant.routed().api().definition;
    let (name, owner) =
        grant.application().map_or(("", ""), |application| (application.name, application.owner));
    let mut context = Context::new(&SHA256);
    context.update(&principal.marks().token.0);
    for part in [
        api.name.as_str(),
        api.version.as_str(),
        &api.base_path,
        key_id,
        grant.key_type().label(),
        name,
        owner,
    ] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let digest = context.finish();
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

impl SignedAssertion {
    fn is_good(&self, now: UnixSeconds, moment: Moment) -> bool {
        let spare = Duration::from_secs(SPARE);
        self.until.0 > now.0.saturating_add(SPARE)
            && self.lifetime > moment.since(self.at).saturating_add(spare)
    }
}

impl Default for AssertionCache {
    fn default() -> Self {
        Self { signed: RefCell::new(Cache::new(MOST)) }
    }
}

impl AssertionCache {
    /// What a backend is told, where its API asks for it and somebody calls.
    pub fn assertion(
        &self,
        snapshot: &Snapshot,
        grant: &Grant<'_>,
        id: impl FnOnce() -> String,
        now: UnixSeconds,
        moment: Moment,
    ) -> Result<Option<Assertion>, CannotSign> {
        let api = &grant.routed().api().definition;
        let Some(assertions) = &snapshot.assertions else { return Ok(None) };
        let header = assertions.header.clone();
        let (Some(principal), true) = (grant.principal(), api.backend_jwt) else {
            return Ok(Some(Assertion { header, value: None }));
        };
        let application = grant.application();
        let key = key_of(grant, principal, assertions.key_id());
        let known = self
            .signed
            .borrow()
            .get(&key)
            .filter(|signed| signed.is_good(now, moment))
            .map(|signed| signed.value.clone());
        if let Some(value) = known {
            return Ok(Some(Assertion { header, value: Some(value) }));
        }
        let caller = AssertedCaller {
            claims: principal.claims(),
            mapping: &principal.key_manager().definition.claim_mapping,
            application: application.map(|application| (application.name, application.owner)),
            key_type: grant.key_type(),
            api: api.name.as_str(),
            version: api.version.as_str(),
            context: &api.base_path,
        };
        let (value, until) = assertions.sign(&caller, &id(), now).ok_or(CannotSign)?;
        let lifetime = Duration::from_secs(until.0.saturating_sub(now.0));
        let signed = SignedAssertion { value: value.clone(), until, at: moment, lifetime };
        self.signed.borrow_mut().insert(key, signed);
        Ok(Some(Assertion { header, value: Some(value) }))
    }
}
