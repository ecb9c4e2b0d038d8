//! Applies a key manager's conditions on a token, besides a good signature and the right kind:
//! time, audience. The conditions come from the configuration. The audience that an API wants is
//! checked in the room `authorize`.

use crate::jwt::claims::Claims;
use crate::jwt::rejection::Rejection;
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::TokenRules;

/// Applies all rules to a token that was just verified, by its signature or by its server.
pub fn check(claims: &Claims, rules: &TokenRules, now: UnixSeconds) -> Result<(), Rejection> {
    check_time(claims.expires_at(), claims.not_before(), rules, now)?;
    if rules.observe || rules.accepts(claims.audiences()) {
        Ok(())
    } else {
        Err(Rejection::Audience)
    }
}

/// The rules that a verdict must meet again each time it is used.
pub fn check_time(
    expires_at: UnixSeconds,
    not_before: Option<UnixSeconds>,
    rules: &TokenRules,
    now: UnixSeconds,
) -> Result<(), Rejection> {
    let leeway = rules.leeway.as_secs();
    if expires_at.0.saturating_add(leeway) <= now.0 {
        return Err(Rejection::Expired { seconds: now.0.saturating_sub(expires_at.0) });
    }
    if let Some(start) = not_before.filter(|start| start.0 > now.0.saturating_add(leeway)) {
        return Err(Rejection::NotYetValid { seconds: start.0.saturating_sub(now.0) });
    }
    match rules.max_lifetime {
        Some(max) if expires_at.0.saturating_sub(now.0) > max.as_secs().saturating_add(leeway) => {
            Err(Rejection::LifetimeTooLong)
        }
        _ => Ok(()),
    }
}
