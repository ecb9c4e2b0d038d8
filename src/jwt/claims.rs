//! Types the claims of a verified token (RFC 7519 section 4.1): registered ones by type, all others
//! by name.
//!
//! A registered claim of the wrong type is an error, never an absent claim. `claim_checks` decides
//! whether the values are good enough.

use crate::jwt::date::{Fraction, date};
use crate::jwt::json;
use crate::jwt::kind::{self, HeaderKind, WrongType};
use crate::jwt::odd_members::{self, OddMember};
use crate::jwt::rejection::{ClaimFault, MalformedToken, Rejection};
use crate::jwt::value::{JsonValue, Members};
use crate::jwt::verifying_key::KeyIdentity;
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::{ClaimNames, TokenRules};

/// All top-level claims of a token whose signature and rules were checked.
#[derive(Clone)]
pub struct Claims {
    members: Members,
    issuer: Box<str>,
    audiences: Box<[String]>,
    expires_at: UnixSeconds,
    /// False for an introspection answer without `exp`.
    states_expiry: bool,
    not_before: Option<UnixSeconds>,
    issued_at: Option<UnixSeconds>,
    signed_by: KeyIdentity,
    key_id: Option<Box<str>>,
}

impl Claims {
    pub(super) fn read(
        members: Members,
        signed_by: KeyIdentity,
        key_id: Option<Box<str>>,
    ) -> Result<Self, Rejection> {
        let issuer = string(&members, "iss")?.ok_or(invalid("iss", ClaimFault::Missing))?.into();
        string(&members, "sub")?;
        string(&members, "jti")?;
        let expires_at =
            date(&members, "exp", Fraction::Drop)?.ok_or(invalid("exp", ClaimFault::Missing))?;
        Ok(Self {
            issuer,
            expires_at,
            states_expiry: true,
            not_before: date(&members, "nbf", Fraction::RoundUp)?,
            issued_at: date(&members, "iat", Fraction::Drop)?,
            audiences: audiences(&members)?,
            signed_by,
            key_id,
            members,
        })
    }

    /// Reads the claims of an introspection answer (RFC 7662 section 2.2). `issuer` is the key
    /// manager's, if it has one. An answer without `exp` holds until `latest`.
    pub fn introspected(
        answer: &[u8],
        issuer: &str,
        rules: &TokenRules,
        latest: UnixSeconds,
    ) -> Result<Introspected, Rejection> {
        let members = json::read_strict_object(answer)
            .map_err(|fault| Rejection::Malformed(MalformedToken::Answer(fault)))?;
        Self::of_answer(members, issuer, rules, latest)
    }

    /// The same, read already.
    pub(super) fn of_answer(
        members: Members,
        issuer: &str,
        rules: &TokenRules,
        latest: UnixSeconds,
    ) -> Result<Introspected, Rejection> {
        match members.get("active") {
            Some(JsonValue::Bool(true)) => {}
            Some(JsonValue::Bool(false)) => return Ok(Introspected::Inactive),
            None | Some(JsonValue::Null) => return Err(invalid("active", ClaimFault::Missing)),
            Some(_) => return Err(invalid("active", ClaimFault::WrongType)),
        }
        let (members, odd) = odd_members::read(members)?;
        let said = string(&members, "iss")?;
        // the answer of another server is refused
        if said.is_some_and(|said| !issuer.is_empty() && said != issuer) {
            return Ok(Introspected::Inactive);
        }
        string(&members, "sub")?;
        let expires_at = date(&members, "exp", Fraction::Drop)?;
        let claims = Self {
            issuer: said.unwrap_or(issuer).into(),
            expires_at: expires_at.unwrap_or(latest),
            states_expiry: expires_at.is_some(),
            not_before: date(&members, "nbf", Fraction::RoundUp)?,
            issued_at: date(&members, "iat", Fraction::Drop)?,
            audiences: audiences(&members)?,
            signed_by: KeyIdentity::default(),
            key_id: None,
            members,
        };
        Ok(match kind::check(claims.kind(None), rules) {
            Ok(()) => Introspected::Active(claims, odd),
            Err(wrong) => Introspected::NotAccess(wrong),
        })
    }

