//! Verifies bearer tokens: a compact JWS (RFC 7515) goes in with keys, rules and a time; claims or
//! a reason come out.
//!
//! The walk: `compact` splits and decodes; `header` reads the token's header; the caller chooses
//! the key manager by [`Unverified::issuer`] and brings its [`KeySet`]; `key_set` finds the key and
//! checks the signature over the bytes as they came; `claims` types the payload; `kind` tells
//! access tokens from others; `claim_checks` applies the key manager's conditions. `jwk` and `pem`
//! turn documents into keys, and `algorithm` is the closed list of algorithms. `dpop` reads DPoP
//! proofs, `introspection_response` signed introspection answers, and `odd_members` unusual members
//! of any answer. The room is pure: no I/O, no clock, no shared state. It never fetches an address
//! that a token names, and no error repeats a part of a token.

mod algorithm;
mod claim_checks;
mod claims;
mod compact;
mod date;
pub mod dpop;
mod excerpt;
mod header;
pub mod introspection_response;
mod json;
mod jwk;
mod key_set;
pub(crate) mod kind;
mod odd_members;
mod pem;
mod rejection;
mod roca;
mod skipped;
mod value;
mod verifying_key;

#[cfg(test)]
pub(crate) mod tests;

pub use claim_checks::{check as check_rules, check_time};
pub use claims::{Claims, Introspected};
pub use excerpt::Excerpt;
pub use json::JsonFault;
pub use key_set::{KeySet, KeySetError, ParsedKeySet};
pub use kind::{TokenKind, WrongType};
pub use odd_members::OddMember;
pub use rejection::{ClaimFault, MalformedToken, Part, Rejection, TimeSpan};
pub use skipped::{SkipReason, SkippedKey};
pub use value::{JsonValue, Members, Number};
pub use verifying_key::KeyIdentity;

use crate::jwt::compact::Compact;
use crate::jwt::header::Header;
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::{SignatureAlgorithm, TokenRules};

/// A token that could be read, and whose content is not verified yet.
pub struct Unverified<'t> {
    header: Header,
    payload: Members,
    signing_input: &'t [u8],
    signature: Vec<u8>,
}

impl<'t> Unverified<'t> {
    /// Reads the form of a token, and believes nothing of it.
    pub fn parse(token: &'t [u8], max_bytes: usize) -> Result<Self, Rejection> {
        let Compact { signing_input, header, payload, signature } =
            compact::split(token, max_bytes)?;
        let header = Header::read(&header)?;
        let payload = json::read_strict_object(&payload)
            .map_err(|fault| Rejection::Malformed(MalformedToken::Payload(fault)))?;
        Ok(Self { header, payload, signing_input, signature })
    }

    /// Returns `iss`, if it is a string. It is unverified, so it may only choose the keys to try.
    pub fn issuer(&self) -> Option<&str> {
        self.payload.get("iss").and_then(JsonValue::as_str)
    }

    /// Returns an unverified claim. It may only choose the keys to try.
    pub fn claim(&self, path: &str) -> Option<&JsonValue> {
        self.payload.at(path)
    }

    /// Returns all claims, unverified.
    pub fn claims(&self) -> impl Iterator<Item = (&str, &JsonValue)> {
        self.payload.iter()
    }

    /// Returns `exp`, unverified, as the time for which to remember a token.
    pub fn expires_at(&self) -> Option<UnixSeconds> {
        match self.payload.get("exp")? {
            JsonValue::Number(Number::Unsigned(seconds)) => Some(UnixSeconds(*seconds)),
            _ => None,
        }
    }

    pub fn key_id(&self) -> Option<&str> {
        self.header.key_id.as_deref()
    }

    /// Returns the time of issue; `None` also for a value that is no time.
    pub fn issued_at(&self) -> Option<UnixSeconds> {
        date::date(&self.payload, "iat", date::Fraction::Drop).ok().flatten()
    }

    pub fn algorithm_name(&self) -> &str {
        &self.header.algorithm
    }

    /// Returns the reason for which the token, by its own members, is no access token. Nothing is
    /// verified yet.
    pub fn wrong_type(&self, rules: &TokenRules) -> Option<WrongType> {
        let audiences = claims::audiences(&self.payload).unwrap_or_default();
        let token = kind::Token {
            header: Some(&self.header.kind),
            claims: &self.payload,
            audiences: &audiences,
        };
        kind::check(token, rules).err()
    }

    /// Checks the signature, then the claims against the rules.
    pub fn verify(
        self,
        keys: &KeySet,
        rules: &TokenRules,
        now: UnixSeconds,
    ) -> Result<Claims, Rejection> {
        let algorithm = SignatureAlgorithm::from_name(&self.header.algorithm)
            .filter(|algorithm| rules.algorithms.contains(algorithm))
            .ok_or_else(|| Rejection::Algorithm { name: Excerpt::of(&self.header.algorithm) })?;
        if let Some(member) = self.header.critical {
            return Err(Rejection::CriticalHeader { member });
        }
        let signed_by =
            keys.check(self.key_id(), algorithm, self.signing_input, &self.signature)?;
        let Header { key_id, kind, .. } = self.header;
        let claims = Claims::read(self.payload, signed_by, key_id)?;
        kind::check(claims.kind(Some(&kind)), rules).map_err(Rejection::TokenType)?;
        claim_checks::check(&claims, rules, now)?;
        Ok(claims)
    }
}

/// Shows neither header nor payload: an unverified token is any text that a client sent.
impl std::fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unverified")
            .field("signed_bytes", &self.signing_input.len())
            .finish_non_exhaustive()
    }
}
