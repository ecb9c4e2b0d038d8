//! The text of a scrape, from known counts.

#![allow(
    clippy::float_cmp,
    reason = "counts are whole numbers, and the other values are read back as they were written"
)]

mod applications;
mod cap;
mod documented;
mod openmetrics;
mod scrape;

use std::collections::HashSet;
use std::time::Duration;

use http::Method;

use self::scrape::Scrape;
use super::families::ALL;
use super::*;
use crate::model::reason::Reason;

/// A clock that stands at 0.
#[derive(Debug)]
pub(super) struct StillClock;

impl Clock for StillClock {
    fn now(&self) -> UnixSeconds {
        UnixSeconds(0)
    }
}

fn measured(method: &Method, status: u16, reason: Reason) -> Measured<'_> {
    Measured {
        method,
        status,
        reason,
        observed: None,
        total: Duration::from_millis(7),
        backend: (reason == Reason::Forwarded).then(|| Duration::from_millis(3)),
        received_bytes: 10,
        sent_bytes: 100,
        exported: None,
    }
}

#[test]
fn many_workers_lose_no_exchange_and_no_scrape_sees_a_count_fall() {
    const WORKERS: usize = 4;
    const EACH: u64 = 20_000;
    let metrics = Metrics::new(WORKERS, 10_000);
    let operation = metrics.operation("accounts", "1.0.0", "/accounts/{id}");
    record_on_all_workers(&metrics, &operation, WORKERS, EACH);

    let scrape = Scrape::of(&metrics);
    // a quarter of each worker's, on four workers
    let quarter = f64::from(u32::try_from(EACH).unwrap());
    let requests = "portcullis_requests_total";
    let api = [("api", "accounts"), ("version", "1.0.0")];
    let operation = [("operation", "/accounts/{id}"), ("method", "GET")];
    assert_eq!(
        scrape.one(
            requests,
            &[
                api[0],
                api[1],
                operation[0],
                operation[1],
                ("status", "200"),
                ("reason", "forwarded")
            ]
        ),
        quarter
    );
    assert_eq!(
        scrape.one(requests, &[("method", "POST"), ("status", "404"), ("reason", "forwarded")]),
        quarter
    );
    assert_eq!(
        scrape.one(requests, &[operation[0], ("status", "403"), ("reason", "insufficient_scope")]),
        quarter
    );
    assert_eq!(
        scrape.one(requests, &[("api", ""), ("operation", ""), ("reason", "api_not_found")]),
        quarter
    );
    assert_eq!(scrape.count(requests), 4);
    assert_of_an_api(&scrape, &api, quarter);
}

/// Records exchanges on all workers, a quarter with each of four outcomes. Scrapes go on in the
/// meantime.
fn record_on_all_workers(
    metrics: &Metrics,
    operation: &Arc<OperationSeries>,
    worker_count: usize,
    each: u64,
) {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..worker_count)
            .map(|worker| {
                let (operation, metrics) = (operation, metrics);
                scope.spawn(move || {
                    let counters = metrics.worker(worker);
                    for number in 0..each {
                        counters.request_began();
                        match number % 4 {
                            0 => operation
                                .record(worker, &measured(&Method::GET, 200, Reason::Forwarded)),
                            1 => operation
                                .record(worker, &measured(&Method::POST, 404, Reason::Forwarded)),
                            2 => operation.record(
                                worker,
                                &measured(&Method::GET, 403, Reason::InsufficientScope),
                            ),
                            _ => metrics
                                .unrouted
                                .record(worker, &measured(&Method::GET, 404, Reason::ApiNotFound)),
                        }
                        counters.request_ended();
                    }
                })
            })
            .collect();
        let mut before = Scrape::of(metrics);
        while !workers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            let now = Scrape::of(metrics);
            now.assert_not_below(&before);
            before = now;
        }
    });
}

