//! Who calls: a bearer token in, a [`Principal`] or a reason out.
//!
//! Decides which key manager judges a token (the one of exactly its issuer), and remembers verdicts. Never looks at
//! applications or subscriptions, and never waits: when a verdict needs keys that are not here, the error says which
//! key manager to ask, and the caller asks it and comes back.
//!
//! The walk through the files: [`credentials`] (the token in a request's head), [`principal`] (the proof), [`binding`] (is it
//! in the right hand), [`certificate`] (which one a trusted proxy tells of), [`cache`] (verdicts of tokens seen before),
//! [`budgets`] (what a client may make us do), [`unknown_tokens`] (what it may make us ask), [`error`].

pub mod binding;
pub mod budgets;
pub mod cache;
pub mod certificate;
pub mod credentials;
pub mod error;
pub mod principal;
pub mod unknown_tokens;

use std::rc::Rc;
use std::sync::Arc;

use crate::authenticate::binding::{Binding, BindingFault, Evidence};
use crate::authenticate::cache::TokenCache;
use crate::authenticate::credentials::{Credential, Scheme};
pub use crate::authenticate::error::AuthenticateError;
use crate::authenticate::principal::Verdict;
pub use crate::authenticate::principal::{Basis, Caller, Principal};
use crate::budget::Exhausted;
use crate::introspect::Answer;
use crate::jwks::RefetchCause;
use crate::jwt::proof::Proof;
use crate::jwt::{self, Claims, Malformed, Rejection, Unverified, Value};
use crate::model::api::BindingRule;
use crate::model::clock::UnixSeconds;
use crate::model::handling::{Handling, Pattern};
use crate::model::key_manager::TokenValidation;
use crate::model::rate::Rate;
use crate::snapshot::{CompiledKeyManager, Routed, Snapshot, Unlisted};

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
    let principal = find_or_judge(snapshot, routed, credential.token, evidence, cache, now)?;
    let key_manager = principal.key_manager();
    let revoked = principal.revoked_by(cache.revocations(), Some(credential.token), now);
    if let Some(ground) = revoked {
        return Err(AuthenticateError::Revoked { key_manager: Arc::clone(key_manager), ground });
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
    let proof =
        binding::prove(binding, credential.token, credential.scheme, evidence, snapshot, now)
            .map_err(fault)?;
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
        let fault =
            |fault| AuthenticateError::Binding { key_manager: Arc::clone(key_manager), fault };
        cache.proofs().remember(proof, now).map_err(fault)
    }
}

fn find_or_judge(
    snapshot: &Snapshot,
    routed: &Routed<'_>,
    token: &[u8],
    evidence: &Evidence<'_>,
    cache: &TokenCache,
    now: UnixSeconds,
) -> Result<Principal, AuthenticateError> {
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
        return Err(AuthenticateError::Forging { retry_after });
    }
    let judged = judge(snapshot, routed, token, cache, now);
    if let (
        Err(AuthenticateError::Token {
            rejection: Rejection::BadSignature, repeated: false, ..
        }),
        Some((client, rate)),
    ) = (&judged, limit)
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
) -> Result<Principal, AuthenticateError> {
    let unverified = match Unverified::parse(token, snapshot.limits.max_token_bytes) {
        Ok(unverified) => unverified,
        // not a JWT at all: only a server that can be asked may know it
        Err(Rejection::Malformed(Malformed::Parts)) => {
            return ask_about(snapshot, routed, token, cache, now);
        }
        Err(rejection) => return Err(AuthenticateError::Unreadable(rejection)),
    };
    let key_manager = &match key_manager(snapshot, &unverified)? {
        Judge::Known(key_manager) => key_manager,
        Judge::ToOpen(template) => {
            take(routed, &template)?;
            let issuer = unverified.issuer().unwrap_or_default();
            let closed = template
                .organizations
                .as_ref()
                .and_then(|organizations| organizations.known_closed(issuer, cache.moment()));
            return Err(match closed {
                Some(why) => {
                    AuthenticateError::NotOpened { template, issuer: error::shown(issuer), why }
                }
                None => AuthenticateError::NotOpen { template, issuer: issuer.into() },
            });
        }
    };
    take(routed, key_manager)?;
    if key_manager.definition.validation == TokenValidation::Introspection {
        return match answer(key_manager, token, cache, now) {
            Some(answered) => answered,
            None => Err(AuthenticateError::NotAsked { key_manager: Arc::clone(key_manager) }),
        };
    }
    let state = key_manager.keys.current();
    let Some(keys) = state.keys.as_ref() else {
        return Err(AuthenticateError::keys_unavailable(key_manager, RefetchCause::NoKeys));
    };
    if cache.is_forged(token, keys) {
        let rejection = Rejection::BadSignature;
        return Err(AuthenticateError::Token {
            key_manager: Arc::clone(key_manager),
            rejection,
            repeated: true,
        });
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
        return Err(AuthenticateError::NobodysOwn { issuer: error::shown(claims.issuer()) });
    }
    let verdict = Verdict::new(
        Arc::clone(key_manager),
        Basis::Signature { generation: state.generation },
        token,
        claims,
    );
    Ok(Principal::new(cache.keep(token, verdict)))
}

