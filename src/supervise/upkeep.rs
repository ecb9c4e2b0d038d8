//! Runs the tasks beside the requests: they look at the clock, and forget expired entries.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::authenticate::cache::Common;
use crate::model::clock::Clock;
use crate::snapshot::Snapshots;
use crate::supervise::clock_watch;
use crate::supervise::process::Process;
use crate::supervise::saved_counts::{self, KeptCounts};
use crate::supervise::{facts, server_certificates};
use crate::telemetry::CallStatistics;

pub(super) fn begin(
    tasks: &mut JoinSet<()>,
    process: &Process,
    common: &Common,
    snapshots: &Arc<Snapshots>,
    counts: &Arc<KeptCounts>,
) {
    let Process { clock, metrics, first_reading, .. } = process;
    tasks.spawn(clock_watch::watch(
        *first_reading,
        Arc::clone(clock),
        Arc::clone(metrics),
        Arc::clone(&common.revocations),
    ));
    tasks.spawn(forget_expired(common.clone(), Arc::clone(clock)));
    tasks.spawn(server_certificates::watch(
        Arc::clone(snapshots),
        Arc::clone(clock),
        facts::server_certificates,
    ));
    tasks.spawn(tend_organizations(Arc::clone(snapshots), Arc::clone(clock)));
    if let Some(statistics) = metrics.statistics() {
        tasks.spawn(settle(statistics));
    }
    tasks.spawn(saved_counts::keep(Arc::clone(counts), Arc::clone(clock)));
}

/// Removes revocations whose tokens have expired, and clients without debt, now and then.
async fn forget_expired(common: Common, clock: Arc<dyn Clock>) {
    const EACH: Duration = Duration::from_mins(1);
    loop {
        tokio::time::sleep(EACH).await;
        let (revocations, now) = (Arc::clone(&common.revocations), clock.forget_before());
        common.budgets.forget_settled(clock.moment());
        common.refusals.forget_old(clock.moment());
        // a failure is logged and counted there; this is tried again
        let _ = tokio::task::spawn_blocking(move || revocations.forget_expired(now)).await;
    }
}

/// Keeps the statistics of applications up to date.
async fn settle(statistics: Arc<CallStatistics>) {
    const EACH: Duration = Duration::from_mins(1);
    loop {
        tokio::time::sleep(EACH).await;
        statistics.settle();
    }
}

/// Looks after organizations that are not listed.
async fn tend_organizations(snapshots: Arc<Snapshots>, clock: Arc<dyn Clock>) {
    const EACH: Duration = Duration::from_millis(500);
    loop {
        tokio::time::sleep(EACH).await;
        snapshots.load().tend_organizations(clock.moment());
    }
}
