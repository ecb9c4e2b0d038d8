//! Decides whether the gateway should get traffic, and lists what it lacks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde::Serialize;

use crate::jwks::{KeyManagerKeys, KeyManagerStatus};
use crate::key_managers::CompiledKeyManager;
use crate::model::key_manager::KeySource;
use crate::snapshot::Snapshots;
use crate::telemetry::StorePlace;

/// The facts that readiness depends on.
#[derive(Debug)]
pub struct Readiness {
    snapshots: Arc<Snapshots>,
    draining: AtomicBool,
    /// The number of worker threads that ended and are not running again yet.
    missing_workers: AtomicUsize,
}

/// The body of the reply to `/readyz`.
#[derive(Debug, Serialize)]
pub struct ReadinessReport {
    pub status: &'static str,
    pub generation: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// The objects that a reload left out because they are broken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<String>,
    /// The objects that let requests through against a rule, because of `observe = true`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observing: Vec<String>,
    pub key_managers: Vec<KeyManagerReport>,
    /// The count over all gateways: "up", or why this gateway counts alone. Readiness does not
    /// depend on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_counters: Option<String>,
    /// The state of the store that is in force. Readiness does not depend on its age.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreReport>,
}

#[derive(Debug, Serialize)]
pub struct StoreReport {
    pub revision: u64,
    /// "up", or "down" while the store does not answer or its changes cannot be put into force.
    pub status: &'static str,
    /// The time since all that the store says was last known to be in force.
    pub age_seconds: u64,
}

impl From<StorePlace> for StoreReport {
    fn from(StorePlace { revision, up, current_at }: StorePlace) -> Self {
        let status = if up { "up" } else { "down" };
        Self { revision, status, age_seconds: current_at.elapsed().as_secs() }
    }
}

#[derive(Debug, Serialize)]
pub struct KeyManagerReport {
    pub name: String,
    pub ready: bool,
    pub keys: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl Readiness {
    pub fn new(snapshots: Arc<Snapshots>) -> Self {
        Self { snapshots, draining: AtomicBool::new(false), missing_workers: AtomicUsize::new(0) }
    }

    /// Reports the gateway as not ready from now on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Reports the gateway as not ready until the worker thread runs again.
    pub fn worker_ended(&self) {
        self.missing_workers.fetch_add(1, Ordering::Relaxed);
    }

    pub fn worker_returned(&self) {
        self.missing_workers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns the report. The gateway is ready if it is not draining, all workers serve, and every
    /// enabled key manager has keys.
    pub fn report(&self) -> ReadinessReport {
        let snapshot = self.snapshots.load();
        let mut missing = Vec::new();
        if self.draining.load(Ordering::Relaxed) {
            missing.push("the gateway is draining".to_owned());
        }
        let workers = self.missing_workers.load(Ordering::Relaxed);
        if workers > 0 {
            missing.push(format!(
                "{workers} worker threads ended after an error and are being restarted"
            ));
        }
        let keyed = |key_manager: &&Arc<CompiledKeyManager>| {
            key_manager.definition.enabled && key_manager.definition.keys != KeySource::None
        };
        let enabled = snapshot.key_managers.iter().filter(keyed);
        let key_managers: Vec<_> = enabled
            .map(|key_manager| {
                key_manager_report(key_manager.definition.name.as_str(), &key_manager.keys)
            })
            .collect();
        for key_manager in key_managers.iter().filter(|key_manager| !key_manager.ready) {
            let why = key_manager.failure.as_deref().unwrap_or("its key set has not been read yet");
            missing.push(format!("key manager \"{}\" has no keys: {why}", key_manager.name));
        }
        let status = if missing.is_empty() { "ready" } else { "not ready" };
        let shared_counters = snapshot.throttling.shared.as_ref().map(|shared| {
            let status = shared.limiter.status();
            match status.failing() {
                None => "up".to_owned(),
                Some(failure) => format!("this gateway counts alone: {failure}"),
            }
        });
        let generation = snapshot.generation;
        let observing = snapshot.observing();
        let quarantined = snapshot.settings.quarantined.clone();
        ReadinessReport {
            status,
            generation,
            missing,
            quarantined,
            observing,
            key_managers,
            shared_counters,
            store: None,
        }
    }
}

impl ReadinessReport {
    pub fn is_ready(&self) -> bool {
        self.missing.is_empty()
    }
}

fn key_manager_report(name: &str, keys: &KeyManagerKeys) -> KeyManagerReport {
    let KeyManagerStatus { usable, key_count, age, last_failure, .. } = keys.status();
    KeyManagerReport {
        name: name.to_owned(),
        ready: usable,
        keys: key_count as u64,
        age_seconds: age.map(|age| age.as_secs()),
        failure: last_failure,
    }
}
