//! Reads times: a `NumericDate` (RFC 7519 section 2) in any JSON spelling of a number.

use crate::jwt::rejection::{ClaimFault, Rejection};
use crate::jwt::value::{JsonValue, Members, Number};
use crate::model::clock::UnixSeconds;

/// Servers write the end of a signed 64-bit clock, in seconds or milliseconds, for "never". A
/// number beyond that is no time.
const LAST_SECOND: u64 = i64::MAX.unsigned_abs();
/// 2^63
const FIRST_FLOAT_TOO_LARGE: f64 = 9_223_372_036_854_775_808.0;

/// The treatment of a fraction of a second. Both ways make the token valid for less time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fraction {
    Drop,
    RoundUp,
}

/// A `NumericDate` (RFC 7519 2) in any JSON spelling of a number. Before 1970 counts as 1970.
pub(super) fn date(
    members: &Members,
    name: &'static str,
    fraction: Fraction,
) -> Result<Option<UnixSeconds>, Rejection> {
    let seconds = match members.get(name) {
        None => return Ok(None),
        Some(JsonValue::Number(Number::Unsigned(seconds))) => Some(*seconds),
        Some(JsonValue::Number(Number::Negative(_))) => Some(0),
        Some(JsonValue::Number(Number::Float(seconds))) => whole_seconds(*seconds, fraction),
        Some(_) => return Err(unreadable(name, ClaimFault::WrongType)),
    };
    let seconds = seconds
        .filter(|seconds| *seconds <= LAST_SECOND)
        .ok_or(unreadable(name, ClaimFault::OutOfRange))?;
    Ok(Some(UnixSeconds(seconds)))
}

fn whole_seconds(seconds: f64, fraction: Fraction) -> Option<u64> {
    let whole = match fraction {
        Fraction::Drop => seconds.floor(),
        Fraction::RoundUp => seconds.ceil(),
    };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was just checked"
    )]
    (whole < FIRST_FLOAT_TOO_LARGE).then_some(whole.max(0.0) as u64)
}

fn unreadable(name: &'static str, fault: ClaimFault) -> Rejection {
    Rejection::InvalidClaim { name, fault }
}
