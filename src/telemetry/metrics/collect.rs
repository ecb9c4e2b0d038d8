//! A scrape: sums the workers' cells and hands every family to the exposition, in the order of the
//! families.

use std::sync::Arc;

use super::cell::Cell;
use super::control::{BudgetFacts, Control, IdentityFacts, KeyManagerFacts, OrganizationFacts};
use super::exemplars::Exemplars;
use super::exposition::Exposition;
use super::families;
use super::family::FamilyDefinition;
use super::listener::{ListenerSeries, RefusedConnection, TlsFailure};
use super::operation::{
    ApiSeries, ApiTotals, METHODS, MethodTotals, OperationSeries, ReasonStatuses,
};
use super::process::ProcessFacts;
use super::sample::{Label, MetricSample, SampleValue};
use super::status::status_of;
use super::worker::WorkerCounters;
use crate::model::reason::Reason;
use crate::telemetry::refusals::RefusalFacts;
use crate::telemetry::traces::{DroppedSpans, TraceCounters};

pub(super) fn exchanges(
    out: &mut Exposition<'_>,
    operations: &[Arc<OperationSeries>],
    statuses: &ReasonStatuses,
) {
    let mut samples = Vec::new();
    for series in operations {
        for (position, method) in METHODS.iter().enumerate() {
            if let Some(totals) = series.totals(position) {
                method_samples(&mut samples, series, method, &totals, statuses);
            }
        }
    }
    out.write(&families::REQUESTS, samples);
}

fn method_samples(
    samples: &mut Vec<MetricSample>,
    series: &OperationSeries,
    method: &'static str,
    totals: &MethodTotals,
    statuses: &ReasonStatuses,
) {
    let mut push = |status: Label, reason: Reason, count: u64| {
        if count > 0 {
            let labels = [
                Label::Shared(Arc::clone(&series.api.api)),
                Label::Shared(Arc::clone(&series.api.version)),
                Label::Shared(Arc::clone(&series.operation)),
                Label::Fixed(method),
                status,
                Label::Fixed(reason.label()),
            ];
            samples.push(MetricSample {
                labels: Box::new(labels),
                value: SampleValue::Number(as_f64(count)),
                exemplars: None,
            });
        }
    };
    for (cell, count) in totals.forwarded.iter().enumerate() {
        let status = status_of(cell)
            .map_or(Label::Fixed("other"), |status| Label::Shared(status.to_string().into()));
        push(status, Reason::Forwarded, *count);
    }
    for (reason, count) in Reason::ALL.iter().zip(&totals.reasons) {
        if let Some(status) = statuses.status(*reason) {
            push(Label::Shared(status.to_string().into()), *reason, *count);
        }
    }
}

pub(super) fn apis(out: &mut Exposition<'_>, apis: &[Arc<ApiSeries>]) {
    let totals: Vec<_> = apis.iter().map(|api| (api, api.totals())).collect();
    let mut each = |family: &'static FamilyDefinition,
                    value: &dyn Fn(&ApiTotals) -> SampleValue| {
        let samples = totals.iter().map(|(api, totals)| MetricSample {
            labels: Box::new([
                Label::Shared(Arc::clone(&api.api)),
                Label::Shared(Arc::clone(&api.version)),
            ]),
            value: value(totals),
            exemplars: traced(family, totals),
        });
        out.write(family, samples.collect());
    };
    each(&families::REQUEST_DURATION, &|totals| SampleValue::Histogram(totals.total));
    each(&families::BACKEND_DURATION, &|totals| SampleValue::Histogram(totals.backend));
    each(&families::REQUEST_BYTES, &|totals| SampleValue::Number(as_f64(totals.received_bytes)));
    each(&families::RESPONSE_BYTES, &|totals| SampleValue::Number(as_f64(totals.sent_bytes)));
    out.write(&families::OBSERVED_REFUSALS, observed(&totals));
}

/// Returns the refusals that were only observed, of APIs that have some.
fn observed(totals: &[(&Arc<ApiSeries>, ApiTotals)]) -> Vec<MetricSample> {
    let all = totals.iter().flat_map(|(api, totals)| {
        let each = Reason::OBSERVABLE.iter().zip(totals.observed);
        each.filter(|(_, count)| *count > 0).map(move |(reason, count)| {
            let labels = [
                Label::Shared(Arc::clone(&api.api)),
                Label::Shared(Arc::clone(&api.version)),
                Label::Fixed(reason.label()),
            ];
            sample(labels, as_f64(count))
        })
    });
    all.collect()
}

/// Returns the exemplars of an API, if the family has some.
fn traced(family: &FamilyDefinition, totals: &ApiTotals) -> Option<Box<Exemplars>> {
    let has_any = totals.exemplars.iter().any(Option::is_some);
    (has_any && family.name == families::REQUEST_DURATION.name).then(|| Box::new(totals.exemplars))
}

