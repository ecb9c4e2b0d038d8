//! Hints on the times of a token.

use crate::jwt::{JsonValue, Number, Unverified};
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::KeyManager;

/// A larger difference is not caused by clocks.
const CLOCKS: u64 = 15 * 60;

/// Returns the token's times, the time of the judgment, and the allowed clock skew.
pub(super) fn hints(
    token: &Unverified<'_>,
    definition: &KeyManager,
    at: UnixSeconds,
) -> Vec<String> {
    let said: Vec<_> = ["iat", "nbf", "exp"]
        .into_iter()
        .filter_map(|name| Some(format!("{name} {}", moment(seconds(token.claim(name)?)?))))
        .collect();
    let leeway = definition.rules.leeway.as_secs();
    let name = &definition.name;
    let mut hints = vec![format!(
        "the token has {}; it is judged at {}, and key manager \"{name}\" allows a clock skew of \
         {leeway} s (leeway)",
        if said.is_empty() { "no time".to_owned() } else { said.join(", ") },
        moment(at.0)
    )];
    let starts = token.claim("nbf").and_then(seconds).filter(|starts| *starts > at.0);
    if let Some(ahead) = starts.map(|starts| starts.saturating_sub(at.0))
        && ahead < CLOCKS
    {
        hints.push(format!(
            "the server's clock is {ahead} s ahead of the gateway's; correct one of them, or raise \
             leeway"
        ));
    }
    let ended = token.claim("exp").and_then(seconds).filter(|ended| *ended <= at.0);
    let begun = token.claim("iat").and_then(seconds).filter(|begun| *begun > at.0);
    if begun.is_some() && ended.is_none() && starts.is_none() {
        hints.push(
            "the token was issued in the future, so the clocks of the server and the gateway differ"
                .to_owned(),
        );
    }
    hints
}

fn seconds(value: &JsonValue) -> Option<u64> {
    match value {
        JsonValue::Number(Number::Unsigned(seconds)) => Some(*seconds),
        _ => None,
    }
}

/// Returns a time as people write it.
pub(super) fn moment(seconds: u64) -> String {
    let time =
        i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| seconds.to_string(), |time| time.to_string())
}
