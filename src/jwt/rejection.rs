//! Names the reasons why a token is refused: in full for the operator, as a [`Reason`] for the rest
//! of the gateway.
//!
//! A message never holds a part of a token, except the names of its key and algorithm, made short
//! and printable.

use crate::jwt::excerpt::Excerpt;
use crate::jwt::json::JsonFault;
use crate::jwt::kind::WrongType;
use crate::model::key_manager::SignatureAlgorithm;
use crate::model::reason::Reason;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("the token has {bytes} bytes; {limit} are accepted")]
    TooLarge { bytes: usize, limit: usize },
    #[error("the token is malformed: {0}")]
    Malformed(#[source] MalformedToken),
    #[error("the token's algorithm {name} is not one of the key manager's")]
    Algorithm { name: Excerpt },
    #[error("the token's header has `{member}`, an extension that the gateway does not support")]
    CriticalHeader { member: &'static str },
    #[error("no key {} fits the token", shown(key_id.as_ref()))]
    UnknownKey { key_id: Option<Excerpt> },
    #[error("the key that the token names does not verify {}", algorithm.name())]
    KeyAlgorithm { algorithm: SignatureAlgorithm },
    #[error("several keys fit the token and nothing says which is meant")]
    AmbiguousKey,
    #[error("the token's signature does not match the key")]
    BadSignature,
    #[error("the token expired {} ago", TimeSpan(*seconds))]
    Expired { seconds: u64 },
    #[error("the token is not valid for another {}", TimeSpan(*seconds))]
    NotYetValid { seconds: u64 },
    #[error("the token expires further ahead than the key manager's `max_lifetime`")]
    LifetimeTooLong,
    #[error("{0}")]
    TokenType(#[source] WrongType),
    #[error("none of the key manager's audiences is in the token's `aud`")]
    Audience,
    #[error("the claim `{name}` {fault}")]
    InvalidClaim { name: &'static str, fault: ClaimFault },
}

/// The fault in a token's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedToken {
    #[error("not three parts with dots between")]
    Parts,
    #[error("five parts: an encrypted token, which is not accepted")]
    Encrypted,
    #[error("its {0} is not canonical base64url without padding")]
    Base64(Part),
    #[error("its header cannot be read: {0}")]
    Header(#[source] JsonFault),
    #[error("its payload cannot be read: {0}")]
    Payload(#[source] JsonFault),
    #[error("the answer cannot be read: {0}")]
    Answer(#[source] JsonFault),
    #[error("the header's `{0}` is missing, has the wrong type or is too long")]
    HeaderMember(&'static str),
}

/// A part of a compact token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Header,
    Payload,
    Signature,
}

/// The fault in a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimFault {
    Missing,
    WrongType,
    OutOfRange,
    NotUnderstood,
}

impl Rejection {
    /// The reason that logs, metrics and the answer's table share.
    pub fn reason(&self) -> Reason {
        match self {
            Self::TooLarge { .. } => Reason::TokenTooLarge,
            Self::Malformed(_) => Reason::TokenMalformed,
            Self::Algorithm { .. } | Self::KeyAlgorithm { .. } => Reason::AlgorithmRefused,
            Self::CriticalHeader { .. } => Reason::CriticalHeader,
            Self::UnknownKey { .. } | Self::AmbiguousKey => Reason::UnknownKey,
            Self::BadSignature => Reason::BadSignature,
            Self::Expired { .. } => Reason::TokenExpired,
            Self::NotYetValid { .. } => Reason::TokenNotYetValid,
            Self::LifetimeTooLong => Reason::LifetimeTooLong,
            Self::TokenType(_) => Reason::TokenTypeRefused,
            Self::Audience => Reason::TokenAudience,
            Self::InvalidClaim { .. } => Reason::InvalidClaims,
        }
    }

    /// Tells whether newer keys could turn the rejection into an acceptance: the key is not known,
    /// or another key now has its name.
    pub fn newer_keys_may_help(&self) -> bool {
        matches!(
            self,
            Self::UnknownKey { .. }
                | Self::KeyAlgorithm { .. }
                | Self::AmbiguousKey
                | Self::BadSignature
        )
    }
}

/// Seconds in the unit that people use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSpan(pub u64);

impl std::fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (count, unit) = match self.0 {
            0..120 => (self.0, "second"),
            120..7200 => (self.0 / 60, "minute"),
            7200..172_800 => (self.0 / 3600, "hour"),
            _ => (self.0 / 86_400, "day"),
        };
        write!(f, "{count} {unit}{}", if count == 1 { "" } else { "s" })
    }
}

fn shown(key_id: Option<&Excerpt>) -> String {
    key_id.map_or_else(|| "without a name".to_owned(), |id| format!("`{id}`"))
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

impl std::fmt::Display for ClaimFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing",
            Self::WrongType => "has the wrong type",
            Self::NotUnderstood => "has a form that cannot be understood",
            Self::OutOfRange => "is not a time that can be reckoned with",
        })
    }
}