pub(super) fn listeners(out: &mut Exposition<'_>, listeners: &[Arc<ListenerSeries>]) {
    let name = |listener: &ListenerSeries| Label::Shared(Arc::clone(&listener.name));
    let each = |value: &dyn Fn(&ListenerSeries) -> u64| {
        listeners
            .iter()
            .map(|listener| sample([name(listener)], as_f64(value(listener))))
            .collect::<Vec<_>>()
    };
    out.write(&families::CONNECTIONS, each(&ListenerSeries::open));
    out.write(
        &families::CONNECTIONS_TOTAL,
        each(&|listener| listener.workers.iter().map(|cells| cells.connections.began.load()).sum()),
    );
    out.write(&families::CONNECTIONS_LIMIT, each(&|listener| listener.limit.load()));
    let mut refused = Vec::new();
    let mut tls_failures = Vec::new();
    for listener in listeners {
        for reason in RefusedConnection::ALL {
            let count = listener
                .workers
                .iter()
                .filter_map(|cells| cells.refused.get(reason as usize))
                .map(Cell::load)
                .sum();
            refused.push(sample([name(listener), Label::Fixed(reason.label())], as_f64(count)));
        }
        for reason in TlsFailure::ALL {
            let count = listener
                .workers
                .iter()
                .filter_map(|cells| cells.tls_failures.get(reason as usize))
                .map(Cell::load)
                .sum();
            tls_failures
                .push(sample([name(listener), Label::Fixed(reason.label())], as_f64(count)));
        }
    }
    out.write(&families::CONNECTIONS_REFUSED, refused);
    out.write(&families::TLS_FAILURES, tls_failures);
}

pub(super) fn workers(out: &mut Exposition<'_>, workers: &[Arc<WorkerCounters>]) {
    let sum = |value: &dyn Fn(&WorkerCounters) -> u64| {
        as_f64(workers.iter().map(|worker| value(worker)).sum())
    };
    let mut one = |family: &'static FamilyDefinition, value: &dyn Fn(&WorkerCounters) -> u64| {
        out.write(family, vec![sample([], sum(value))]);
    };
    one(&families::REQUESTS_IN_FLIGHT, &WorkerCounters::requests_in_flight);
    one(&families::TRUNCATED_RESPONSES, &|worker| worker.truncated_responses.load());
    one(&families::PANICS, &|worker| worker.panics.load());
    one(&families::TOKEN_CACHE_HITS, &|worker| worker.token_cache_hits.load());
    one(&families::TOKEN_CACHE_MISSES, &|worker| worker.token_cache_misses.load());
    one(&families::TOKEN_CACHE_EVICTIONS, &|worker| worker.token_cache_evictions.load());
    one(&families::TOKEN_CACHE_ENTRIES, &|worker| worker.token_cache_entries.load());
    one(&families::TOKEN_CACHE_BYTES, &|worker| worker.token_cache_bytes.load());
    one(&families::BACKEND_REUSES, &|worker| worker.backend_reused.load());
    one(&families::BACKEND_STREAM_WAITS, &|worker| worker.backend_stream_waits.load());
    one(&families::BACKEND_RETRIES, &|worker| worker.backend_retries.load());
    one(&families::BACKEND_EJECTIONS, &|worker| worker.backend_ejections.load());
    one(&families::BACKEND_IDLE, &|worker| worker.backend_idle.load());
    let forged = |at: usize| sum(&|worker| worker.forged_tokens.get(at).map_or(0, Cell::load));
    out.write(
        &families::FORGED_TOKENS,
        vec![
            sample([Label::Fixed("checked")], forged(0)),
            sample([Label::Fixed("known")], forged(1)),
        ],
    );
    let opened = sum(&|worker| worker.backend_opened.load());
    let failed = sum(&|worker| worker.backend_failed.load());
    let checks = |at: usize| sum(&|worker| worker.health_checks.get(at).map_or(0, Cell::load));
    out.write(
        &families::HEALTH_CHECKS,
        vec![sample([Label::Fixed("bad")], checks(0)), sample([Label::Fixed("good")], checks(1))],
    );
    out.write(
        &families::BACKEND_CONNECTIONS,
        vec![sample([Label::Fixed("opened")], opened), sample([Label::Fixed("failed")], failed)],
    );
}

