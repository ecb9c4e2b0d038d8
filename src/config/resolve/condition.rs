//! `conditions` of advanced policies.

use http::HeaderName;

use crate::config::contract::CONDITION_KINDS;
use crate::config::reader::{Placed, Table};
use crate::config::resolve::figures;
use crate::model::policy::{AddressRange, Condition, Matcher, PolicyLimits};
use crate::model::token_handling::Pattern;

/// Reads a condition. Returns `None` if a part of it cannot be read, because without that part it
/// would match other requests.
pub(super) fn condition(table: &Table<'_>) -> Option<Condition> {
    let inverted = inverted(table);
    let limits = figures::limits(table);
    if limits == PolicyLimits::default() && !figures::are_written(table) {
        let hint = Some("write `requests` and `per` beside the condition".to_owned());
        table.problems().error(table.at(), "the condition has no limit".to_owned(), hint);
    }
    let wanted = |kind: &'static str| inverted.contains(&kind);
    let ranges: Option<Vec<_>> = table
        .texts("ips")
        .unwrap_or_default()
        .iter()
        .map(|text| address_range(text, table))
        .collect();
    let headers = patterns(table, "headers");
    let query = patterns(table, "query");
    let claims = patterns(table, "claims");
    let headers: Option<Vec<_>> = headers?
        .into_iter()
        .map(|(name, pattern)| {
            let parsed = HeaderName::try_from(name.value);
            if parsed.is_err() {
                let message = format!("{:?} is not a header's name", name.value);
                table.problems().error(name.at, message, None);
            }
            Some((parsed.ok()?, pattern))
        })
        .collect();
    let plain = |all: Vec<(Placed<&str>, Pattern)>| {
        all.into_iter().map(|(name, pattern)| (name.value.to_owned(), pattern)).collect()
    };
    let condition = Condition {
        ips: Matcher { wanted: ranges?, inverted: wanted("ips") },
        headers: Matcher { wanted: headers?, inverted: wanted("headers") },
        query: Matcher { wanted: plain(query?), inverted: wanted("query") },
        claims: Matcher { wanted: plain(claims?), inverted: wanted("claims") },
        limits,
    };
    // it would hold for every request
    if condition.asks_for_nothing() {
        let hint = Some(format!("write one of {}", CONDITION_KINDS.join(", ")));
        table.problems().error(table.at(), "the condition asks for nothing".to_owned(), hint);
        return None;
    }
    Some(condition)
}

/// The kinds that must not fit. One that is not there would turn nothing around.
fn inverted(table: &Table<'_>) -> Vec<&'static str> {
    let mut inverted = Vec::new();
    for text in table.texts("invert").unwrap_or_default() {
        match CONDITION_KINDS.iter().copied().find(|kind| *kind == text.value) {
            Some(kind) if table.has(kind) => inverted.push(kind),
            Some(kind) => {
                let message = format!("`invert` names `{kind}`, which is not written");
                table.problems().error(text.at, message, None);
            }
            None => table.not_a_choice("invert", &text, CONDITION_KINDS),
        }
    }
    inverted
}

/// An address, a network, or a range of addresses.
pub(super) fn address_range(text: &Placed<&str>, table: &Table<'_>) -> Option<AddressRange> {
    let range = AddressRange::try_from(text.value).ok();
    if range.is_none() {
        let message = format!("{:?} is no range of addresses", text.value);
        let hint = "write \"192.0.2.1\", \"192.0.2.0/24\" or \"192.0.2.1-192.0.2.9\"".to_owned();
        table.problems().error(text.at.clone(), message, Some(hint));
    }
    range
}

fn patterns<'t>(table: &Table<'t>, key: &str) -> Option<Vec<(Placed<&'t str>, Pattern)>> {
    let all =
        table.named_texts(key).into_iter().map(|(name, text)| match Pattern::new(text.value) {
            Ok(pattern) => Some((name, pattern)),
            Err(error) => {
                let message = format!("{:?} is not a regular expression", text.value);
                table.problems().error(text.at, message, Some(error));
                None
            }
        });
    all.collect()
}
