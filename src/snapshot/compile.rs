//! Model -> snapshot, and snapshot + changes -> snapshot.
//!
//! Decides which parts of the last generation go on: slots of targets, series of operations, key
//! managers that did not change, and whole parts. Never touches the snapshot in use: the caller
//! publishes the new one, or drops it.

mod apis;
mod key_managers;

use std::sync::Arc;

use hashbrown::HashMap;

use crate::assertion::{Assertions, UnusableKey};
use crate::backend::target_health::TargetHealths;
use crate::backend::{TargetKey, TargetSlots};
use crate::fetch::trust::TrustError;
use crate::jwks::KeyManagerKeys;
use crate::key_managers::{CompiledKeyManager, CompiledTemplate, OnDemand};
use crate::limiter::concurrency::ConcurrencyLimit;
use crate::limiter::counters::Counters;
use crate::limiter::shared::SharedLimiter;
use crate::model::Model;
use crate::model::backend::{EjectRule, HealthRule};
use crate::model::names::{ApiName, KeyManagerSlot, Version};
use crate::snapshot::Snapshot;
use crate::snapshot::kept::Kept;
use crate::snapshot::parts::SnapshotSettings;
use crate::snapshot::state::{ApisState, SettingsState, SnapshotChange, SnapshotState};
use crate::snapshot::throttling::{CompiledThrottling, LimitCompiler};
use crate::telemetry::Metrics;

/// Makes snapshots, one after the other, and remembers their shared values.
#[derive(Debug)]
pub struct Compiler {
    metrics: Arc<Metrics>,
    workers: usize,
    generation: u64,
    slots: TargetSlots,
    /// The key managers of the last snapshot.
    key_managers: HashMap<KeyManagerSlot, Arc<CompiledKeyManager>>,
    templates: HashMap<KeyManagerSlot, Arc<CompiledTemplate>>,
    healths: Kept<HealthKey, TargetHealths>,
    /// The limits by API and version.
    limits: Kept<(ApiName, Version), ConcurrencyLimit>,
    /// `None`: templates serve only their listed organizations.
    on_demand: Option<OnDemand>,
    counters: Arc<Counters>,
    limiter: Arc<SharedLimiter>,
    /// True if long counts are kept in `state_dir`.
    kept: bool,
}

/// The identity of a target's health: address, path and rules.
type HealthKey = (TargetKey, String, Option<HealthRule>, Option<EjectRule>);

/// A model that passed every check and still cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    #[error("the TLS settings of backend {target} cannot be used")]
    Trust {
        target: String,
        #[source]
        source: TrustError,
    },
    #[error("[backend_jwt] cannot be used")]
    BackendJwt(#[from] UnusableKey),
    #[error("the `credentials.key` of a key manager cannot be used")]
    Credentials(#[source] UnusableKey),
    #[error("backend host {host:?} is not a valid name")]
    Host { host: String },
}

impl Compiler {
    pub fn new(metrics: Arc<Metrics>, workers: usize) -> Self {
        Self {
            metrics,
            workers: workers.max(1),
            generation: 0,
            slots: TargetSlots::default(),
            key_managers: HashMap::new(),
            templates: HashMap::new(),
            limits: Kept::default(),
            healths: Kept::default(),
            on_demand: None,
            counters: Arc::new(Counters::unkept()),
            limiter: Arc::default(),
            kept: false,
        }
    }

    /// Adds the way to start key sets of organizations that are not listed.
    #[must_use]
    pub fn starting(self, on_demand: OnDemand) -> Self {
        Self { on_demand: Some(on_demand), ..self }
    }

    /// Adds the counters of the process, whose long counts are kept, and the way to those of all
    /// gateways.
    #[must_use]
    pub fn counting(self, counters: Arc<Counters>, limiter: Arc<SharedLimiter>) -> Self {
        Self { counters, limiter, kept: true, ..self }
    }

    /// Compiles the next generation of nothing but the model. `keys` stand in the order of its key
    /// managers.
    pub fn compile(
        &mut self,
        model: Model,
        keys: Vec<Arc<KeyManagerKeys>>,
    ) -> Result<Snapshot, CompileError> {
        let SnapshotState { settings, apis, key_managers, directory } =
            SnapshotState::of(model, keys);
        let snapshot = Snapshot {
            generation: 0,
            settings: Arc::new(compiled_settings(settings)?),
            throttling: Arc::new(self.throttling(&apis)),
            routes: Arc::new(self.routes(apis)?),
            key_managers: Arc::new(self.key_managers(key_managers)?),
            directory,
        };
        Ok(self.finish(snapshot))
    }

    /// Makes the next generation of the one before. The two share everything that the changes do
    /// not name.
    pub fn apply(
        &mut self,
        current: &Snapshot,
        changes: Vec<SnapshotChange>,
    ) -> Result<Snapshot, CompileError> {
        let mut next = Snapshot::clone(current);
        for change in changes {
            match change {
                SnapshotChange::Settings(state) => {
                    next.settings = Arc::new(compiled_settings(*state)?);
                }
                SnapshotChange::Apis(state) => {
                    next.throttling = Arc::new(self.throttling(&state));
                    next.routes = Arc::new(self.routes(*state)?);
                }
                SnapshotChange::KeyManagers(state) => {
                    next.key_managers = Arc::new(self.key_managers(state)?);
                }
                SnapshotChange::Directory(directory) => next.directory = directory,
            }
        }
        Ok(self.finish(next))
    }

    fn throttling(&self, state: &ApisState) -> CompiledThrottling {
        let compiler = LimitCompiler {
            counters: &self.counters,
            limiter: &self.limiter,
            shared: state.throttling.shared.as_ref(),
            metrics: &self.metrics,
            kept: self.kept,
        };
        compiler.compile(&state.throttling, &state.apis)
    }

    fn finish(&mut self, snapshot: Snapshot) -> Snapshot {
        self.generation = self.generation.saturating_add(1);
        self.key_managers =
            snapshot.key_managers.iter().map(|own| (own.slot, Arc::clone(own))).collect();
        let templates = snapshot.key_managers.templates.iter();
        self.templates = templates.map(|own| (own.definition.slot(), Arc::clone(own))).collect();
        self.healths.forget_unused();
        self.limits.forget_unused();
        Snapshot { generation: self.generation, ..snapshot }
    }
}

fn compiled_settings(state: SettingsState) -> Result<SnapshotSettings, CompileError> {
    let assertions = state.backend_jwt.as_ref().map(Assertions::new).transpose()?.map(Arc::new);
    Ok(SnapshotSettings { declared: state, assertions })
}

#[cfg(test)]
mod tests;