pub(super) fn key_managers(out: &mut Exposition<'_>, facts: &[KeyManagerFacts]) {
    let name = |facts: &KeyManagerFacts| Label::Shared(facts.name.as_str().into());
    let mut each = |family: &'static FamilyDefinition,
                    value: &dyn Fn(&KeyManagerFacts) -> Option<f64>| {
        out.write(
            family,
            facts.iter().filter_map(|facts| Some(sample([name(facts)], value(facts)?))).collect(),
        );
    };
    each(&families::KEY_SET_AGE, &|facts| facts.age_seconds);
    each(&families::KEY_SET_KEEP_STALE, &|facts| Some(facts.keep_stale_seconds));
    each(&families::KEY_SET_KEYS, &|facts| Some(as_f64(facts.keys)));
    each(&families::KEY_SET_USABLE, &|facts| Some(f64::from(u8::from(facts.usable))));
    each(&families::KEY_SET_GENERATION, &|facts| Some(as_f64(facts.generation)));
    each(&families::KEY_SET_WAITING, &|facts| Some(as_f64(facts.waiting)));
    let labeled = |counts: &dyn Fn(&KeyManagerFacts) -> &[(&'static str, u64)]| {
        let all = facts.iter().flat_map(|facts| {
            counts(facts).iter().map(move |(label, count)| (facts, *label, *count))
        });
        all.map(|(facts, label, count)| sample([name(facts), Label::Fixed(label)], as_f64(count)))
            .collect::<Vec<_>>()
    };
    let (fetches, skipped) = (labeled(&|facts| &facts.fetches), labeled(&|facts| &facts.skipped));
    let (waits, rotation) = (labeled(&|facts| &facts.waits), labeled(&|facts| &facts.rotation));
    out.write(&families::KEY_SET_FETCHES, fetches);
    out.write(&families::KEY_SET_SKIPPED, skipped);
    out.write(&families::KEY_SET_WAITS, waits);
    out.write(&families::KEY_SET_ROTATION, rotation);
}

pub(super) fn identity(out: &mut Exposition<'_>, facts: &IdentityFacts) {
    out.write(&families::FORGING_SOURCES, vec![sample([], as_f64(facts.forging_sources))]);
    out.write(
        &families::FORGING_SOURCES_FORGOTTEN,
        vec![sample([], as_f64(facts.forging_sources_forgotten))],
    );
    let budgets = |of: &dyn Fn(&BudgetFacts) -> u64| -> Vec<_> {
        let each = facts.budgets.iter();
        each.map(|facts| sample([Label::Fixed(facts.budget)], as_f64(of(facts)))).collect()
    };
    out.write(&families::BUDGET_SOURCES, budgets(&|facts| facts.sources));
    out.write(&families::BUDGET_FORGOTTEN, budgets(&|facts| facts.forgotten));
    out.write(&families::BUDGET_REFUSED, budgets(&|facts| facts.refused));
    out.write(
        &families::UNLISTED_PROXY_REFUSALS,
        vec![sample([], as_f64(facts.unlisted_proxy_refusals))],
    );
    out.write(&families::QUARANTINED, vec![sample([], as_f64(facts.quarantined))]);
    out.write(&families::OBSERVING, vec![sample([], as_f64(facts.observing))]);
    let RefusalFacts { count, bytes } = facts.refusals;
    out.write(&families::REMEMBERED_REFUSALS, vec![sample([], as_f64(count))]);
    out.write(&families::REMEMBERED_REFUSAL_BYTES, vec![sample([], as_f64(bytes))]);
    let each = |of: &dyn Fn(&OrganizationFacts) -> &[(&'static str, u64)]| {
        let all = facts
            .organizations
            .iter()
            .flat_map(|facts| of(facts).iter().map(move |(label, count)| (facts, *label, *count)));
        all.map(|(facts, label, count)| {
            sample(
                [Label::Shared(facts.key_manager.as_str().into()), Label::Fixed(label)],
                as_f64(count),
            )
        })
        .collect::<Vec<_>>()
    };
    let certificates = facts.server_certificates.iter().map(|facts| {
        let labels = [Label::Fixed(facts.role), Label::Shared(facts.server.as_str().into())];
        sample(labels, as_f64(facts.not_after))
    });
    out.write(&families::SERVER_CERTIFICATE_NOT_AFTER, certificates.collect());
    out.write(&families::ORGANIZATIONS, each(&|facts| &facts.states));
    out.write(&families::ORGANIZATION_EVENTS, each(&|facts| &facts.events));
}

pub(super) fn control(out: &mut Exposition<'_>, control: &Control) {
    let mut one = |family: &'static FamilyDefinition, value: u64| {
        out.write(family, vec![sample([], as_f64(value))]);
    };
    one(&families::SNAPSHOT_GENERATION, control.generation.load());
    one(&families::RELOAD_SUCCESS, u64::from(control.last_reload_failed.load() == 0));
    one(&families::RELOAD_TIMESTAMP, control.loaded_at.load());
    one(&families::APPLICATIONS, control.applications.load());
    one(&families::CONSUMER_KEYS, control.consumer_keys.load());
    one(&families::SUBSCRIPTIONS, control.subscriptions.load());
    if let Some(place) = control.store() {
        one(&families::STORE_UP, u64::from(place.up));
        one(&families::STORE_REVISION, place.revision);
        one(&families::STORE_LAG, place.current_at.elapsed().as_secs());
    }
    let objects = control.store_objects().into_iter();
    let objects = objects.map(|(kind, count)| sample([Label::Fixed(kind)], as_f64(count)));
    out.write(&families::STORE_OBJECTS, objects.collect());
    let results = [("success", &control.reloads_succeeded), ("failure", &control.reloads_failed)];
    let reloads =
        results.map(|(result, count)| sample([Label::Fixed(result)], as_f64(count.load())));
    out.write(&families::RELOADS, reloads.into());
    let jumps = [("forward", &control.clock_forward), ("back", &control.clock_back)];
    let jumps = jumps.map(|(way, count)| sample([Label::Fixed(way)], as_f64(count.load())));
    out.write(&families::CLOCK_JUMPS, jumps.into());
    out.write(&families::WORKER_RESTARTS, vec![sample([], as_f64(control.worker_restarts.load()))]);
    let certificates = control.known_certificates().into_iter().map(|facts| {
        let labels = [Label::Fixed(facts.role), Label::Shared(facts.file.into())];
        sample(labels, as_f64(facts.not_after))
    });
    out.write(&families::CERTIFICATE_NOT_AFTER, certificates.collect());
    out.write(&families::BUILD_INFO, vec![sample(build_labels(), 1.0)]);
}

/// Returns the version, the commit if the build has one, and the platform.
fn build_labels() -> [Label; 3] {
    [
        Label::Fixed(env!("CARGO_PKG_VERSION")),
        Label::Fixed(option_env!("PORTCULLIS_REVISION").unwrap_or("unknown")),
        Label::Fixed(std::env::consts::ARCH),
    ]
}

pub(super) fn process(out: &mut Exposition<'_>, facts: &ProcessFacts) {
    let mut one = |family: &'static FamilyDefinition, value: Option<f64>| {
        out.write(family, value.into_iter().map(|value| sample([], value)).collect());
    };
    one(&families::PROCESS_CPU, facts.cpu_seconds);
    one(&families::PROCESS_RESIDENT, facts.resident_bytes);
    one(&families::PROCESS_VIRTUAL, facts.virtual_bytes);
    one(&families::PROCESS_VIRTUAL_MAX, facts.max_virtual_bytes);
    one(&families::PROCESS_THREADS, facts.threads);
    one(&families::PROCESS_OPEN_FDS, facts.open_descriptors);
    one(&families::PROCESS_MAX_FDS, facts.max_descriptors);
    one(&families::PROCESS_START, facts.start_seconds);
}

