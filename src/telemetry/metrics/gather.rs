//! Sums every worker's cells into samples: a family, its labels' values, a number.

use super::Metrics;
use super::families::{self as family, Family};
use super::histogram::HistogramTotals;
use super::listener::{RefusedConnection, TlsFailure};
use super::operation::METHODS;
use super::process;
use super::status::status_of;
use crate::model::reason::Reason;

/// One series at this moment.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) family: &'static Family,
    /// In the order of the family's labels.
    pub(super) labels: Vec<String>,
    pub(super) value: Number,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Plain(f64),
    Histogram(HistogramTotals),
}

/// Collects samples.
#[derive(Default)]
struct Gathering(Vec<Sample>);

impl Gathering {
    fn plain(&mut self, family: &'static Family, labels: &[&str], value: f64) {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        self.0.push(Sample { family, labels, value: Number::Plain(value) });
    }

    fn count(&mut self, family: &'static Family, labels: &[&str], value: u64) {
        self.plain(family, labels, as_float(value));
    }

    fn histogram(&mut self, family: &'static Family, labels: &[&str], totals: HistogramTotals) {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        self.0.push(Sample { family, labels, value: Number::Histogram(totals) });
    }
}

/// Counts beyond 2^53 lose their last digits, as everywhere in Prometheus.
#[allow(clippy::cast_precision_loss, reason = "the format has floats only")]
fn as_float(value: u64) -> f64 {
    value as f64
}

pub(super) fn gather(metrics: &Metrics) -> Vec<Sample> {
    let mut out = Gathering::default();
    exchanges(metrics, &mut out);
    apis(metrics, &mut out);
    workers(metrics, &mut out);
    listeners(metrics, &mut out);
    key_managers(metrics, &mut out);
    control(metrics, &mut out);
    process::gather(|family, value| out.plain(family, &[], value));
    out.0
}

fn exchanges(metrics: &Metrics, out: &mut Gathering) {
    for series in metrics.live_operations() {
        let (api, version, operation) = (&*series.api.api, &*series.api.version, &*series.operation);
        for (class, method) in METHODS.iter().enumerate() {
            let Some(totals) = series.totals(class) else { continue };
            for (cell, count) in totals.forwarded.iter().enumerate().filter(|(_, count)| **count > 0) {
                let status = status_of(cell).map_or_else(|| "other".to_owned(), |status| status.to_string());
                let labels = [api, version, operation, method, &status, Reason::Forwarded.label()];
                out.count(&family::REQUESTS, &labels, *count);
            }
            for (reason, count) in Reason::ALL.iter().zip(totals.reasons).filter(|(_, count)| *count > 0) {
                let status = metrics.statuses.status(*reason).to_string();
                out.count(&family::REQUESTS, &[api, version, operation, method, &status, reason.label()], count);
            }
        }
    }
}

fn apis(metrics: &Metrics, out: &mut Gathering) {
    for series in metrics.live_apis() {
        let labels = [&*series.api, &*series.version];
        let totals = series.totals();
        if totals.total.count() == 0 {
            continue;
        }
        out.histogram(&family::REQUEST_DURATION, &labels, totals.total);
        out.histogram(&family::BACKEND_DURATION, &labels, totals.backend);
        out.count(&family::REQUEST_BYTES, &labels, totals.received_bytes);
        out.count(&family::RESPONSE_BYTES, &labels, totals.sent_bytes);
    }
}

fn workers(metrics: &Metrics, out: &mut Gathering) {
    let sum = |number: fn(&super::WorkerCounters) -> u64| metrics.workers.iter().map(|worker| number(worker)).sum::<u64>();
    out.count(&family::REQUESTS_IN_FLIGHT, &[], sum(super::WorkerCounters::requests_in_flight));
    out.count(&family::TRUNCATED_RESPONSES, &[], sum(|worker| worker.truncated_responses.load()));
    out.count(&family::PANICS, &[], sum(|worker| worker.panics.load()));
    out.count(&family::TOKEN_CACHE_HITS, &[], sum(|worker| worker.token_cache_hits.load()));
    out.count(&family::TOKEN_CACHE_MISSES, &[], sum(|worker| worker.token_cache_misses.load()));
    out.count(&family::TOKEN_CACHE_EVICTIONS, &[], sum(|worker| worker.token_cache_evictions.load()));
    out.count(&family::TOKEN_CACHE_ENTRIES, &[], sum(|worker| worker.token_cache_entries.load()));
    out.count(&family::TOKEN_CACHE_BYTES, &[], sum(|worker| worker.token_cache_bytes.load()));
    out.count(&family::BACKEND_CONNECTIONS, &["opened"], sum(|worker| worker.backend_opened.load()));
    out.count(&family::BACKEND_CONNECTIONS, &["failed"], sum(|worker| worker.backend_failed.load()));
    out.count(&family::BACKEND_REUSES, &[], sum(|worker| worker.backend_reused.load()));
    out.count(&family::BACKEND_IDLE, &[], sum(|worker| worker.backend_idle.load()));
}

fn listeners(metrics: &Metrics, out: &mut Gathering) {
    for series in metrics.live_listeners() {
        let name = &*series.name;
        out.count(&family::CONNECTIONS, &[name], series.open());
        out.count(&family::CONNECTIONS_TOTAL, &[name], series.workers.iter().map(|cells| cells.connections.began.load()).sum());
        for (at, reason) in RefusedConnection::ALL.iter().enumerate() {
            let count = series.workers.iter().filter_map(|cells| cells.refused.get(at)).map(super::cell::Cell::load).sum();
            out.count(&family::CONNECTIONS_REFUSED, &[name, reason.label()], count);
        }
        for (at, reason) in TlsFailure::ALL.iter().enumerate() {
            let count = series.workers.iter().filter_map(|cells| cells.tls_failures.get(at)).map(super::cell::Cell::load).sum();
            out.count(&family::TLS_FAILURES, &[name, reason.label()], count);
        }
    }
}

fn key_managers(metrics: &Metrics, out: &mut Gathering) {
    for facts in metrics.control.key_managers() {
        let name = facts.name.as_str();
        if let Some(age) = facts.age_seconds {
            out.plain(&family::KEY_SET_AGE, &[name], age);
        }
        out.count(&family::KEY_SET_KEYS, &[name], facts.keys);
        out.count(&family::KEY_SET_USABLE, &[name], u64::from(facts.usable));
        out.count(&family::KEY_SET_GENERATION, &[name], facts.generation);
        for (result, count) in facts.fetches {
            out.count(&family::KEY_SET_FETCHES, &[name, result], count);
        }
        for (reason, count) in facts.skipped {
            out.count(&family::KEY_SET_SKIPPED, &[name, reason], count);
        }
    }
}

fn control(metrics: &Metrics, out: &mut Gathering) {
    let control = &metrics.control;
    out.count(&family::ACCESS_LOG_DROPPED, &[], metrics.access_log_dropped.load());
    out.count(&family::SNAPSHOT_GENERATION, &[], control.generation.load());
    out.count(&family::RELOAD_SUCCESS, &[], u64::from(control.last_reload_failed.load() == 0));
    out.count(&family::RELOAD_TIMESTAMP, &[], control.loaded_at.load());
    out.count(&family::RELOADS, &["success"], control.reloads_succeeded.load());
    out.count(&family::RELOADS, &["failure"], control.reloads_failed.load());
    out.count(&family::APPLICATIONS, &[], control.applications.load());
    out.count(&family::CONSUMER_KEYS, &[], control.consumer_keys.load());
    out.count(&family::SUBSCRIPTIONS, &[], control.subscriptions.load());
    out.count(&family::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1);
}
