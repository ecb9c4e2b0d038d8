//! Verifies signed introspection responses (RFC 9701): a JWS of the authorization server about one
//! token.
//!
//! Decides whether the server wrote it, for this gateway, and just now. The content is then read
//! like an unsigned answer.

use crate::jwt::claims::{Claims, Introspected, audiences};
use crate::jwt::date::{Fraction, date};
use crate::jwt::key_set::KeySet;
use crate::jwt::rejection::Rejection;
use crate::jwt::value::JsonValue;
use crate::jwt::{Excerpt, Unverified};
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::{SignatureAlgorithm, TokenRules};

/// The greatest age of an answer. It is made for one question, and an older one may belong to
/// another.
const OLDEST_SECONDS: u64 = 60;

/// The expected signer and audience of a response.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedResponse<'e> {
    pub issuer: &'e str,
    pub audience: &'e str,
    pub rules: &'e TokenRules,
    pub max_bytes: usize,
}

/// The reason why a signed response cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    #[error("{0}")]
    Signature(#[source] Rejection),
    #[error("its `typ` is not token-introspection+jwt")]
    Type,
    #[error("its `iss` is not the key manager's issuer")]
    Issuer,
    #[error("its `aud` is not the gateway's client id")]
    Audience,
    #[error("its `iat` is missing, or not of now")]
    Age,
    #[error("its `token_introspection` is missing or no object")]
    Content,
}

/// Verifies a signed answer; `latest` is how long one without `exp` holds.
pub fn signed_answer(
    token: &[u8],
    keys: &KeySet,
    expected: &ExpectedResponse<'_>,
    latest: UnixSeconds,
    now: UnixSeconds,
) -> Result<Introspected, AnswerFault> {
    let answer = Unverified::parse(token, expected.max_bytes).map_err(AnswerFault::Signature)?;
    let kind = answer.header.kind.token_type.as_deref().unwrap_or_default().to_ascii_lowercase();
    if kind.strip_prefix("application/").unwrap_or(&kind) != "token-introspection+jwt" {
        return Err(AnswerFault::Type);
    }
    let algorithm = SignatureAlgorithm::from_name(&answer.header.algorithm)
        .filter(|found| expected.rules.algorithms.contains(found));
    let algorithm = algorithm.ok_or_else(|| {
        AnswerFault::Signature(Rejection::Algorithm { name: Excerpt::of(&answer.header.algorithm) })
    })?;
    if let Some(member) = answer.header.critical {
        return Err(AnswerFault::Signature(Rejection::CriticalHeader { member }));
    }
    keys.check(answer.key_id(), algorithm, answer.signing_input, &answer.signature)
        .map_err(AnswerFault::Signature)?;
    // from here on the key manager's server is speaking
    if expected.issuer.is_empty() || answer.issuer() != Some(expected.issuer) {
        return Err(AnswerFault::Issuer);
    }
    let audiences = audiences(&answer.payload).map_err(|_| AnswerFault::Audience)?;
    if expected.audience.is_empty()
        || !audiences.iter().any(|audience| audience == expected.audience)
    {
        return Err(AnswerFault::Audience);
    }
    let leeway = expected.rules.leeway.as_secs();
    let issued =
        date(&answer.payload, "iat", Fraction::Drop).ok().flatten().ok_or(AnswerFault::Age)?;
    let oldest = now.0.saturating_sub(OLDEST_SECONDS.saturating_add(leeway));
    if issued.0 < oldest || issued.0 > now.0.saturating_add(leeway) {
        return Err(AnswerFault::Age);
    }
    let content = answer
        .payload
        .get("token_introspection")
        .and_then(JsonValue::as_object)
        .ok_or(AnswerFault::Content)?;
    Claims::of_answer(content.clone(), expected.issuer, expected.rules, latest)
        .map_err(AnswerFault::Signature)
}

#[cfg(test)]
mod tests;