    /// Returns the members that tell the kind of the token. An introspection answer has no header.
    pub(super) fn kind<'c>(&'c self, header: Option<&'c HeaderKind>) -> kind::Token<'c> {
        kind::Token { header, claims: &self.members, audiences: &self.audiences }
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub fn subject(&self) -> Option<&str> {
        self.get("sub").and_then(JsonValue::as_str)
    }

    pub fn token_id(&self) -> Option<&str> {
        self.get("jti").and_then(JsonValue::as_str)
    }

    /// Returns the second after the last one in which the token can be used, without leeway.
    pub fn expires_at(&self) -> UnixSeconds {
        self.expires_at
    }

    /// Tells whether the token's end is known. If not, [`Self::expires_at`] is the time to ask its
    /// server again.
    pub fn states_expiry(&self) -> bool {
        self.states_expiry
    }

    pub fn not_before(&self) -> Option<UnixSeconds> {
        self.not_before
    }

    pub fn issued_at(&self) -> Option<UnixSeconds> {
        self.issued_at
    }

    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// The client: a string, or an array of exactly one; never blank. Without a configured claim
    /// the first of `consumerKey` and `azp` that is present decides.
    pub fn consumer_key(&self, names: &ClaimNames) -> Option<&str> {
        let value = match &names.consumer_key {
            Some(name) => self.at(name),
            None => self.get("consumerKey").or_else(|| self.get("azp")),
        };
        let text = match value? {
            JsonValue::String(text) => &**text,
            JsonValue::Array(elements) => match &**elements {
                [only] => only.as_str()?,
                _ => return None,
            },
            _ => return None,
        };
        (!text.trim().is_empty()).then_some(text)
    }

    /// A string split at spaces, or an array of strings; elements that are not strings grant
    /// nothing.
    pub fn scopes(&self, names: &ClaimNames) -> Vec<&str> {
        match self.at(names.scopes.as_deref().unwrap_or("scope")) {
            Some(JsonValue::String(text)) => {
                text.split(' ').filter(|scope| !scope.is_empty()).collect()
            }
            Some(JsonValue::Array(elements)) => elements
                .iter()
                .filter_map(JsonValue::as_str)
                .filter(|scope| !scope.is_empty())
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Returns the size of the values' heap memory, in bytes.
    pub fn heap_bytes(&self) -> usize {
        let audiences: usize = self
            .audiences
            .iter()
            .map(|audience| size_of::<String>().saturating_add(audience.capacity()))
            .sum();
        self.members.heap_bytes().saturating_add(audiences).saturating_add(self.issuer.len())
    }

    pub fn get(&self, name: &str) -> Option<&JsonValue> {
        self.members.get(name)
    }

    /// The claim that an operator names, by its name or by a path ([`Members::at`]).
    pub fn at(&self, path: &str) -> Option<&JsonValue> {
        self.members.at(path)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &JsonValue)> {
        self.members.iter()
    }

    /// Tells whether the token claims to be bound to a key or certificate (RFC 7800), in any form.
    pub fn is_bound(&self) -> bool {
        self.members.contains("cnf")
    }

    /// The `kid` of the token's header.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Returns the key that signed; [`super::KeySet::contains`] tells whether it is still in use.
    pub fn signed_by(&self) -> &KeyIdentity {
        &self.signed_by
    }
}

/// A server's answer about a token.
#[derive(Debug)]
pub enum Introspected {
    /// The token is active. The list has the members that were hard to understand.
    Active(Claims, Vec<OddMember>),
    /// The token is active, and is no access token.
    NotAccess(WrongType),
    Inactive,
}

/// Claims are about persons, so only the ones that operators need to tell tokens apart are shown.
impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claims")
            .field("issuer", &self.issuer)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

fn string<'m>(members: &'m Members, name: &'static str) -> Result<Option<&'m str>, Rejection> {
    members
        .get(name)
        .map(|value| value.as_str().ok_or(invalid(name, ClaimFault::WrongType)))
        .transpose()
}

/// `aud` is one string or an array of them (RFC 7519 4.1.3).
pub(super) fn audiences(members: &Members) -> Result<Box<[String]>, Rejection> {
    let audiences: Option<Vec<String>> = match members.get("aud") {
        None => Some(Vec::new()),
        Some(JsonValue::String(text)) => Some(vec![text.to_string()]),
        Some(JsonValue::Array(elements)) => {
            elements.iter().map(|element| element.as_str().map(str::to_owned)).collect()
        }
        Some(_) => None,
    };
    audiences.map(Vec::into_boxed_slice).ok_or(invalid("aud", ClaimFault::WrongType))
}

fn invalid(name: &'static str, fault: ClaimFault) -> Rejection {
    Rejection::InvalidClaim { name, fault }
}
