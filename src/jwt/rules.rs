//! What a key manager asks of a token beside a good signature: type, time, audience.
//!
//! The rules are the configuration's; this only applies them.

use crate::jwt::claims::Claims;
use crate::jwt::rejection::{Rejection, WrongType};
use crate::jwt::value::Value;
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::TokenRules;

/// All rules, for a token that was just verified.
pub(super) fn check(
    claims: &Claims,
    token_type: Option<&str>,
    rules: &TokenRules,
    now: UnixSeconds,
) -> Result<(), Rejection> {
    check_header_type(token_type, &rules.token_types)?;
    check_claimed_type(claims)?;
    check_time(claims.expires_at(), claims.not_before(), rules, now)?;
    if rules.audiences.is_empty()
        || claims.audiences().iter().any(|audience| rules.audiences.contains(audience))
    {
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
        return Err(Rejection::Expired);
    }
    if not_before.is_some_and(|start| start.0 > now.0.saturating_add(leeway)) {
        return Err(Rejection::NotYetValid);
    }
    match rules.max_lifetime {
        Some(max) if expires_at.0.saturating_sub(now.0) > max.as_secs().saturating_add(leeway) => {
            Err(Rejection::LifetimeTooLong)
        }
        _ => Ok(()),
    }
}

/// `typ` (RFC 8725 3.11): a media type, so without regard to case, and `application/` may be left out.
fn check_header_type(token_type: Option<&str>, accepted: &[String]) -> Result<(), Rejection> {
    let Some(name) = token_type else {
        return if accepted.is_empty() {
            Ok(())
        } else {
            Err(Rejection::TokenType(WrongType::Header))
        };
    };
    let name = name
        .split_at_checked(APPLICATION.len())
        .filter(|(tree, _)| tree.eq_ignore_ascii_case(APPLICATION))
        .map_or(name, |it| it.1);
    let fits = if accepted.is_empty() {
        USUAL_TYPES.iter().any(|usual| name.eq_ignore_ascii_case(usual))
    } else {
        accepted.iter().any(|accepted| name.eq_ignore_ascii_case(accepted))
    };
    if fits { Ok(()) } else { Err(Rejection::TokenType(WrongType::Header)) }
}

/// Servers that leave `typ` at `JWT` for all their tokens say inside which kind it is.
fn check_claimed_type(claims: &Claims) -> Result<(), Rejection> {
    let other = OTHER_KINDS
        .iter()
        .find(|(claim, kind)| claims.get(claim).and_then(Value::as_str) == Some(kind));
    other.map_or(Ok(()), |(claim, _)| Err(Rejection::TokenType(WrongType::Claim { claim })))
}

const APPLICATION: &str = "application/";

/// What access tokens carry when nothing was configured (RFC 7519 5.1, RFC 9068 2.1).
const USUAL_TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// Claims by which a server marks a token of its own as something else than an access token. `nonce` and `at_hash` are
/// not among them: some servers put them into access tokens too.
const OTHER_KINDS: [(&str, &str); 7] = [
    // Cognito
    ("token_use", "id"),
    // Keycloak
    ("typ", "ID"),
    ("typ", "Refresh"),
    ("typ", "Offline"),
    ("typ", "Logout"),
    // WSO2
    ("token_type", "refresh_token"),
    ("token_type", "InternalKey"),
];
