//! Makes the parts of the workers: the memory that all share, and the parts of each.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::rand;

use crate::authenticate::Proofs;
use crate::authenticate::cache::Common;
use crate::forward::via::Via;
use crate::model::clock::Clock;
use crate::model::gateway::Gateway;
use crate::proxy::worker::WorkerParts;
use crate::revocation::Revocations;
use crate::revocation::journal::Journal;
use crate::snapshot::Snapshots;
use crate::supervise::error::SuperviseError;
use crate::supervise::process::Process;
use crate::telemetry::{AccessLog, TracerParts};

/// The state that all workers read.
pub(super) struct WorkerShared<'s> {
    pub(super) process: &'s Process,
    pub(super) snapshots: &'s Arc<Snapshots>,
    pub(super) access_log: &'s AccessLog,
    pub(super) tracer: Option<&'s TracerParts>,
    pub(super) common: &'s Common,
}

pub(super) fn worker_parts(
    settings: &Gateway,
    shared: &WorkerShared<'_>,
) -> Result<Vec<WorkerParts>, SuperviseError> {
    let Process { metrics, clock, descriptors, workers, .. } = shared.process;
    let via = Via::new(random()?);
    let share = settings.token_cache_bytes.checked_div(*workers as u64).unwrap_or_default();
    let parts = (0..*workers).map(|index| {
        Ok(WorkerParts {
            index,
            snapshots: Arc::clone(shared.snapshots),
            counters: metrics.worker(index),
            access_log: shared.access_log.writer(),
            applications: shared.process.metrics.applications(),
            statistics: shared.process.metrics.statistics(),
            tracer: shared.tracer.cloned(),
            clock: Arc::clone(clock),
            common: shared.common.clone(),
            token_cache_bytes: share,
            id_prefix: random()?,
            via: via.clone(),
            dns_servers: settings.dns_servers.clone(),
            descriptors: Arc::clone(descriptors),
        })
    });
    parts.collect()
}

fn random() -> Result<u64, SuperviseError> {
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).map_err(|_| SuperviseError::Random)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Makes the memory that all workers share, with the revocations from before the start.
pub(super) fn common(state_dir: &Path, clock: &dyn Clock) -> Result<Common, SuperviseError> {
    let mut secret = [0; 32];
    rand::fill(&mut secret).map_err(|_| SuperviseError::Random)?;
    let revocations = Arc::new(revocations(state_dir, clock)?);
    Ok(Common {
        proofs: Arc::new(Proofs::new(&secret)),
        revocations,
        budgets: Arc::default(),
        refusals: Arc::default(),
    })
}

fn revocations(state_dir: &Path, clock: &dyn Clock) -> Result<Revocations, SuperviseError> {
    let opened = Journal::open(state_dir, clock.forget_before());
    let opened =
        opened.map_err(|source| SuperviseError::StateDir { path: state_dir.to_owned(), source })?;
    Ok(Revocations::kept(opened))
}