/// Checks a scrape: three quarters were of the API, and two had a backend.
fn assert_of_an_api(scrape: &Scrape, api: &[(&str, &str); 2], quarter: f64) {
    let duration = "portcullis_request_duration_seconds";
    assert_eq!(scrape.one(&format!("{duration}_count"), api), 3.0 * quarter);
    assert_eq!(scrape.one(&format!("{duration}_bucket"), &[api[0], ("le", "0.005")]), 0.0);
    assert_eq!(scrape.one(&format!("{duration}_bucket"), &[api[0], ("le", "0.01")]), 3.0 * quarter);
    assert_eq!(scrape.one(&format!("{duration}_bucket"), &[api[0], ("le", "+Inf")]), 3.0 * quarter);
    assert!((scrape.one(&format!("{duration}_sum"), api) - 3.0 * quarter * 0.007).abs() < 1e-6);
    assert_eq!(scrape.one("portcullis_backend_duration_seconds_count", api), 2.0 * quarter);
    assert_eq!(scrape.one("portcullis_request_bytes_total", api), 30.0 * quarter);
    assert_eq!(scrape.one("portcullis_response_bytes_total", &[("api", "")]), 100.0 * quarter);
    assert_eq!(scrape.one("portcullis_requests_in_flight", &[]), 0.0);
}

#[test]
fn clients_and_backends_cannot_invent_series() {
    let metrics = Metrics::new(1, 10_000);
    let operation = metrics.operation("a", "1", "/");
    for number in 0..50 {
        let method = Method::from_bytes(format!("INVENTED{number}").as_bytes()).unwrap();
        operation.record(0, &measured(&method, 600 + number, Reason::Forwarded));
    }
    let scrape = Scrape::of(&metrics);
    assert_eq!(
        scrape.one("portcullis_requests_total", &[("method", "other"), ("status", "other")]),
        50.0
    );
    assert_eq!(scrape.count("portcullis_requests_total"), 1);
}

#[test]
fn a_reason_has_one_status_whoever_sees_it_first() {
    let metrics = Metrics::new(2, 10_000);
    let operation = metrics.operation("a", "1", "/");
    operation.record(0, &measured(&Method::GET, 499, Reason::ClientClosed));
    operation.record(1, &measured(&Method::GET, 200, Reason::ClientClosed));
    operation.record(0, &measured(&Method::GET, 0, Reason::InternalError));
    let scrape = Scrape::of(&metrics);
    assert_eq!(
        scrape.one("portcullis_requests_total", &[("reason", "client_closed"), ("status", "499")]),
        2.0
    );
    assert_eq!(
        scrape.one("portcullis_requests_total", &[("reason", "internal_error"), ("status", "0")]),
        1.0
    );
    assert_eq!(scrape.count("portcullis_requests_total"), 2);
}

#[test]
fn a_worker_that_does_not_exist_counts_nothing() {
    let metrics = Metrics::new(1, 10_000);
    metrics.unrouted().record(1, &measured(&Method::GET, 404, Reason::ApiNotFound));
    metrics.worker(1).request_began();
    let scrape = Scrape::of(&metrics);
    assert_eq!(scrape.count("portcullis_requests_total"), 0);
    assert_eq!(scrape.one("portcullis_requests_in_flight", &[]), 0.0);
}

#[test]
fn labels_of_operators_are_escaped() {
    let metrics = Metrics::new(1, 10_000);
    let name = "a\"} 1\\ \u{e9}\nportcullis_forged_total 5";
    let operation = metrics.operation(name, "1", "/{x}");
    operation.record(0, &measured(&Method::GET, 200, Reason::Forwarded));
    assert_eq!(Scrape::of(&metrics).one("portcullis_requests_total", &[("api", name)]), 1.0);
}

#[test]
fn counters_outlive_snapshots_and_go_with_the_last_holder() {
    let metrics = Metrics::new(1, 10_000);
    let first = metrics.operation("a", "1", "/");
    let removed = metrics.operation("b", "1", "/");
    first.record(0, &measured(&Method::GET, 200, Reason::Forwarded));
    removed.record(0, &measured(&Method::GET, 200, Reason::Forwarded));
    let second = metrics.operation("a", "1", "/");
    assert!(Arc::ptr_eq(&first, &second));
    drop((first, removed));
    second.record(0, &measured(&Method::GET, 200, Reason::Forwarded));
    let scrape = Scrape::of(&metrics);
    assert_eq!(scrape.one("portcullis_requests_total", &[("api", "a")]), 2.0);
    assert_eq!(scrape.matching("portcullis_requests_total", &[("api", "b")]), [0.0; 0]);
    assert_eq!(scrape.matching("portcullis_request_bytes_total", &[("api", "b")]), [0.0; 0]);
}

