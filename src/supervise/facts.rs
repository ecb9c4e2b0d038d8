//! Collects the facts for a scrape, and sets the sources that each scrape asks.

use std::sync::Arc;

use crate::authenticate::cache::Common;
use crate::budget::BudgetStatus;
use crate::key_managers::OrganizationsStatus;
use crate::limiter::shared::{SharedLimiter, SharedNumbers};
use crate::model::Model;
use crate::model::directory::Directory;
use crate::model::gateway::Telemetry;
use crate::snapshot::{Snapshot, Snapshots};
use crate::supervise::saved_counts::KeptCounts;
use crate::supervise::server_certificates;
use crate::telemetry::{
    AccessLog, BudgetFacts, CounterFacts, IdentityFacts, KeyManagerFacts, LogHandle, Metrics,
    OrganizationFacts, ServerCertificateFacts, SharedCounterFacts, SnapshotFacts,
};

pub(super) fn show_lost_lines(metrics: &Metrics, access_log: &AccessLog, log: Option<&LogHandle>) {
    metrics.access_log_dropped(access_log.dropped());
    if let Some(log) = log {
        metrics.log_dropped(log.dropped());
    }
}

/// Sets the sources that each scrape asks.
pub(super) fn show(metrics: &Metrics, common: &Common, snapshots: &Arc<Snapshots>) {
    let facts_of = Arc::clone(snapshots);
    metrics.key_managers(Box::new(move || key_manager_facts(&facts_of.load())));
    let of_revocations = Arc::clone(&common.revocations);
    metrics.revocations(move || of_revocations.facts());
    let (known, facts_of) = (common.clone(), Arc::clone(snapshots));
    metrics.identity(Box::new(move || identity_facts(&known, &facts_of.load())));
}

/// Sets the source of the counters of limits.
pub(super) fn show_counts(
    metrics: &Metrics,
    counts: &Arc<KeptCounts>,
    limiter: &Arc<SharedLimiter>,
) {
    let (asked, limiter) = (Arc::clone(counts), Arc::clone(limiter));
    metrics.counters(move || CounterFacts {
        live: asked.counters().live() as u64,
        most: asked.counters().most() as u64,
        shared: asked.counters().overflowed(),
        failures: asked.failures(),
        of_all_gateways: limiter.status().numbers().map(shared_counters),
    });
}

fn shared_counters(numbers: SharedNumbers) -> SharedCounterFacts {
    let SharedNumbers { up, rounds, failures, told, known, decided, alone, late, last_round } =
        numbers;
    SharedCounterFacts { up, rounds, failures, told, known, decided, alone, late, last_round }
}

fn identity_facts(common: &Common, snapshot: &Snapshot) -> IdentityFacts {
    let invalid = common.budgets.invalid_tokens.status();
    IdentityFacts {
        forging_sources: invalid.known,
        forging_sources_forgotten: invalid.forgotten,
        budgets: budget_facts(common, snapshot),
        unlisted_proxy_refusals: common.budgets.unlisted.refused(),
        refusals: common.refusals.facts(),
        quarantined: snapshot.settings.quarantined.len() as u64,
        observing: snapshot.observing().len() as u64,
        organizations: organization_facts(snapshot),
        server_certificates: server_certificates(snapshot),
    }
}

fn budget_facts(common: &Common, snapshot: &Snapshot) -> Vec<BudgetFacts> {
    let facts = |budget, status: BudgetStatus| BudgetFacts {
        budget,
        sources: status.known,
        forgotten: status.forgotten,
        refused: status.refused,
    };
    let organizations = snapshot.organizations().map(|(_, organizations)| organizations.budget());
    vec![
        facts("unknown_tokens", common.budgets.unknown_tokens.status()),
        facts("invalid_tokens", common.budgets.invalid_tokens.status()),
        facts("new_organizations", organizations.fold(BudgetStatus::default(), BudgetStatus::plus)),
    ]
}

/// Collects the facts about the key managers of a snapshot.
fn key_manager_facts(snapshot: &Snapshot) -> Vec<KeyManagerFacts> {
    let live = snapshot.organizations().flat_map(|(_, organizations)| organizations.live());
    let enabled = snapshot
        .key_managers
        .iter()
        .map(Arc::clone)
        .chain(live)
        .filter(|key_manager| key_manager.definition.enabled);
    enabled
        .map(|key_manager| {
            let status = key_manager.keys.status();
            KeyManagerFacts {
                name: key_manager.definition.name.to_string(),
                keys: status.key_count as u64,
                generation: status.generation,
                age_seconds: status.age.map(|age| age.as_secs_f64()),
                usable: status.usable,
                keep_stale_seconds: key_manager.definition.fetch.keep_stale.as_secs_f64(),
                certificate_until: status.certificate_until,
                fetches: status.fetches,
                skipped: status.skipped,
                waiting: status.waiting as u64,
                waits: status.waits,
                rotation: status.rotation,
            }
        })
        .collect()
}

/// Collects the facts about organizations that the file does not list.
fn organization_facts(snapshot: &Snapshot) -> Vec<OrganizationFacts> {
    let facts = snapshot.organizations().map(|(template, organizations)| {
        let OrganizationsStatus { live, on_trial, closed, events } = organizations.status();
        OrganizationFacts {
            key_manager: template.definition.name().to_string(),
            states: [
                ("live", live as u64),
                ("on_trial", on_trial as u64),
                ("closed", closed as u64),
            ],
            events,
        }
    });
    facts.collect()
}

/// Counts the objects of a model. The generation follows when it is compiled.
pub(super) fn snapshot_facts(model: &Model) -> SnapshotFacts {
    directory_facts(&model.directory)
}

/// Counts the applications of a directory. The generation follows when it is published.
pub(super) fn directory_facts(directory: &Directory) -> SnapshotFacts {
    SnapshotFacts {
        generation: 0,
        applications: directory.application_count() as u64,
        consumer_keys: directory.key_count() as u64,
        subscriptions: directory.subscription_count() as u64,
    }
}

/// Collects when the certificates expire that servers have shown.
pub(super) fn server_certificates(snapshot: &Snapshot) -> Vec<ServerCertificateFacts> {
    server_certificates::facts(snapshot, key_manager_facts(snapshot))
}

/// Makes the counts of the process as the file wants them.
pub(super) fn counting(workers: usize, telemetry: &Telemetry) -> Arc<Metrics> {
    let metrics = Metrics::new(workers, telemetry.max_series);
    if telemetry.application_label {
        metrics.count_applications(telemetry.max_series);
    }
    metrics
}
