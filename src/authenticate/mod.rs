//! Who calls: a bearer token in, a [`Principal`] or a reason out.
//!
//! Decides which key manager judges a token (the one of exactly its issuer), and remembers verdicts. Never looks at
//! applications or subscriptions, and never waits: when a verdict needs keys that are not here, the error says which
//! key manager to ask, and the caller asks it and comes back.
//!
//! The walk through the files: [`credentials`] (the token in a request's head), [`principal`] (the proof), [`binding`] (is it
//! in the right hand), [`cache`] (verdicts of tokens seen before), [`error`].

pub mod binding;
pub mod cache;
pub mod credentials;
pub mod error;
pub mod principal;

use std::sync::Arc;

use crate::authenticate::binding::{Binding, BindingFault, Evidence};
use crate::authenticate::cache::TokenCache;
use crate::authenticate::credentials::{Credential, Scheme};
pub use crate::authenticate::error::AuthenticateError;
pub use crate::authenticate::principal::Principal;
use crate::authenticate::principal::Verdict;
use crate::jwks::RefetchCause;
use crate::jwt::proof::Proof;
use crate::jwt::{Rejection, Unverified};
use crate::model::api::BindingRule;
use crate::model::clock::UnixSeconds;
use crate::snapshot::{CompiledKeyManager, Routed, Snapshot};

/// Judges a token for the API that was found.
///
/// The order is the one that WSO2's clients know: issuer, the API's list of key managers, signature, time, the other
/// claims.
pub fn authenticate(
    snapshot: &Snapshot,
    routed: &Routed<'_>,
    credential: Credential<'_>,
    evidence: &Evidence<'_>,
    cache: &TokenCache,
    now: UnixSeconds,
) -> Result<Authenticated, AuthenticateError> {
    let principal = find_or_judge(snapshot, routed, credential.token, cache, now)?;
    let key_manager = principal.key_manager();
    if cache.revocations().is_revoked(principal.marks(), now) {
        return Err(AuthenticateError::Revoked { key_manager: Arc::clone(key_manager) });
    }
    let fault = |fault| AuthenticateError::Binding { key_manager: Arc::clone(key_manager), fault };
    let binding = principal.binding();
    if binding == Binding::None && routed.api().definition.binding == BindingRule::Required {
        return Err(fault(BindingFault::NotBound));
    }
    // by far the most: nothing to prove
    if binding == Binding::None && credential.scheme == Scheme::Bearer {
        return Ok(Authenticated { principal, proof: None });
    }
    let proof = binding::prove(binding, credential.token, credential.scheme, evidence, snapshot, now).map_err(fault)?;
    if let Some(proof) = &proof
        && routed.api().definition.dpop_nonce
        && !proof.nonce.as_deref().is_some_and(|nonce| cache.proofs().is_nonce(nonce, now))
    {
        return Err(fault(BindingFault::Nonce));
    }
    Ok(Authenticated { principal, proof })
}

/// Who calls, and the proof that was used for it.
#[derive(Debug, Clone)]
pub struct Authenticated {
    pub principal: Principal,
    proof: Option<Proof>,
}

impl Authenticated {
    /// To be called once nothing else refuses the request: from now on the proof is used.
    pub fn use_proof(&self, cache: &TokenCache, now: UnixSeconds) -> Result<(), AuthenticateError> {
        let Some(proof) = &self.proof else { return Ok(()) };
        let key_manager = self.principal.key_manager();
        let fault = |fault| AuthenticateError::Binding { key_manager: Arc::clone(key_manager), fault };
        cache.proofs().remember(proof, now).map_err(fault)
    }
}

fn find_or_judge(
    snapshot: &Snapshot,
    routed: &Routed<'_>,
    token: &[u8],
    cache: &TokenCache,
    now: UnixSeconds,
) -> Result<Principal, AuthenticateError> {
    if let Some(verdict) = cache.find(token) {
        let key_manager = verdict.key_manager();
        let current = snapshot.key_manager(key_manager.index).is_some_and(|current| Arc::ptr_eq(current, key_manager));
        if current && verdict.keys_unchanged() {
            take(routed, key_manager)?;
            verdict.check_time(now).map_err(|rejection| AuthenticateError::token(key_manager, rejection))?;
            return Ok(Principal::new(verdict));
        }
    }
    judge(snapshot, routed, token, cache, now)
}

fn judge(
    snapshot: &Snapshot,
    routed: &Routed<'_>,
    token: &[u8],
    cache: &TokenCache,
    now: UnixSeconds,
) -> Result<Principal, AuthenticateError> {
    let unverified = Unverified::parse(token, snapshot.limits.max_token_bytes).map_err(AuthenticateError::Unreadable)?;
    let key_manager = key_manager(snapshot, &unverified)?;
    take(routed, key_manager)?;
    let state = key_manager.keys.current();
    let Some(keys) = state.keys.as_ref() else {
        return Err(AuthenticateError::keys_unavailable(key_manager, RefetchCause::NoKeys));
    };
    let claims = unverified.verify(keys, &key_manager.definition.rules, now).map_err(|rejection| {
        // an unknown key while the server cannot be read is our trouble, not the client's
        if matches!(rejection, Rejection::UnknownKey { .. }) && state.last_attempt_failed {
            AuthenticateError::keys_unavailable(key_manager, RefetchCause::UnknownKey)
        } else {
            AuthenticateError::token(key_manager, rejection)
        }
    })?;
    let verdict = Verdict::new(Arc::clone(key_manager), state.generation, token, claims);
    Ok(Principal::new(cache.keep(token, verdict)))
}

fn key_manager<'s>(snapshot: &'s Snapshot, unverified: &Unverified<'_>) -> Result<&'s Arc<CompiledKeyManager>, AuthenticateError> {
    let issuer = unverified.issuer().unwrap_or_default();
    match snapshot.key_manager_of(issuer) {
        Some(key_manager) => Ok(key_manager),
        None => {
            let (issuer, unlearned) = (error::shown(issuer), snapshot.unlearned_issuers());
            Err(if unlearned.is_empty() {
                AuthenticateError::UnknownIssuer { issuer }
            } else {
                AuthenticateError::IssuerNotLearned { issuer, unlearned }
            })
        }
    }
}

fn take(routed: &Routed<'_>, key_manager: &Arc<CompiledKeyManager>) -> Result<(), AuthenticateError> {
    if routed.api().takes(key_manager.index) {
        Ok(())
    } else {
        Err(AuthenticateError::KeyManagerNotAllowed { key_manager: Arc::clone(key_manager) })
    }
}
