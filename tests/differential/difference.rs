//! The written list: where our verification and `jsonwebtoken::decode` give different answers, and what in the token it is.

use portcullis::jwt::{ClaimFault, JsonFault, MalformedToken, Rejection};
use serde_json::Value;

use crate::Ours;
use crate::case::{Case, DEEP, LEEWAY, Member, Mutation, Text};

/// Who refuses the token that the other one takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refuses {
    We,
    It,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Difference {
    /// We refuse any `crit` and any `b64`; it reads `crit` and does nothing with it.
    CriticalHeader,
    /// We look `kid` up; it is handed one key and never looks.
    KeyId,
    /// We want strings for `kid` and `typ`; it takes null for absent.
    NullHeaderMember,
    /// We look at `typ`; it does not.
    HeaderType,
    /// We refuse tokens that call themselves ID or refresh tokens inside.
    ClaimedType,
    /// We refuse a member named twice at any depth; it only notices the ones that it reads into a struct.
    DuplicateMember,
    /// We stop at 32 levels; it stops at 128.
    Depth,
    /// We want `sub`, `jti`, `aud` and `iat` to have their types whether or not a rule reads them.
    ClaimType,
    /// We want `iss` to be a string; it takes a list with the issuer in it.
    IssuerList,
    /// We refuse times beyond a signed 64-bit clock; it counts to 2^64.
    BeyondTheClock,
    /// We end a token when `exp` plus leeway is reached; it gives one more second.
    LastSecond,
    /// We drop the fraction of `exp`, and round `nbf` up; it rounds to the nearest second.
    Fraction,
    /// We take a time before 1970 in `nbf` for long past; it wants no negative numbers.
    NegativeNotBefore,
    /// We ignore `jwk`, `x5c` and the like; it wants them well-formed.
    IgnoredHeaderMember,
}

impl Difference {
    pub(crate) const ALL: [Self; 14] = [
        Self::CriticalHeader,
        Self::KeyId,
        Self::NullHeaderMember,
        Self::HeaderType,
        Self::ClaimedType,
        Self::DuplicateMember,
        Self::Depth,
        Self::ClaimType,
        Self::IssuerList,
        Self::BeyondTheClock,
        Self::LastSecond,
        Self::Fraction,
        Self::NegativeNotBefore,
        Self::IgnoredHeaderMember,
    ];

    /// We are the stricter ones, but for two things that give nobody more than the issuer said.
    pub(crate) fn refused_by(self) -> Refuses {
        match self {
            Self::NegativeNotBefore | Self::IgnoredHeaderMember => Refuses::It,
            Self::CriticalHeader
            | Self::KeyId
            | Self::NullHeaderMember
            | Self::HeaderType
            | Self::ClaimedType
            | Self::DuplicateMember
            | Self::Depth
            | Self::ClaimType
            | Self::IssuerList
            | Self::BeyondTheClock
            | Self::LastSecond
            | Self::Fraction => Refuses::We,
        }
    }

    /// The entry for a disagreement over this case: `None` when it has none. `ours` is our refusal; without one, it is the
    /// other side that refused.
    pub(crate) fn of(case: &Case, ours: Option<&Ours>, now: u64) -> Option<Self> {
        // nobody but the server can change what was signed; a byte may be replaced by itself
        if !matches!(case.mutation, Mutation::None | Mutation::Byte(..)) {
            return None;
        }
        let candidate = match ours {
            None if time(case, "nbf", now).is_some_and(|nbf| nbf < 0.0) => Self::NegativeNotBefore,
            None => Self::IgnoredHeaderMember,
            Some(Ours::OtherIssuer) => Self::IssuerList,
            Some(Ours::Rejected(rejection)) => Self::of_rejection(rejection, case, now)?,
        };
        candidate.has_its_cause_in(case, now).then_some(candidate)
    }

    fn of_rejection(rejection: &Rejection, case: &Case, now: u64) -> Option<Self> {
        Some(match rejection {
            Rejection::CriticalHeader { .. } => Self::CriticalHeader,
            Rejection::UnknownKey { .. } => Self::KeyId,
            Rejection::Malformed(MalformedToken::HeaderMember(_)) => Self::NullHeaderMember,
            Rejection::Malformed(
                MalformedToken::Header(fault) | MalformedToken::Payload(fault),
            ) => match fault {
                JsonFault::DuplicateMember => Self::DuplicateMember,
                JsonFault::OverLimit => Self::Depth,
                _ => return None,
            },
            Rejection::TokenType(_) if header_type_is_refused(case) => Self::HeaderType,
            Rejection::TokenType(_) => Self::ClaimedType,
            Rejection::InvalidClaim { fault: ClaimFault::WrongType, .. } => Self::ClaimType,
            Rejection::InvalidClaim { fault: ClaimFault::OutOfRange, .. } => Self::BeyondTheClock,
            Rejection::Expired { .. }
                if time(case, "exp", now).is_some_and(|exp| exp.fract() == 0.0) =>
            {
                Self::LastSecond
            }
            Rejection::Expired { .. } | Rejection::NotYetValid { .. } => Self::Fraction,
            _ => return None,
        })
    }

