//! The figures of limits: quotas, windows and bursts.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::config::reader::Table;
use crate::config::units;
use crate::model::gateway::ByteLimit;
use crate::model::policy::{
    Burst, LONGEST_WINDOW, MOST_REQUESTS, MOST_UNITS, PolicyLimits, Quota, QuotaUnit,
    SHORTEST_WINDOW, Window,
};

/// Quotas in one policy: each is looked at on each request.
const MOST_QUOTAS: usize = 8;

/// The figures of a policy or of a condition.
pub(super) fn limits(table: &Table<'_>) -> PolicyLimits {
    let mut quotas = quotas(table);
    for more in table.tables("quotas") {
        let found = self::quotas(&more);
        if found.is_empty() && !more.problems().has_errors() {
            more.problems().error(more.at(), "the quota has no figure".to_owned(), None);
        }
        quotas.extend(found);
    }
    if quotas.len() > MOST_QUOTAS {
        let message = format!("a policy has {MOST_QUOTAS} quotas at most");
        table.error("quotas", message, None);
        quotas.truncate(MOST_QUOTAS);
    }
    PolicyLimits { quotas, burst: burst(table) }
}

/// Tells whether a figure is written, valid or not.
pub(super) fn are_written(table: &Table<'_>) -> bool {
    let figures = ["requests", "bandwidth", "events", "per", "burst"];
    figures.into_iter().any(|key| table.has(key)) || !table.tables("quotas").is_empty()
}

fn quotas(table: &Table<'_>) -> Vec<Quota> {
    let amounts = [
        (QuotaUnit::Requests, number(table, "requests", MOST_REQUESTS)),
        (QuotaUnit::Bandwidth, bandwidth(table)),
        (QuotaUnit::Events, number(table, "events", MOST_UNITS)),
    ];
    let written = ["requests", "bandwidth", "events"].into_iter().any(|key| table.has(key));
    if !written {
        if table.has("per") {
            let hint = Some("write `requests`, `bandwidth` or `events`".to_owned());
            table.error("per", format!("`{}` has nothing to hold for", table.path("per")), hint);
        }
        return Vec::new();
    }
    let Some(window) = window(table) else { return Vec::new() };
    let all = amounts.into_iter();
    all.filter_map(|(unit, most)| Some(Quota { unit, most: most?, window })).collect()
}

fn number(table: &Table<'_>, key: &str, most: u64) -> Option<NonZeroU64> {
    if !table.has(key) {
        return None;
    }
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    NonZeroU64::new(u64::try_from(table.integer(key, 1..=most, 1)).ok()?)
}

fn bandwidth(table: &Table<'_>) -> Option<NonZeroU64> {
    let size = table.size("bandwidth")?;
    let bytes = match size.value {
        ByteLimit::Bytes(bytes) if bytes <= MOST_UNITS => NonZeroU64::new(bytes),
        _ => None,
    };
    if bytes.is_none() {
        let message = format!("`{}` must be from 1 byte to 1 EiB", table.path("bandwidth"));
        table.problems().error(size.at, message, None);
    }
    bytes
}

fn window(table: &Table<'_>) -> Option<Window> {
    let text = table.needed("per")?;
    let window = match text.value {
        "1d" => Some(Window::Day),
        "1month" => Some(Window::Month),
        other => units::duration(other)
            .filter(|length| (SHORTEST_WINDOW..=LONGEST_WINDOW).contains(length))
            .map(Window::Sliding),
    };
    if window.is_none() {
        let message = format!("`{}` cannot be {:?}", table.path("per"), text.value);
        let hint = "a window is \"1s\" to \"24h\" and slides, or it is \"1d\" or \"1month\" of the \
                    calendar";
        table.problems().error(text.at, message, Some(hint.to_owned()));
    }
    window
}

fn burst(table: &Table<'_>) -> Option<Burst> {
    let table = table.table("burst")?;
    for key in ["requests", "per"].into_iter().filter(|key| !table.has(key)) {
        let message = format!("`{}` is missing", table.path(key));
        table.problems().error(table.at(), message, None);
    }
    let per = table.time("per", SHORTEST_WINDOW);
    if !(SHORTEST_BURST..=LONGEST_WINDOW).contains(&per) {
        table.error("per", format!("`{}` must be from 1ms to 24h", table.path("per")), None);
        return None;
    }
    Some(Burst { requests: number(&table, "requests", MOST_REQUESTS)?, per })
}

/// The clock of bursts counts milliseconds.
const SHORTEST_BURST: Duration = Duration::from_millis(1);

/// `hard_limit` of a backend.
pub(super) fn hard_limit(table: &Table<'_>) -> Option<Quota> {
    let table = table.table("hard_limit")?;
    let window = window(&table);
    if !table.has("requests") {
        table.problems().error(
            table.at(),
            format!("`{}` is missing", table.path("requests")),
            None,
        );
    }
    let most = number(&table, "requests", MOST_REQUESTS)?;
    Some(Quota { unit: QuotaUnit::Requests, most, window: window? })
}
