//! The step from a token to a principal, with the proof of possession if the token is bound.

use std::sync::Arc;

use crate::authenticate::binding::{self, Binding, Evidence};
use crate::authenticate::binding_fault::BindingFault;
use crate::authenticate::cache::TokenCache;
use crate::authenticate::credentials::{Credential, TokenScheme};
use crate::authenticate::error::AuthenticateError;
use crate::authenticate::judge::find_or_judge;
use crate::authenticate::principal::Principal;
use crate::authenticate::question::Unproven;
use crate::authenticate::reception::TokenReception;
use crate::jwt::dpop::DpopProof;
use crate::model::api::BindingRule;
use crate::model::clock::UnixSeconds;
use crate::snapshot::Snapshot;

/// Judges a token for the API that was found. The order is the one that WSO2's clients know:
/// issuer, the API's list of key managers, signature, time, the other claims.
pub fn authenticate(
    snapshot: &Snapshot,
    reception: &impl TokenReception,
    credential: Credential<'_>,
    evidence: &Evidence<'_>,
    cache: &TokenCache,
    now: UnixSeconds,
) -> Result<Authenticated, Unproven> {
    let principal = find_or_judge(snapshot, reception, credential.token, evidence, cache, now)?;
    let key_manager = principal.key_manager();
    let revoked = principal.revoked_by(cache.revocations(), Some(credential.token), now);
    if let Some(ground) = revoked {
        let key_manager = Arc::clone(key_manager);
        return Err(Unproven::Refused(AuthenticateError::Revoked { key_manager, ground }));
    }
    let fault = |fault| {
        let key_manager = Arc::clone(key_manager);
        Unproven::Refused(AuthenticateError::Binding { key_manager, fault })
    };
    let binding = principal.binding();
    if binding == Binding::None
        && reception.binding() == BindingRule::Required
        && !key_manager.definition.rules.observe
    {
        return Err(fault(BindingFault::NotBound));
    }
    // by far the most: nothing to prove
    if binding == Binding::None && credential.scheme == TokenScheme::Bearer {
        return Ok(Authenticated { principal, proof: None });
    }
    let proof =
        binding::prove(binding, credential.token, credential.scheme, evidence, snapshot, now)
            .map_err(fault)?;
    if let Some(proof) = &proof
        && reception.asks_for_nonce()
        && !proof.nonce.as_deref().is_some_and(|nonce| {
            cache.proofs().is_nonce(nonce, snapshot.settings.dpop_nonce_key.as_ref(), now)
        })
    {
        return Err(fault(BindingFault::Nonce));
    }
    Ok(Authenticated { principal, proof })
}

/// A caller, and the proof that was used for it.
#[derive(Debug, Clone)]
pub struct Authenticated {
    pub principal: Principal,
    proof: Option<DpopProof>,
}

impl Authenticated {
    /// Uses the proof up. To be called once nothing else refuses the request.
    pub fn use_proof(&self, cache: &TokenCache, now: UnixSeconds) -> Result<(), AuthenticateError> {
        let Some(proof) = &self.proof else { return Ok(()) };
        let key_manager = self.principal.key_manager();
        let fault =
            |fault| AuthenticateError::Binding { key_manager: Arc::clone(key_manager), fault };
        let mark = cache.proofs().remember(proof, now).map_err(fault)?;
        if cache.revocations().claims().are_shared() {
            cache.claim_later(mark);
        }
        Ok(())
    }
}
