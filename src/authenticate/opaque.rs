//! Judges tokens that only servers can judge: finds the servers that may know one, and follows
//! their answers.
//!
//! Opaque is every token that is not a JWS of a known issuer: any text, an encrypted token, a JWS
//! of an unknown issuer. If a `reference` pattern of `token_handling` claims a token, only the key
//! managers that claim it are asked, so that a live token is never shown to a foreign server.
//! Otherwise those without a pattern are asked, all at once.

use std::rc::Rc;
use std::sync::Arc;

use crate::authenticate::cache::TokenCache;
use crate::authenticate::error::AuthenticateError;
use crate::authenticate::ownership::{is_of_organization, take};
use crate::authenticate::principal::{Basis, Principal, Verdict};
use crate::authenticate::question::{Question, Unproven};
use crate::authenticate::reception::TokenReception;
use crate::introspect::{IntrospectionAnswer, IntrospectionPurpose};
use crate::jwt::{self, Rejection};
use crate::key_managers::CompiledKeyManager;
use crate::model::clock::{Moment, UnixSeconds};
use crate::model::key_manager::TokenValidation;
use crate::model::token_handling::TokenHandling;
use crate::snapshot::Snapshot;

/// Judges an opaque token; `unknown` is the verdict if no server could know it.
pub(super) fn judge(
    snapshot: &Snapshot,
    reception: &impl TokenReception,
    token: &[u8],
    cache: &TokenCache,
    now: UnixSeconds,
    unknown: AuthenticateError,
) -> Result<Principal, Unproven> {
    judge_as(snapshot, reception, token, cache, now, (None, unknown))
}

/// Judges an opaque token; `issuer` is the one that a JWS names.
fn judge_as(
    snapshot: &Snapshot,
    reception: &impl TokenReception,
    token: &[u8],
    cache: &TokenCache,
    now: UnixSeconds,
    (issuer, unknown): (Option<&str>, AuthenticateError),
) -> Result<Principal, Unproven> {
    let Ok(text) = std::str::from_utf8(token) else { return Err(unknown.into()) };
    let mut candidates = claiming(snapshot, text);
    if candidates.is_empty() {
        candidates = unclaiming(snapshot);
        // a server with another known issuer did not issue this token
        candidates.retain(|key_manager| issuer.is_none() || has_no_issuer(key_manager));
        candidates.retain(|key_manager| reception.takes(key_manager));
    } else if candidates.iter().all(|key_manager| !reception.takes(key_manager)) {
        return candidates
            .iter()
            .try_for_each(|key_manager| take(reception, key_manager))
            .and(Err(unknown))
            .map_err(Unproven::from);
    }
    candidates
        .retain(|key_manager| reception.takes(key_manager) && key_manager.introspector.is_some());
    if candidates.is_empty() {
        return Err(unknown.into());
    }
    let (mut unasked, mut refused) = (Vec::new(), AuthenticateError::Inactive);
    for key_manager in candidates {
        match answer(key_manager, token, cache, now) {
            Some(Ok(principal)) => return Ok(principal),
            Some(Err(error)) => refused = refused.or_better(error),
            None => unasked.push(Arc::clone(key_manager)),
        }
    }
    Err(if unasked.is_empty() {
        refused.into()
    } else {
        Question::introspect(unasked, IntrospectionPurpose::Judge).into()
    })
}

/// Judges a JWS whose issuer no key manager has. Only servers whose own issuer is unknown can have
/// issued it. A pattern that claims the token decides first, also if its issuer may still be
/// learned, or belongs to a disabled key manager.
pub(super) fn judge_foreign(
    snapshot: &Snapshot,
    reception: &impl TokenReception,
    token: &[u8],
    cache: &TokenCache,
    now: UnixSeconds,
    (issuer, unknown): (Option<&str>, AuthenticateError),
) -> Result<Principal, Unproven> {
    let written = issuer.is_some_and(|issuer| {
        snapshot.key_managers.iter().any(|key_manager| {
            key_manager.definition.issuer.as_ref().is_some_and(|own| own.as_str() == issuer)
        })
    });
    let somebodys = written || matches!(unknown, AuthenticateError::IssuerNotLearned { .. });
    let claimed = std::str::from_utf8(token).is_ok_and(|text| !claiming(snapshot, text).is_empty());
    if somebodys && !claimed {
        return Err(unknown.into());
    }
    judge_as(snapshot, reception, token, cache, now, (issuer, unknown))
}

