//! Brings members of introspection answers into the form of RFC 7662, if servers write them
//! otherwise.
//!
//! Only unambiguous forms are accepted: `null` is an absent member, a date in a string is a date,
//! and a number in the place of a string is that string. If a needed member cannot be understood,
//! the error names it. Every odd member is reported, so that an operator hears of it.

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use crate::jwt::date::Fraction;
use crate::jwt::rejection::{ClaimFault, Rejection};
use crate::jwt::value::{JsonValue, Members, Number};

/// A member that had to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OddMember {
    pub name: &'static str,
    /// The end of a sentence that begins with the member's name.
    pub found: &'static str,
}

/// The form of a member, and whether the gateway needs it.
#[derive(Debug, Clone, Copy)]
enum MemberForm {
    /// A date without which the token cannot be judged.
    NeededDate(Fraction),
    /// A date that is left out if it cannot be read: the token then counts as issued before any
    /// revocation.
    Date,
    /// A string by which tokens are told apart or revoked.
    NeededText,
    /// A string; leaving it out grants nothing.
    Text,
    Audience,
    Scope,
}

const FORMS: [(&str, MemberForm); 12] = [
    ("exp", MemberForm::NeededDate(Fraction::Drop)),
    ("nbf", MemberForm::NeededDate(Fraction::RoundUp)),
    ("iat", MemberForm::Date),
    ("iss", MemberForm::NeededText),
    ("sub", MemberForm::NeededText),
    ("jti", MemberForm::NeededText),
    ("entity_id", MemberForm::NeededText),
    ("client_id", MemberForm::Text),
    ("azp", MemberForm::Text),
    ("username", MemberForm::Text),
    ("aud", MemberForm::Audience),
    ("scope", MemberForm::Scope),
];

/// The answer in the form of RFC 7662, and the members that were not.
pub(super) fn read(members: Members) -> Result<(Members, Vec<OddMember>), Rejection> {
    let (mut kept, mut odd) = (Vec::new(), Vec::new());
    for (name, value) in members {
        let form = FORMS.iter().find(|(known, _)| *known == name);
        let value = match (form, value) {
            (None, JsonValue::Null) => continue,
            (Some((name, _)), JsonValue::Null) => {
                odd.push(OddMember { name, found: "is null, and is read as absent" });
                continue;
            }
            (None, value) => value,
            (Some((name, form)), value) => {
                let (value, found) = form.read(name, value)?;
                odd.extend(found.map(|found| OddMember { name, found }));
                let Some(value) = value else { continue };
                value
            }
        };
        kept.push((name, value));
    }
    Ok((Members::new(kept), odd))
}