/// The losses of both logs.
pub(super) fn logs(out: &mut Exposition<'_>, lines: u64, events: u64) {
    out.write(&families::ACCESS_LOG_DROPPED, vec![sample([], as_f64(lines))]);
    out.write(&families::LOG_DROPPED, vec![sample([], as_f64(events))]);
}

/// Writes the families of spans, if the gateway makes some.
pub(super) fn traces(out: &mut Exposition<'_>, counters: &TraceCounters) {
    out.write(&families::TRACE_SPANS_EXPORTED, vec![sample([], as_f64(counters.exported_total()))]);
    let dropped = DroppedSpans::ALL
        .map(|why| sample([Label::Fixed(why.label())], as_f64(counters.dropped_total(why))));
    out.write(&families::TRACE_SPANS_DROPPED, dropped.into());
    let up = f64::from(u8::from(counters.is_up()));
    out.write(&families::TRACE_COLLECTOR_UP, vec![sample([], up)]);
}

/// Writes the last family: the labels that did not fit into the others.
pub(super) fn overflow(out: &mut Exposition<'_>) {
    let capped = families::ALL.iter().filter(|family| family.capped());
    let samples = capped
        .map(|family| sample([Label::Fixed(family.name)], as_f64(out.overflowed(family))))
        .collect();
    out.write(&families::SERIES_OVERFLOW, samples);
}

pub(super) fn sample<const N: usize>(labels: [Label; N], value: f64) -> MetricSample {
    MetricSample { labels: Box::new(labels), value: SampleValue::Number(value), exemplars: None }
}

#[allow(clippy::cast_precision_loss, reason = "Prometheus' numbers are doubles; exact up to 2^53")]
pub(super) fn as_f64(count: u64) -> f64 {
    count as f64
}
