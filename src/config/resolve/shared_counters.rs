//! One count over all gateways: `counters` of `[throttling]` and the keys beside it.

use std::time::Duration;

use crate::config::reader::Table;
use crate::config::resolve::redis;
use crate::config::resolve::secret::secret;
use crate::config::source::Sources;

use crate::model::throttling::{CounterMode, OnCounterFailure, SharedCounting};

/// Comparing more often costs the servers more than it tells.
const LEAST_INTERVAL: Duration = Duration::from_millis(10);

/// Comparing less often would let each gateway grant the quota by itself.
const LONGEST_INTERVAL: Duration = Duration::from_mins(1);

/// The default time between two comparisons.
const INTERVAL: Duration = Duration::from_millis(100);

/// Keys that mean nothing where each gateway counts alone.
const NEED_SERVERS: &[&str] =
    &["mode", "sync_interval", "on_counter_failure", "ca", "client_certificate"];

/// Returns the shared counters, or `None` if each gateway counts alone.
pub(super) fn shared_counters(table: &Table<'_>, sources: &Sources) -> Option<SharedCounting> {
    let address = if table.has("counters") { secret(table, "counters", sources) } else { None };
    let is_local = address.as_ref().is_none_or(|address| address.reveal() == "local");
    if is_local {
        for name in NEED_SERVERS.iter().filter(|name| table.has(name)) {
            let message = format!("`throttling.{name}` does nothing: each gateway counts alone");
            let hint = Some("write `counters = \"redis://host:6379\"`".to_owned());
            table.problems().warning(table.at_key(name), message, hint);
        }
        return None;
    }
    // the address may hold a password: it is never shown
    let servers = address.and_then(|address| redis::servers(address.reveal()));
    let Some(mut servers) = servers else {
        let hint = "\"local\", \"redis://host:6379\", \"redis-sentinel://host:26379,host:26379/name\" or \"redis-cluster://host:6379,host:6379\"; rediss with TLS; user:password@ before the hosts";
        let message = "`throttling.counters` is not an address of Redis or Valkey".to_owned();
        table.error("counters", message, Some(hint.to_owned()));
        return None;
    };
    redis::trust(table, "counters", &servers.seeds, &mut servers.login, sources);
    let mode = match table.choice("mode", &["batched", "exact"]) {
        Some("exact") => CounterMode::Exact,
        _ => CounterMode::Batched,
    };
    let on_failure = match table.choice("on_counter_failure", &["local", "refuse"]) {
        Some("refuse") => OnCounterFailure::Refuse,
        _ => OnCounterFailure::Local,
    };
    let sync_interval = interval(table).unwrap_or(INTERVAL);
    Some(SharedCounting { servers, mode, sync_interval, on_failure })
}

/// The `sync_interval` of `[throttling]` or of a policy.
pub(super) fn interval(table: &Table<'_>) -> Option<Duration> {
    let interval = table.duration("sync_interval")?.value;
    if (LEAST_INTERVAL..=LONGEST_INTERVAL).contains(&interval) {
        return Some(interval);
    }
    let message = format!("`{}` is between 10ms and 1m", table.path("sync_interval"));
    table.error("sync_interval", message, None);
    None
}