#[test]
fn operations_that_come_and_go_leave_no_memory() {
    let metrics = Metrics::new(1, 10_000);
    for number in 0..10_000 {
        metrics.operation("a", "1", &format!("/{number}"));
        metrics.listener(&format!("{number}"));
    }
    assert_eq!(metrics.registry.live().operations.len(), 1);
    assert!(metrics.registry.live().listeners.is_empty());
    assert!(metrics.registry.known_operations() < 1000);
}

#[test]
fn listeners_and_workers_are_summed() {
    let metrics = Metrics::new(2, 10_000);
    let listener = metrics.listener("https");
    assert!(Arc::ptr_eq(&listener, &metrics.listener("https")));
    listener.opened(0);
    listener.opened(1);
    listener.opened(1);
    listener.closed(1);
    listener.refused(7, RefusedConnection::Descriptors);
    listener.tls_failed(1, TlsFailure::Protocol);
    for worker in 0..2 {
        let counters = metrics.worker(worker);
        counters.request_began();
        counters.token_cache_hit();
        counters.token_cache_missed();
        counters.token_cache_evicted(3);
        counters.token_cache_holds(5, 500);
        counters.backend_connection_opened();
        counters.backend_connection_failed();
        counters.backend_connection_reused();
        counters.backend_connections_idle(2);
        counters.response_truncated();
        counters.panicked();
    }
    let scrape = Scrape::of(&metrics);
    let https = ("listener", "https");
    assert_eq!(listener.open(), 2);
    assert_eq!(scrape.one("portcullis_connections", &[https]), 2.0);
    assert_eq!(scrape.one("portcullis_connections_accepted_total", &[https]), 3.0);
    assert_eq!(
        scrape.one("portcullis_connections_refused_total", &[https, ("reason", "descriptors")]),
        1.0
    );
    assert_eq!(
        scrape.one("portcullis_connections_refused_total", &[https, ("reason", "limit")]),
        0.0
    );
    assert_eq!(
        scrape.one("portcullis_tls_handshake_failures_total", &[https, ("reason", "protocol")]),
        1.0
    );
    for (name, value) in [
        ("portcullis_requests_in_flight", 2.0),
        ("portcullis_token_cache_hits_total", 2.0),
        ("portcullis_token_cache_misses_total", 2.0),
        ("portcullis_token_cache_evictions_total", 6.0),
        ("portcullis_token_cache_entries", 10.0),
        ("portcullis_token_cache_bytes", 1000.0),
        ("portcullis_backend_connection_reuses_total", 2.0),
        ("portcullis_backend_idle_connections", 4.0),
        ("portcullis_truncated_responses_total", 2.0),
        ("portcullis_panics_total", 2.0),
    ] {
        assert_eq!(scrape.one(name, &[]), value, "{name}");
    }
    assert_eq!(scrape.one("portcullis_backend_connections_total", &[("result", "opened")]), 2.0);
    assert_eq!(scrape.one("portcullis_backend_connections_total", &[("result", "failed")]), 2.0);
    drop(listener);
    assert_eq!(Scrape::of(&metrics).count("portcullis_connections"), 0);
}