/// Judges a token by the answer of a key manager's server; `None` if the server was not asked yet.
pub(super) fn answer(
    key_manager: &Arc<CompiledKeyManager>,
    token: &[u8],
    cache: &TokenCache,
    now: UnixSeconds,
) -> Option<Result<Principal, AuthenticateError>> {
    let answer = said(key_manager, token, cache)?;
    if let Err(error) = check_answer(key_manager, &answer, IntrospectionPurpose::Judge, now) {
        return Some(Err(error));
    }
    let IntrospectionAnswer::Active(claims, until) = answer else {
        return Some(Err(AuthenticateError::Inactive));
    };
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

/// Returns the time until which the server has confirmed a good signature; `None` if its key
/// manager needs no confirmation.
pub(super) fn confirmed_until(
    key_manager: &Arc<CompiledKeyManager>,
    token: &[u8],
    cache: &TokenCache,
    now: UnixSeconds,
) -> Result<Option<Moment>, Unproven> {
    let TokenValidation::Both { .. } = key_manager.definition.validation else { return Ok(None) };
    let Some(answer) = said(key_manager, token, cache) else {
        let key_managers = vec![Arc::clone(key_manager)];
        return Err(Question::introspect(key_managers, IntrospectionPurpose::Confirm).into());
    };
    check_answer(key_manager, &answer, IntrospectionPurpose::Confirm, now)?;
    Ok(match answer {
        IntrospectionAnswer::Active(_, until) | IntrospectionAnswer::Unconfirmed(until) => {
            Some(until)
        }
        IntrospectionAnswer::Inactive | IntrospectionAnswer::NotAccess(_) => {
            return Err(AuthenticateError::Inactive.into());
        }
    })
}

/// Checks whether a server's answer lets a token through, by its key manager's rules.
pub fn check_answer(
    key_manager: &Arc<CompiledKeyManager>,
    answer: &IntrospectionAnswer,
    purpose: IntrospectionPurpose,
    now: UnixSeconds,
) -> Result<(), AuthenticateError> {
    match (answer, purpose) {
        (IntrospectionAnswer::NotAccess(wrong), _) => {
            Err(AuthenticateError::token(key_manager, Rejection::TokenType(*wrong)))
        }
        (IntrospectionAnswer::Inactive, _)
        | (IntrospectionAnswer::Unconfirmed(_), IntrospectionPurpose::Judge) => {
            Err(AuthenticateError::Inactive)
        }
        // the token itself was judged
        (
            IntrospectionAnswer::Active(..) | IntrospectionAnswer::Unconfirmed(_),
            IntrospectionPurpose::Confirm,
        ) => Ok(()),
        (IntrospectionAnswer::Active(claims, _), IntrospectionPurpose::Judge) => {
            jwt::check_rules(claims, &key_manager.definition.rules, now)
                .map_err(|rejection| AuthenticateError::token(key_manager, rejection))?;
            if is_of_organization(key_manager, claims) {
                Ok(())
            } else {
                Err(AuthenticateError::Inactive)
            }
        }
    }
}

fn said(
    key_manager: &Arc<CompiledKeyManager>,
    token: &[u8],
    cache: &TokenCache,
) -> Option<IntrospectionAnswer> {
    cache
        .just_answered(key_manager, token)
        .or_else(|| key_manager.introspector.as_ref()?.known(token, cache.moment()))
}

/// Finds the key managers that claim a token by a pattern, whatever else is true of them.
fn claiming<'s>(snapshot: &'s Snapshot, text: &str) -> Vec<&'s Arc<CompiledKeyManager>> {
    enabled(snapshot, |handling| {
        handling.iter().any(|rule| match rule {
            TokenHandling::Reference { pattern } => {
                pattern.as_ref().is_some_and(|pattern| pattern.matches(text))
            }
            TokenHandling::Jwt { .. } => false,
        })
    })
}

fn has_no_issuer(key_manager: &CompiledKeyManager) -> bool {
    key_manager.definition.issuer.is_none() && key_manager.keys.current().issuer.is_none()
}

/// Finds the key managers whose opaque tokens have no form of their own.
fn unclaiming(snapshot: &Snapshot) -> Vec<&Arc<CompiledKeyManager>> {
    enabled(snapshot, |handling| {
        handling.is_empty()
            || handling
                .iter()
                .any(|rule| matches!(rule, TokenHandling::Reference { pattern: None }))
    })
}

fn enabled(
    snapshot: &Snapshot,
    wanted: impl Fn(&[TokenHandling]) -> bool,
) -> Vec<&Arc<CompiledKeyManager>> {
    let enabled = snapshot.key_managers.iter().filter(|key_manager| key_manager.definition.enabled);
    enabled.filter(|key_manager| wanted(&key_manager.definition.handling)).collect()
}
