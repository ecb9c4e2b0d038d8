//! Reads how requests are spread over targets: balancing, retries, health checks and ejection.

use std::time::Duration;

use http::HeaderName;
use http::uri::PathAndQuery;

use crate::config::contract::RETRY_CAUSES;
use crate::config::reader::Table;
use crate::model::backend::{Balance, EjectRule, HashKey, HealthRule, Http2, Retries};

/// The default of `panic_threshold`: below this share of usable targets, health is ignored.
const PANIC_THRESHOLD: f64 = 0.3;

pub(super) fn balance(table: &Table<'_>) -> Balance {
    let balance =
        match table.choice("balance", &["round_robin", "least_requests", "consistent_hash"]) {
            Some("least_requests") => Balance::LeastRequests,
            Some("consistent_hash") => Balance::ConsistentHash(hash_key(table)),
            _ => Balance::RoundRobin,
        };
    if table.has("hash_header") && !matches!(balance, Balance::ConsistentHash(_)) {
        table.error(
            "hash_header",
            format!("`{}` needs `balance = \"consistent_hash\"`", table.path("hash_header")),
            None,
        );
    }
    balance
}

fn hash_key(table: &Table<'_>) -> HashKey {
    let Some(text) = table.wanted("hash_header") else { return HashKey::ConsumerKey };
    match HeaderName::try_from(text.value) {
        Ok(name) => HashKey::Header(name),
        Err(_) => {
            table.problems().error(text.at, format!("{:?} is not a header name", text.value), None);
            HashKey::ConsumerKey
        }
    }
}

pub(super) fn http2(table: &Table<'_>) -> Http2 {
    match table.choice("http2", &["auto", "always", "never"]) {
        Some("always") => Http2::Always,
        Some("never") => Http2::Never,
        _ => Http2::Auto,
    }
}

pub(super) fn retries(table: &Table<'_>) -> Retries {
    let default = Retries::default();
    let Some(table) = table.table("retries") else { return default };
    let attempts = table.integer("attempts", 0..=10, i64::from(default.attempts));
    let mut retries =
        Retries { attempts: u32::try_from(attempts).unwrap_or_default(), reset: true, ..default };
    if let Some(causes) = table.texts("on") {
        retries = Retries { connect: false, reset: false, ..retries };
        for cause in &causes {
            match cause.value {
                "connect" => retries.connect = true,
                "reset" => retries.reset = true,
                "502" => retries.bad_gateway = true,
                "503" => retries.unavailable = true,
                _ => table.not_a_choice("on", cause, RETRY_CAUSES),
            }
        }
    }
    retries.budget = thousandths(table.share("budget", f64::from(default.budget) / 1000.0));
    retries
}

pub(super) fn health(table: &Table<'_>) -> Option<HealthRule> {
    let table = table.table("health")?;
    let path = table.needed("path")?;
    if !path.value.starts_with('/') || path.value.parse::<PathAndQuery>().is_err() {
        let hint = Some(
            "write one such as \"/health\"; the path of the target's address is not put before it"
                .to_owned(),
        );
        table.problems().error(path.at, format!("{:?} is not a path", path.value), hint);
        return None;
    }
    let interval = table.time("interval", Duration::from_secs(5));
    let count = |key, default| u32::try_from(table.integer(key, 1..=100, default)).unwrap_or(1);
    Some(HealthRule {
        path: path.value.to_owned(),
        interval,
        timeout: table.time("timeout", interval.min(Duration::from_secs(2))),
        healthy: count("healthy", 2),
        unhealthy: count("unhealthy", 3),
    })
}

pub(super) fn eject(table: &Table<'_>) -> Option<EjectRule> {
    let table = table.table("eject")?;
    Some(EjectRule {
        consecutive_failures: u32::try_from(table.integer("consecutive_failures", 1..=1000, 5))
            .unwrap_or(5),
        duration: table.time("for", Duration::from_secs(10)),
        max_ejected: thousandths(table.share("max_ejected", 0.5)),
    })
}

pub(super) fn panic_threshold(table: &Table<'_>) -> u16 {
    thousandths(table.share("panic_threshold", PANIC_THRESHOLD))
}

/// Returns a share from 0 to 1 in thousandths, which can be compared.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the reader has checked that it is from 0 to 1"
)]
fn thousandths(share: f64) -> u16 {
    (share * 1000.0).round() as u16
}
