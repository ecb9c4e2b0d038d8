//! Who calls: a bearer token in, a [`Principal`] or a reason out.
//!
//! Decides which key manager judges a token (the one of exactly its issuer), and remembers verdicts. Never looks at
//! applications or subscriptions, and never waits: when a verdict needs keys that are not here, the error says which
//! key manager to ask, and the caller asks it and comes back.
//!
//! The walk through the files: [`credentials`] (the token in a request's head), [`principal`] (the proof), [`binding`] (is it
//! in the right hand), [`certificate`] (which one a trusted proxy tells of), [`nonces`] (of DPoP), [`opaque`] (what only servers can judge, and the
//! [`question`]s to them), [`cache`] (verdicts of tokens seen before), [`budgets`] (what a client may make us do),
//! [`unknown_tokens`] (what it may make us ask), [`error`].

pub mod binding;
pub mod budgets;
pub mod cache;
pub mod certificate;
pub mod credentials;
pub mod error;
mod nonces;
mod opaque;
pub mod principal;
mod question;
pub mod unknown_tokens;

use std::sync::Arc;

use crate::authenticate::binding::{Binding, BindingFault, Evidence};
use crate::authenticate::cache::TokenCache;
use crate::authenticate::credentials::{Credential, TokenScheme};
pub use crate::authenticate::error::AuthenticateError;
pub use crate::authenticate::opaque::check_answer;
use crate::authenticate::principal::Verdict;
pub use crate::authenticate::principal::{Basis, CallerNames, IntrospectionCheck, Principal};
pub use crate::authenticate::question::{Question, StaleKeys, Unproven};
use crate::budget::Exhausted;
use crate::introspect::IntrospectionPurpose;
use crate::jwks::RefetchCause;
use crate::jwt::dpop::DpopProof;
use crate::jwt::{Claims, JsonValue, MalformedToken, Rejection, Unverified};
use crate::key_managers::CompiledKeyManager;
use crate::model::api::BindingRule;
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::TokenValidation;
use crate::model::rate::Rate;
use crate::model::token_handling::{Pattern, TokenHandling};
use crate::snapshot::{Routed, Snapshot, Unlisted};

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
) -> Result<Authenticated, Unproven> {
    let principal = find_or_judge(snapshot, routed, credential.token, evidence, cache, now)?;
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
    if binding == Binding::None && routed.api().definition.binding == BindingRule::Required {
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
        && routed.api().definition.dpop_nonce
        && !proof.nonce.as_deref().is_some_and(|nonce| {
            cache.proofs().is_nonce(nonce, snapshot.dpop_nonce_key.as_ref(), now)
        })
    {
        return Err(fault(BindingFault::Nonce));
    }
    Ok(Authenticated { principal, proof })
}

/// Who calls, and the proof that was used for it.
#[derive(Debug, Clone)]
pub struct Authenticated {
    pub principal: Principal,
    proof: Option<DpopProof>,
}

impl Authenticated {
    /// To be called once nothing else refuses the request: from now on the proof is used.
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

fn find_or_judge(
    snapshot: &Snapshot,
    routed: &Routed<'_>,
    token: &[u8],
    evidence: &Evidence<'_>,
    cache: &TokenCache,
    now: UnixSeconds,
) -> Result<Principal, Unproven> {
    if let Some(verdict) = cache.find(token, |verdict| {
        snapshot.holds(verdict.key_manager()) && verdict.still_stands(cache.moment())
    }) {
        let key_manager = verdict.key_manager();
        take(routed, key_manager)?;
        verdict
            .check_time(now)
            .map_err(|rejection| AuthenticateError::token(key_manager, rejection))?;
        return Ok(Principal::new(verdict));
    }
    // before anything is spent on a token of somebody who forges them
    let client = evidence.payer(cache.budgets());
    let limit = client.zip(snapshot.limits.max_forged_tokens.map(Rate::a_minute));
    let (budgets, moment) = (cache.budgets(), cache.moment());
    if let Some((client, rate)) = limit
        && let Err(Exhausted { retry_after }) = budgets.invalid_tokens.check(client, rate, moment)
    {
        budgets.note_refusal(client, evidence.peer);
        return Err(Unproven::Refused(AuthenticateError::Forging { retry_after }));
    }
    let judged = judge(snapshot, routed, token, cache, now);
    if let (
        Some(AuthenticateError::Token {
            rejection: Rejection::BadSignature, repeated: false, ..
        }),
        Some((client, rate)),
    ) = (judged.as_ref().err().and_then(Unproven::error), limit)
    {
        // kept however the token is judged in the end: a signature was checked for it
        let _ = budgets.invalid_tokens.charge(client, rate, moment);
    }
    judged
}

fn judge(
    snapshot: &Snapshot,
    routed: &Routed<'_>,
    token: &[u8],
    cache: &TokenCache,
    now: UnixSeconds,
) -> Result<Principal, Unproven> {
    let unverified = match Unverified::parse(token, snapshot.limits.max_token_bytes) {
        Ok(unverified) => unverified,
        // not a JWS at all: only a server that can be asked may know it
        Err(Rejection::Malformed(fault)) => {
            let unknown = match fault {
                MalformedToken::Parts => AuthenticateError::Opaque,
                fault => AuthenticateError::Unreadable(Rejection::Malformed(fault)),
            };
            return opaque::judge(snapshot, routed, token, cache, now, unknown);
        }
        Err(rejection) => {
            return Err(Unproven::Refused(AuthenticateError::Unreadable(rejection)));
        }
    };
    let key_manager = match key_manager(snapshot, &unverified) {
        Ok(Judge::Known(key_manager)) => key_manager,
        Ok(Judge::ToOpen(template)) => {
            take(routed, &template)?;
            return Err(unopened(template, unverified.issuer().unwrap_or_default(), cache));
        }
        // a JWS of nobody's issuer is opaque to the gateway
        Err(
            unknown @ (AuthenticateError::UnknownIssuer { .. }
            | AuthenticateError::IssuerNotLearned { .. }),
        ) => {
            let issuer = unverified.issuer();
            return opaque::judge_foreign(snapshot, routed, token, cache, now, (issuer, unknown));
        }
        Err(error) => return Err(error.into()),
    };
    take(routed, &key_manager)?;
    if key_manager.definition.validation == TokenValidation::Introspection {
        return opaque::answer(&key_manager, token, cache, now).map_or_else(
            || {
                let asked = vec![Arc::clone(&key_manager)];
                Err(Question::introspect(asked, IntrospectionPurpose::Judge).into())
            },
            |answered| answered.map_err(Unproven::from),
        );
    }
    verify(&key_manager, unverified, token, cache, now)
}

/// Says what is missing before an organization of a template can judge a token.
fn unopened(template: Arc<CompiledKeyManager>, issuer: &str, cache: &TokenCache) -> Unproven {
    let closed = template
        .organizations
        .as_ref()
        .and_then(|organizations| organizations.known_closed(issuer, cache.moment()));
    match closed {
        Some(why) => {
            let issuer = error::shown(issuer);
            Unproven::Refused(AuthenticateError::NotOpened { template, issuer, why })
        }
        None => Question::OpenOrganization { template, issuer: issuer.into() }.into(),
    }
}

/// Checks the signature and the claims of a token against the keys of its key manager.
fn verify(
    key_manager: &Arc<CompiledKeyManager>,
    unverified: Unverified<'_>,
    token: &[u8],
    cache: &TokenCache,
    now: UnixSeconds,
) -> Result<Principal, Unproven> {
    let state = key_manager.keys.current();
    let Some(keys) = state.keys.as_ref() else {
        return Err(AuthenticateError::keys_unavailable(key_manager, RefetchCause::NoKeys).into());
    };
    if cache.is_forged(token, keys) {
        let rejection = Rejection::BadSignature;
        let key_manager = Arc::clone(key_manager);
        return Err(AuthenticateError::Token { key_manager, rejection, repeated: true }.into());
    }
    let claims =
        unverified.verify(keys, &key_manager.definition.rules, now).map_err(|rejection| {
            if rejection == Rejection::BadSignature {
                cache.remember_forged(token, keys);
            }
            // an unknown key while the server cannot be read is our trouble, not the client's
            if matches!(rejection, Rejection::UnknownKey { .. }) && state.last_attempt_failed {
                AuthenticateError::keys_unavailable(key_manager, RefetchCause::UnknownKey)
            } else {
                AuthenticateError::token(key_manager, rejection)
            }
        })?;
    if !is_of_organization(key_manager, &claims) {
        let issuer = error::shown(claims.issuer());
        return Err(Unproven::Refused(AuthenticateError::NobodysOwn { issuer }));
    }
    let generation = state.generation;
    let basis = match opaque::confirmed_until(key_manager, token, cache, now)? {
        Some(until) => Basis::Confirmed { generation, until },
        None => Basis::Signature { generation },
    };
    let verdict = Verdict::new(Arc::clone(key_manager), basis, token, claims);
    Ok(Principal::new(cache.keep(token, verdict)))
}

/// Who judges a token.
enum Judge {
    Known(Arc<CompiledKeyManager>),
    /// An organization of this template, which has to be opened first.
    ToOpen(Arc<CompiledKeyManager>),
}

fn key_manager(
    snapshot: &Snapshot,
    unverified: &Unverified<'_>,
) -> Result<Judge, AuthenticateError> {
    let issuer = unverified.issuer().unwrap_or_default();
    let mut sharing = snapshot.key_managers_sharing(issuer).peekable();
    if sharing.peek().is_some() {
        let mut owners =
            sharing.filter(|key_manager| is_own(&key_manager.definition.handling, unverified));
        return match (owners.next(), owners.next()) {
            (Some(owner), None) => Ok(Judge::Known(Arc::clone(owner))),
            _ => Err(AuthenticateError::NobodysOwn { issuer: error::shown(issuer) }),
        };
    }
    drop(sharing);
    let judge = match snapshot.key_manager_of(issuer) {
        Some(key_manager) => Judge::Known(Arc::clone(key_manager)),
        None => match snapshot.unlisted(issuer) {
            Unlisted::Open(key_manager) => Judge::Known(key_manager),
            Unlisted::Template(template) => Judge::ToOpen(template),
            Unlisted::Several => {
                return Err(AuthenticateError::NobodysOwn { issuer: error::shown(issuer) });
            }
            Unlisted::Nobodys => {
                let (issuer, unlearned) = (error::shown(issuer), snapshot.unlearned_issuers());
                return Err(if unlearned.is_empty() {
                    AuthenticateError::UnknownIssuer { issuer }
                } else {
                    AuthenticateError::IssuerNotLearned { issuer, unlearned }
                });
            }
        },
    };
    let (Judge::Known(judging) | Judge::ToOpen(judging)) = &judge;
    if is_own(&judging.definition.handling, unverified) {
        Ok(judge)
    } else {
        Err(AuthenticateError::NobodysOwn { issuer: error::shown(issuer) })
    }
}

/// The organization in a token, where it names one, is that of its key manager, where that has one.
fn is_of_organization(key_manager: &CompiledKeyManager, claims: &Claims) -> bool {
    let Some(wanted) = &key_manager.definition.organization else { return true };
    claims.get("org_id").is_none_or(|named| named.as_str() == Some(wanted.as_str()))
}

/// Whether a key manager's rules say that a JWT is its own; without rules for JWTs all of its issuer's are.
fn is_own(handling: &[TokenHandling], unverified: &Unverified<'_>) -> bool {
    let mut rules = handling.iter().filter_map(|rule| match rule {
        TokenHandling::Jwt { claims } => Some(claims),
        TokenHandling::Reference { .. } => None,
    });
    let fits = |claims: &Vec<(String, Pattern)>| {
        claims.iter().all(|(name, pattern)| match unverified.claim(name) {
            Some(JsonValue::String(text)) => pattern.matches(text),
            Some(JsonValue::Array(elements)) => {
                elements.iter().filter_map(JsonValue::as_str).any(|text| pattern.matches(text))
            }
            _ => false,
        })
    };
    let first = rules.next();
    first.is_none_or(|first| fits(first) || rules.any(fits))
}

fn take(
    routed: &Routed<'_>,
    key_manager: &Arc<CompiledKeyManager>,
) -> Result<(), AuthenticateError> {
    if routed.api().takes(key_manager) {
        Ok(())
    } else {
        Err(AuthenticateError::KeyManagerNotAllowed { key_manager: Arc::clone(key_manager) })
    }
}