/// An opaque token: the key managers that may know it, one after the other.
fn ask_about(
    snapshot: &Snapshot,
    routed: &Routed<'_>,
    token: &[u8],
    cache: &TokenCache,
    now: UnixSeconds,
) -> Result<Principal, AuthenticateError> {
    let text = std::str::from_utf8(token)
        .map_err(|_| AuthenticateError::Unreadable(Rejection::Malformed(Malformed::Parts)))?;
    let may_know = |key_manager: &&Arc<CompiledKeyManager>| {
        let definition = &key_manager.definition;
        let own = definition.handling.is_empty()
            || definition.handling.iter().any(|rule| match rule {
                Handling::Reference { pattern } => {
                    pattern.as_ref().is_none_or(|pattern| pattern.matches(text))
                }
                Handling::Jwt { .. } => false,
            });
        definition.enabled
            && key_manager.introspector.is_some()
            && routed.api().takes(key_manager)
            && own
    };
    let mut refused = None;
    for key_manager in snapshot.key_managers.iter().filter(may_know) {
        match answer(key_manager, token, cache, now) {
            Some(Ok(principal)) => return Ok(principal),
            // who knows the token says more about it than who does not
            Some(Err(error)) => match refused {
                None | Some(AuthenticateError::Inactive) => refused = Some(error),
                Some(_) => {}
            },
            None => {
                return Err(AuthenticateError::NotAsked { key_manager: Arc::clone(key_manager) });
            }
        }
    }
    Err(refused.unwrap_or(AuthenticateError::Opaque))
}

/// The verdict on a token by what a key manager's server has said of it; `None` if the server was not asked yet.
fn answer(
    key_manager: &Arc<CompiledKeyManager>,
    token: &[u8],
    cache: &TokenCache,
    now: UnixSeconds,
) -> Option<Result<Principal, AuthenticateError>> {
    let known = cache
        .just_answered(key_manager, token)
        .or_else(|| key_manager.introspector.as_ref()?.known(token, cache.moment()));
    let refuse = |rejection| Some(Err(AuthenticateError::token(key_manager, rejection)));
    let (claims, until) = match known? {
        Answer::Active(claims, until) => (claims, until),
        Answer::NotAccess(wrong) => return refuse(Rejection::TokenType(wrong)),
        Answer::Inactive => return Some(Err(AuthenticateError::Inactive)),
    };
    if let Err(rejection) = jwt::check_rules(&claims, &key_manager.definition.rules, now) {
        return refuse(rejection);
    }
    if !is_of_organization(key_manager, &claims) {
        return Some(Err(AuthenticateError::Inactive));
    }
    let verdict = Verdict::new(
        Arc::clone(key_manager),
        Basis::Introspection { until },
        token,
        (*claims).clone(),
    );
    Some(Ok(Principal::new(if until > cache.moment() {
        cache.keep(token, verdict)
    } else {
        Rc::new(verdict)
    })))
}

/// Who judges a token.
enum Judge {
    Known(Arc<CompiledKeyManager>),
    /// An organisation of this template, which has to be opened first.
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

/// The organisation in a token, where it names one, is that of its key manager, where that has one.
fn is_of_organization(key_manager: &CompiledKeyManager, claims: &Claims) -> bool {
    let Some(wanted) = &key_manager.definition.organization else { return true };
    claims.get("org_id").is_none_or(|named| named.as_str() == Some(wanted.as_str()))
}

/// Whether a key manager's rules say that a JWT is its own; without rules for JWTs all of its issuer's are.
fn is_own(handling: &[Handling], unverified: &Unverified<'_>) -> bool {
    let mut rules = handling.iter().filter_map(|rule| match rule {
        Handling::Jwt { claims } => Some(claims),
        Handling::Reference { .. } => None,
    });
    let fits = |claims: &Vec<(String, Pattern)>| {
        claims.iter().all(|(name, pattern)| match unverified.claim(name) {
            Some(Value::String(text)) => pattern.matches(text),
            Some(Value::Array(elements)) => {
                elements.iter().filter_map(Value::as_str).any(|text| pattern.matches(text))
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
