//! Conditions of advanced policies, against one request.

use std::borrow::Cow;

use crate::jwt::{Claims, JsonValue, Number};
use crate::model::policy::Condition;
use crate::model::token_handling::Pattern;
use crate::throttle::call_facts::CallFacts;

/// The position of the limits that hold: 0 for the policy's own, or one more than the first
/// condition that fits.
pub(super) fn first(
    conditions: &[Condition],
    facts: &CallFacts<'_>,
    claims: Option<&Claims>,
) -> usize {
    let found = conditions.iter().position(|condition| holds(condition, facts, claims));
    found.map_or(0, |position| position + 1)
}

fn holds(condition: &Condition, facts: &CallFacts<'_>, claims: Option<&Claims>) -> bool {
    condition.ips.holds(|ranges| ranges.iter().any(|range| range.holds(facts.client)))
        && condition.headers.holds(|wanted| {
            wanted.iter().all(|(name, pattern)| {
                let mut values = facts.headers.get_all(name).iter();
                values.any(|value| value.to_str().is_ok_and(|text| pattern.matches(text)))
            })
        })
        && condition.query.holds(|wanted| {
            let query = facts.query.unwrap_or_default().as_bytes();
            wanted.iter().all(|(name, pattern)| {
                form_urlencoded::parse(query)
                    .any(|(key, value)| key == name.as_str() && pattern.matches(&value))
            })
        })
        && condition.claims.holds(|wanted| {
            wanted.iter().all(|(name, pattern)| {
                let value = claims.and_then(|claims| claims.get(name));
                value.is_some_and(|value| claim_matches(value, pattern))
            })
        })
}

/// A list fits if one of its members does.
fn claim_matches(value: &JsonValue, pattern: &Pattern) -> bool {
    match value.as_array() {
        Some(members) => members.iter().any(|member| claim_matches(member, pattern)),
        None => claim_text(value).is_some_and(|text| pattern.matches(&text)),
    }
}

/// A claim as text: a string, a number or a truth value.
pub(super) fn claim_text(value: &JsonValue) -> Option<Cow<'_, str>> {
    Some(match value {
        JsonValue::String(text) => Cow::Borrowed(text),
        JsonValue::Bool(value) => Cow::Owned(value.to_string()),
        JsonValue::Number(Number::Unsigned(number)) => Cow::Owned(number.to_string()),
        JsonValue::Number(Number::Negative(number)) => Cow::Owned(number.to_string()),
        JsonValue::Number(Number::Float(number)) => Cow::Owned(number.to_string()),
        JsonValue::Null | JsonValue::Array(_) | JsonValue::Object(_) => return None,
    })
}
