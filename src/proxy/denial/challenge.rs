//! Writes `WWW-Authenticate` (RFC 6750 section 3): the token that is asked for, and the fault, in
//! one word for programs and one sentence for developers.
//!
//! The realm is the one that clients of WSO2 API Manager know. `error` is left out when no
//! credentials were sent. A 403 has a challenge only where other scopes would do: a client that
//! asks for more scopes for another reason would ask in vain. A 401 of a blocked subscription has a
//! challenge as well, as RFC 9110 section 15.5.2 asks of each 401.

use http::HeaderValue;

use crate::model::names::Scope;

/// The kind of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Challenge {
    /// The request carried no token.
    Bare,
    InvalidToken,
    InvalidRequest,
    /// A DPoP proof is missing or bad (RFC 9449 section 7.1).
    Proof,
    /// The proof needs a nonce (section 9).
    ProofNonce,
    /// A token with another scope would be accepted.
    InsufficientScope,
}

const BARE: &str = r#"Bearer realm="WSO2 API Manager""#;
const INVALID_TOKEN: &str = r#"Bearer realm="WSO2 API Manager", error="invalid_token", error_description="The provided token is invalid""#;
const INVALID_TOKEN_FOR: &str =
    r#"Bearer realm="WSO2 API Manager", error="invalid_token", error_description=""#;
const INVALID_REQUEST: &str = r#"Bearer realm="WSO2 API Manager", error="invalid_request", error_description="Exactly one token must be sent""#;
const INSUFFICIENT: &str = r#"Bearer realm="WSO2 API Manager", error="insufficient_scope", error_description="The token does not allow this request""#;

const PROOF: &str = r#"DPoP realm="WSO2 API Manager", error="invalid_dpop_proof", error_description="The token's proof is missing or invalid", algs="ES256 ES384 ES512 EdDSA PS256 RS256""#;
const PROOF_FOR: &str = r#"DPoP realm="WSO2 API Manager", algs="ES256 ES384 ES512 EdDSA PS256 RS256", error="invalid_dpop_proof", error_description=""#;
const PROOF_NONCE: &str = r#"DPoP realm="WSO2 API Manager", error="use_dpop_nonce", error_description="The proof must carry the nonce of DPoP-Nonce", algs="ES256 ES384 ES512 EdDSA PS256 RS256""#;

/// Writes the challenge. `why` is for the client's developer, if more is known than the error code.
pub(super) fn value(challenge: Challenge, scopes: &[Scope], why: Option<&str>) -> HeaderValue {
    match challenge {
        Challenge::Bare => HeaderValue::from_static(BARE),
        Challenge::InvalidToken => {
            described(INVALID_TOKEN_FOR, why).unwrap_or(HeaderValue::from_static(INVALID_TOKEN))
        }
        Challenge::Proof => described(PROOF_FOR, why).unwrap_or(HeaderValue::from_static(PROOF)),
        Challenge::ProofNonce => HeaderValue::from_static(PROOF_NONCE),
        Challenge::InvalidRequest => HeaderValue::from_static(INVALID_REQUEST),
        Challenge::InsufficientScope => {
            with_scopes(scopes).unwrap_or_else(|| HeaderValue::from_static(INSUFFICIENT))
        }
    }
}

/// Adds a description, if the grammar can express it (RFC 6750 section 3).
fn described(challenge: &str, why: Option<&str>) -> Option<HeaderValue> {
    let plain = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    let why = why.filter(|why| why.bytes().all(plain))?;
    HeaderValue::try_from(format!("{challenge}{why}\"")).ok()
}

/// Adds the scopes that the grammar can express.
fn with_scopes(scopes: &[Scope]) -> Option<HeaderValue> {
    let token = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    let names: Vec<&str> =
        scopes.iter().map(Scope::as_str).filter(|scope| scope.bytes().all(token)).collect();
    if names.is_empty() {
        return None;
    }
    HeaderValue::try_from(format!("{INSUFFICIENT}, scope=\"{}\"", names.join(" "))).ok()
}