    /// Looks for the cause in the text itself, by other means than the verification does.
    fn has_its_cause_in(self, case: &Case, now: u64) -> bool {
        let header = |names: &[&str]| case.header.iter().any(|(name, _)| names.contains(name));
        let payload = |names: &[&str], holds: &dyn Fn(&Value) -> bool| {
            case.payload.iter().any(|(name, text)| {
                names.contains(name) && parsed(text, now).is_some_and(|value| holds(&value))
            })
        };
        match self {
            Self::CriticalHeader => header(&["crit", "b64"]),
            Self::KeyId => case
                .header
                .iter()
                .any(|(name, text)| *name == "kid" && text.written(now) != "\"k1\""),
            Self::NullHeaderMember => case
                .header
                .iter()
                .any(|(name, text)| ["kid", "typ"].contains(name) && text.written(now) == "null"),
            Self::HeaderType => header_type_is_refused(case),
            Self::ClaimedType => payload(&["token_use", "typ", "token_type"], &|value| {
                ["id", "ID", "refresh_token"].iter().any(|kind| value == kind)
            }),
            Self::DuplicateMember => {
                is_doubled(&case.header, now) || is_doubled(&case.payload, now)
            }
            Self::Depth => case.payload.iter().any(|(_, text)| text.written(now) == DEEP),
            Self::ClaimType => {
                payload(&["sub", "jti"], &|value| !value.is_string())
                    || payload(&["iat"], &|value| !value.is_number())
                    || payload(&["aud"], &|value| {
                        !value.is_string()
                            && !value
                                .as_array()
                                .is_some_and(|list| list.iter().all(Value::is_string))
                    })
            }
            Self::IssuerList => payload(&["iss"], &Value::is_array),
            Self::BeyondTheClock => payload(&["exp", "nbf", "iat"], &|value| {
                value.as_f64().is_some_and(|time| time >= CLOCK_END)
            }),
            Self::LastSecond => time(case, "exp", now) == Some(seconds(now - LEEWAY)),
            Self::Fraction => {
                time(case, "exp", now).is_some_and(|exp| {
                    exp.floor() <= seconds(now - LEEWAY) && exp.round() >= seconds(now - LEEWAY)
                }) || time(case, "nbf", now).is_some_and(|nbf| {
                    nbf.ceil() > seconds(now + LEEWAY) && nbf.round() <= seconds(now + LEEWAY)
                })
            }
            Self::NegativeNotBefore => time(case, "nbf", now).is_some_and(|nbf| nbf < 0.0),
            Self::IgnoredHeaderMember => {
                header(&["jku", "x5u", "x5t", "cty", "nonce", "enc", "zip", "jwk", "x5c"])
            }
        }
    }

    /// A token over which the two disagree for this reason alone.
    pub(crate) fn example(self) -> Case {
        let header = |name, text| Case::with(&[(name, Text::json(text))], &[]);
        let payload = |name, text| Case::with(&[], &[(name, Text::json(text))]);
        match self {
            Self::CriticalHeader => header("crit", "[\"exp\"]"),
            Self::KeyId => header("kid", "\"other\""),
            Self::NullHeaderMember => header("typ", "null"),
            Self::HeaderType => header("typ", "\"rt+jwt\""),
            Self::ClaimedType => payload("token_use", "\"id\""),
            Self::DuplicateMember => payload("x", "{\"a\":1,\"a\":2}"),
            Self::Depth => payload("x", DEEP),
            Self::ClaimType => payload("sub", "7"),
            Self::IssuerList => payload("iss", "[\"https://as.example\"]"),
            Self::BeyondTheClock => payload("exp", "9223372036854775808"),
            Self::LastSecond => Case::with(&[], &[("exp", Text::Now(-30, ""))]),
            Self::Fraction => Case::with(&[], &[("nbf", Text::Now(30, ".4"))]),
            Self::NegativeNotBefore => payload("nbf", "-1"),
            Self::IgnoredHeaderMember => header("x5c", "\"x\""),
        }
    }
}

/// 2^63
const CLOCK_END: f64 = 9_223_372_036_854_775_808.0;

fn parsed(text: &Text, now: u64) -> Option<Value> {
    serde_json::from_str(&text.written(now)).ok()
}

fn time(case: &Case, name: &str, now: u64) -> Option<f64> {
    case.payload
        .iter()
        .find(|(own, _)| *own == name)
        .and_then(|(_, text)| parsed(text, now)?.as_f64())
}

/// Times of these tests are far below 2^52, so nothing is lost.
#[allow(clippy::cast_precision_loss, reason = "said above")]
fn seconds(time: u64) -> f64 {
    time as f64
}

fn header_type_is_refused(case: &Case) -> bool {
    let accepted = ["\"JWT\"", "\"at+jwt\"", "\"application/at+JWT\""];
    case.header
        .iter()
        .any(|(name, text)| *name == "typ" && !accepted.contains(&text.written(0).as_str()))
}

fn is_doubled(members: &[Member], now: u64) -> bool {
    let named_twice = |(place, (name, _)): (usize, &Member)| {
        members.iter().take(place).any(|(other, _)| other == name)
    };
    members.iter().enumerate().any(named_twice)
        || members.iter().any(|(_, text)| text.written(now) == "{\"a\":1,\"a\":2}")
}
