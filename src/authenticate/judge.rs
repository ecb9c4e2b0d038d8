//! Judges a token without a remembered verdict: finds its key manager by exactly its issuer, and
//! checks it.

use std::sync::Arc;

use crate::authenticate::binding::Evidence;
use crate::authenticate::cache::TokenCache;
use crate::authenticate::error::{AuthenticateError, shown};
use crate::authenticate::opaque;
use crate::authenticate::ownership::{is_of_organization, is_own, take, take_template};
use crate::authenticate::principal::{Basis, Principal, Verdict};
use crate::authenticate::question::{Question, Unproven};
use crate::authenticate::reception::TokenReception;
use crate::authenticate::token_judge::TokenJudge;
use crate::budget::Exhausted;
use crate::introspect::IntrospectionPurpose;
use crate::jwks::RefetchCause;
use crate::jwt::{Claims, MalformedToken, Rejection, Unverified};
use crate::key_managers::{CompiledKeyManager, CompiledTemplate};
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::TokenValidation;
use crate::model::rate::Rate;
use crate::snapshot::{Snapshot, Unlisted};

/// Finds the verdict on a token, or judges it. If a client sends too many invalid tokens, its
/// unknown ones are refused without a check.
pub(super) fn find_or_judge(
    snapshot: &Snapshot,
    reception: &impl TokenReception,
    token: &[u8],
    evidence: &Evidence<'_>,
    cache: &TokenCache,
    now: UnixSeconds,
) -> Result<Principal, Unproven> {
    if let Some(verdict) = cache.find(token, |verdict| {
        snapshot.holds(verdict.key_manager()) && verdict.still_stands(cache.moment())
    }) {
        let key_manager = verdict.key_manager();
        take(reception, key_manager)?;
        verdict
            .check_time(now)
            .map_err(|rejection| AuthenticateError::token(key_manager, rejection))?;
        return Ok(Principal::new(verdict));
    }
    // before any work is done for a client that forges tokens
    let client = evidence.payer(cache.budgets());
    let limit = client.zip(snapshot.settings.limits.max_forged_tokens.map(Rate::a_minute));
    let (budgets, moment) = (cache.budgets(), cache.moment());
    if let Some((client, rate)) = limit
        && let Err(Exhausted { retry_after }) = budgets.invalid_tokens.check(client, rate, moment)
    {
        budgets.note_refusal(client, evidence.peer);
        return Err(Unproven::Refused(AuthenticateError::InvalidTokens { retry_after }));
    }
    let judged = judge(snapshot, reception, token, cache, now);
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
    reception: &impl TokenReception,
    token: &[u8],
    cache: &TokenCache,
    now: UnixSeconds,
) -> Result<Principal, Unproven> {
    let unverified = match Unverified::parse(token, snapshot.settings.limits.max_token_bytes) {
        Ok(unverified) => unverified,
        // not a JWS at all, so only a server with introspection may know it
        Err(Rejection::Malformed(fault)) => {
            let unknown = match fault {
                MalformedToken::Parts => AuthenticateError::Opaque,
                fault => AuthenticateError::Unreadable(Rejection::Malformed(fault)),
            };
            return opaque::judge(snapshot, reception, token, cache, now, unknown);
        }
        Err(rejection) => {
            return Err(Unproven::Refused(AuthenticateError::Unreadable(rejection)));
        }
    };
    let key_manager = match key_manager(snapshot, &unverified) {
        Ok(TokenJudge::KeyManager(key_manager)) => key_manager,
        Ok(TokenJudge::Template(template)) => {
            take_template(reception, &template)?;
            return Err(unopened(template, unverified.issuer().unwrap_or_default(), cache));
        }
        // a JWS of an unknown issuer is opaque to the gateway
        Err(
            unknown @ (AuthenticateError::UnknownIssuer { .. }
            | AuthenticateError::IssuerNotLearned { .. }),
        ) => {
            let issuer = unverified.issuer();
            return opaque::judge_foreign(
                snapshot,
                reception,
                token,
                cache,
                now,
                (issuer, unknown),
            );
        }
        Err(error) => return Err(error.into()),
    };
    take(reception, &key_manager)?;
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

/// Returns the question that must be answered before an organization of a template can judge a
/// token.
fn unopened(template: Arc<CompiledTemplate>, issuer: &str, cache: &TokenCache) -> Unproven {
    let closed = template
        .organizations
        .as_ref()
        .and_then(|organizations| organizations.known_closed(issuer, cache.moment()));
    match closed {
        Some(why) => {
            let issuer = shown(issuer);
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
    let issued_at = unverified.issued_at();
    let verified = unverified.verify(keys, &key_manager.definition.rules, now);
    note_verified(key_manager, issued_at, &verified, now);
    let claims = verified.map_err(|rejection| {
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
        let issuer = shown(claims.issuer());
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

/// Notes the facts that a good signature proves about its key, and about its issuer's clock. A
/// token of a clock that is too far ahead is refused, and is the best evidence.
fn note_verified(
    key_manager: &CompiledKeyManager,
    issued_at: Option<UnixSeconds>,
    verified: &Result<Claims, Rejection>,
    now: UnixSeconds,
) {
    match verified {
        Ok(claims) => key_manager.keys.note_verified(claims, now),
        // times are looked at once the signature is known to be good
        Err(Rejection::NotYetValid { .. }) => {}
        Err(_) => return,
    }
    if let Some(issued_at) = issued_at {
        key_manager.series.token_issued(issued_at, now);
    }
}

/// Finds the key manager that judges a token.
fn key_manager(
    snapshot: &Snapshot,
    unverified: &Unverified<'_>,
) -> Result<TokenJudge, AuthenticateError> {
    let issuer = unverified.issuer().unwrap_or_default();
    let mut sharing = snapshot.key_managers_sharing(issuer).peekable();
    if sharing.peek().is_some() {
        let mut owners =
            sharing.filter(|key_manager| is_own(&key_manager.definition.handling, unverified));
        return match (owners.next(), owners.next()) {
            (Some(owner), None) => Ok(TokenJudge::KeyManager(Arc::clone(owner))),
            _ => Err(AuthenticateError::NobodysOwn { issuer: shown(issuer) }),
        };
    }
    drop(sharing);
    let judge = match snapshot.key_manager_of(issuer) {
        Some(key_manager) => TokenJudge::KeyManager(Arc::clone(key_manager)),
        None => match snapshot.unlisted(issuer) {
            Unlisted::Open(key_manager) => TokenJudge::KeyManager(key_manager),
            Unlisted::Template(template) => TokenJudge::Template(template),
            Unlisted::Several => {
                return Err(AuthenticateError::NobodysOwn { issuer: shown(issuer) });
            }
            Unlisted::Nobodys => {
                let (issuer, unlearned) = (shown(issuer), snapshot.unlearned_issuers());
                return Err(if unlearned.is_empty() {
                    AuthenticateError::UnknownIssuer { issuer }
                } else {
                    AuthenticateError::IssuerNotLearned { issuer, unlearned }
                });
            }
        },
    };
    if is_own(&judge.definition().handling, unverified) {
        Ok(judge)
    } else {
        Err(AuthenticateError::NobodysOwn { issuer: shown(issuer) })
    }
}