/// A value, if it is kept, and its oddity.
type Understood = (Option<JsonValue>, Option<&'static str>);

const LEFT_OUT: &str = "cannot be understood, and is left out";

impl MemberForm {
    fn read(self, name: &'static str, value: JsonValue) -> Result<Understood, Rejection> {
        let unusable = || Rejection::InvalidClaim { name, fault: ClaimFault::NotUnderstood };
        Ok(match self {
            Self::NeededDate(fraction) => date(value, fraction).ok_or_else(unusable)?,
            Self::Date => date(value, Fraction::Drop).unwrap_or((None, Some(LEFT_OUT))),
            Self::NeededText => text(value).ok_or_else(unusable)?,
            Self::Text => text(value).unwrap_or((None, Some(LEFT_OUT))),
            Self::Audience => audience(value),
            Self::Scope => match value {
                JsonValue::String(_) => (Some(value), None),
                JsonValue::Array(_) => (Some(value), Some("is a list, and is read as its scopes")),
                _ => (None, Some(LEFT_OUT)),
            },
        })
    }
}

/// Returns `None` for a value that is no date.
fn date(value: JsonValue, fraction: Fraction) -> Option<Understood> {
    let read = match value {
        JsonValue::Number(number) => {
            let Number::Unsigned(milliseconds @ MILLISECONDS_FROM..MILLISECONDS_TO) = number else {
                return Some((Some(JsonValue::Number(number)), None));
            };
            let found = "is in milliseconds, and is read as such";
            return Some((Some(seconds(milliseconds / 1000)), Some(found)));
        }
        JsonValue::String(text) => text,
        _ => return None,
    };
    let text = read.trim();
    if let Ok(number) = text.parse::<u64>() {
        let (value, _) = date(JsonValue::Number(Number::Unsigned(number)), fraction)?;
        return Some((value, Some("is a number in a string")));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
        && let Ok(number) = text.parse::<f64>()
        && number.is_finite()
    {
        return Some((
            Some(JsonValue::Number(Number::Float(number))),
            Some("is a number in a string"),
        ));
    }
    let stamp =
        text.parse::<Timestamp>().ok().or_else(|| Some(rfc2822::parse(text).ok()?.timestamp()))?;
    let whole = stamp.as_second();
    let part = stamp.subsec_nanosecond();
    let whole = match fraction {
        Fraction::RoundUp if part > 0 => whole.saturating_add(1),
        Fraction::Drop if part < 0 => whole.saturating_sub(1),
        Fraction::RoundUp | Fraction::Drop => whole,
    };
    Some((Some(seconds(u64::try_from(whole).unwrap_or(0))), Some("is a date in words")))
}

fn seconds(seconds: u64) -> JsonValue {
    JsonValue::Number(Number::Unsigned(seconds))
}

/// Returns `None` unless the value is a string, a number, or a list of exactly one of them.
fn text(value: JsonValue) -> Option<Understood> {
    match value {
        JsonValue::String(_) => Some((Some(value), None)),
        JsonValue::Number(number) => Some((
            Some(JsonValue::String(written(number).into())),
            Some("is a number, not a string"),
        )),
        JsonValue::Array(elements) => match <[JsonValue; 1]>::try_from(elements.into_vec()) {
            Ok([only]) if !matches!(only, JsonValue::Array(_)) => {
                Some((text(only)?.0, Some("is a list of one")))
            }
            _ => None,
        },
        JsonValue::Null | JsonValue::Bool(_) | JsonValue::Object(_) => None,
    }
}

fn audience(value: JsonValue) -> Understood {
    match value {
        JsonValue::Array(elements) if elements.iter().all(|element| element.as_str().is_some()) => {
            (Some(JsonValue::Array(elements)), None)
        }
        JsonValue::Array(elements) => {
            let texts = elements.into_vec().into_iter().filter_map(|element| text(element)?.0);
            (Some(JsonValue::Array(texts.collect())), Some("holds other things than strings"))
        }
        value => text(value).unwrap_or((None, Some(LEFT_OUT))),
    }
}

fn written(number: Number) -> String {
    match number {
        Number::Unsigned(number) => number.to_string(),
        Number::Negative(number) => number.to_string(),
        Number::Float(number) => number.to_string(),
    }
}

/// The smallest number that is read as milliseconds. As seconds these would be times after the year
/// 33000; as milliseconds they are times from 2001 to 2286.
const MILLISECONDS_FROM: u64 = 1_000_000_000_000;
const MILLISECONDS_TO: u64 = 10_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::Claims;
    use crate::jwt::claims::Introspected;
    use crate::jwt::tests::rules;
    use crate::model::clock::UnixSeconds;

    fn claims(answer: &str) -> Result<(Claims, Vec<OddMember>), Rejection> {
        match Claims::introspected(answer.as_bytes(), "", &rules(), UnixSeconds(5))? {
            Introspected::Active(claims, odd) => Ok((claims, odd)),
            Introspected::Inactive | Introspected::NotAccess(_) => panic!("refused: {answer}"),
        }
    }

    #[test]
    fn dates_in_any_plain_spelling_are_dates() {
        for (written, seconds) in [
            ("1700000000", 1_700_000_000),
            ("1700000000.9", 1_700_000_000),
            ("\"1700000000\"", 1_700_000_000),
            ("\" 1700000000.25 \"", 1_700_000_000),
            ("1700000000123", 1_700_000_000),
            ("\"1700000000123\"", 1_700_000_000),
            ("\"2023-11-14T22:13:20Z\"", 1_700_000_000),
            ("\"2023-11-14T22:13:20.5Z\"", 1_700_000_000),
            ("\"2023-11-14T23:13:20+01:00\"", 1_700_000_000),
            ("\"2023-11-14 22:13:20Z\"", 1_700_000_000),
            ("\"Tue, 14 Nov 2023 22:13:20 +0000\"", 1_700_000_000),
            ("253402300799", 253_402_300_799),
        ] {
            let answer = format!(r#"{{"active":true,"exp":{written}}}"#);
            let (claims, _) = claims(&answer).unwrap_or_else(|fault| panic!("{answer}: {fault}"));
            assert_eq!(claims.expires_at(), UnixSeconds(seconds), "{answer}");
            assert!(claims.states_expiry());
        }
        let (early, _) = claims(r#"{"active":true,"nbf":"2023-11-14T22:13:20.5Z"}"#).unwrap();
        assert_eq!(early.not_before(), Some(UnixSeconds(1_700_000_001)));
    }

    #[test]
    fn what_is_needed_and_not_understood_is_named() {
        for (member, value) in [
            ("exp", "\"soon\""),
            ("exp", "{}"),
            ("exp", "true"),
            ("exp", "\"2023-11-14T22:13:20\""),
            ("nbf", "[1]"),
            ("sub", "{\"a\":1}"),
            ("jti", "true"),
            ("iss", "[\"a\",\"b\"]"),
        ] {
            let answer = format!(r#"{{"active":true,"{member}":{value}}}"#);
            let fault = claims(&answer).unwrap_err().to_string();
            assert!(fault.contains(&format!("`{member}`")), "{answer}: {fault}");
        }
        for answer in [r#"{"active":"true"}"#, r#"{"active":null}"#, "{}"] {
            assert!(claims(answer).unwrap_err().to_string().contains("`active`"), "{answer}");
        }
    }

    #[test]
    fn nulls_are_absent_and_the_rest_is_understood() {
        let (claims, odd) = claims(
            r#"{"active":true,"exp":null,"sub":null,"aud":null,"cnf":null,"act":null,"iat":"yesterday","client_id":42,
                "jti":7,"scope":["a","b"],"username":{},"azp":["x"],"iss":null}"#,
        )
        .unwrap();
        assert!(!claims.states_expiry() && !claims.is_bound());
        assert_eq!((claims.subject(), claims.issued_at()), (None, None));
        assert_eq!(claims.token_id(), Some("7"));
        assert_eq!(claims.get("client_id").and_then(JsonValue::as_str), Some("42"));
        assert_eq!(claims.get("azp").and_then(JsonValue::as_str), Some("x"));
        assert!(claims.get("username").is_none() && claims.get("act").is_none());
        let names: Vec<&str> = odd.iter().map(|odd| odd.name).collect();
        assert_eq!(
            names,
            ["exp", "sub", "aud", "iat", "client_id", "jti", "scope", "username", "azp", "iss"]
        );
    }

    #[test]
    fn audiences_of_any_shape_are_read() {
        for (written, wanted) in [
            ("\"a\"", &["a"][..]),
            ("[\"a\",\"b\"]", &["a", "b"]),
            ("[\"a\",null,7]", &["a", "7"]),
            ("7", &["7"]),
            ("[]", &[]),
            ("{}", &[]),
            ("null", &[]),
        ] {
            let (claims, _) = claims(&format!(r#"{{"active":true,"aud":{written}}}"#)).unwrap();
            assert_eq!(claims.audiences(), wanted, "{written}");
        }
    }
}