#[test]
fn the_control_side_is_shown() {
    let metrics = Metrics::new(1, 10_000);
    let scrape = Scrape::of(&metrics);
    assert_eq!(scrape.one("portcullis_config_last_reload_success", &[]), 1.0);
    metrics.configuration_loaded(UnixSeconds(1000));
    metrics.snapshot_installed(&SnapshotFacts {
        generation: 3,
        applications: 4,
        consumer_keys: 5,
        subscriptions: 6,
    });
    metrics.reload_failed();
    let scrape = Scrape::of(&metrics);
    assert_eq!(scrape.one("portcullis_config_last_reload_success", &[]), 0.0);
    assert_eq!(scrape.one("portcullis_config_last_reload_timestamp_seconds", &[]), 1000.0);
    assert_eq!(scrape.one("portcullis_config_reloads_total", &[("result", "failure")]), 1.0);
    assert_eq!(scrape.one("portcullis_snapshot_generation", &[]), 3.0);
    assert_eq!(scrape.one("portcullis_applications", &[]), 4.0);
    assert_eq!(scrape.one("portcullis_consumer_keys", &[]), 5.0);
    assert_eq!(scrape.one("portcullis_subscriptions", &[]), 6.0);
    metrics.reload_succeeded(UnixSeconds(2000));
    let lost = Arc::new(AtomicU64::new(9));
    metrics.access_log_dropped(Arc::clone(&lost));
    metrics.log_dropped(Arc::new(AtomicU64::new(8)));
    let scrape = Scrape::of(&metrics);
    assert_eq!(scrape.one("portcullis_config_last_reload_success", &[]), 1.0);
    assert_eq!(scrape.one("portcullis_config_last_reload_timestamp_seconds", &[]), 2000.0);
    assert_eq!(scrape.one("portcullis_config_reloads_total", &[("result", "success")]), 1.0);
    assert_eq!(scrape.one("portcullis_access_log_dropped_total", &[]), 9.0);
    assert_eq!(scrape.one("portcullis_log_dropped_total", &[]), 8.0);
    assert_eq!(scrape.one("portcullis_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
}

#[test]
fn key_managers_are_asked_at_each_scrape() {
    let metrics = Metrics::new(1, 10_000);
    metrics
        .key_managers(Box::new(|| vec![key_manager("is7", Some(12.5)), key_manager("okta", None)]));
    let scrape = Scrape::of(&metrics);
    let is7 = ("key_manager", "is7");
    assert_eq!(scrape.one("portcullis_key_set_age_seconds", &[]), 12.5);
    assert_eq!(scrape.one("portcullis_key_set_usable", &[is7]), 1.0);
    assert_eq!(scrape.one("portcullis_key_set_usable", &[("key_manager", "okta")]), 0.0);
    assert_eq!(scrape.one("portcullis_key_set_keys", &[is7]), 2.0);
    assert_eq!(scrape.one("portcullis_key_set_generation", &[is7]), 4.0);
    assert_eq!(scrape.one("portcullis_key_set_fetches_total", &[is7, ("result", "timeout")]), 1.0);
    assert_eq!(
        scrape.one("portcullis_key_set_skipped_keys_total", &[is7, ("reason", "symmetric")]),
        6.0
    );
}

#[test]
fn every_family_keeps_the_conventions() {
    let mut names = HashSet::new();
    for family in ALL {
        assert!(names.insert(family.name), "{} is there twice", family.name);
        assert!(
            family.name.starts_with("portcullis_") || family.name.starts_with("process_"),
            "{}",
            family.name
        );
        assert!(
            family.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{}",
            family.name
        );
        assert!(family.help.ends_with('.') && !family.help.contains('\n'), "{}", family.name);
        assert!(
            family
                .labels
                .iter()
                .all(|label| label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
        );
    }
}

fn key_manager(name: &str, age_seconds: Option<f64>) -> KeyManagerFacts {
    KeyManagerFacts {
        name: name.to_owned(),
        keys: 2,
        generation: 4,
        age_seconds,
        usable: age_seconds.is_some(),
        keep_stale_seconds: 86_400.0,
        certificate_until: None,
        fetches: vec![("ok", 5), ("timeout", 1)],
        skipped: vec![("symmetric", 6)],
        waiting: 3,
        waits: ["changed", "unchanged", "failed", "timed_out", "too_late", "crowded"]
            .map(|result| (result, 7))
            .to_vec(),
        rotation: vec![("announced", 1), ("retiring", 2), ("withdrawn", 3)],
    }
}
