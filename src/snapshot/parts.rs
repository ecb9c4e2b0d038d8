//! The parts of a snapshot.

use std::ops::Deref;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::assertion::Assertions;
use crate::backend::CheckedTarget;
use crate::key_managers::{CompiledKeyManager, CompiledTemplate};
use crate::model::names::KeyManagerSlot;
use crate::model::policy::Throttling;
use crate::model::removed_headers::RemovedHeaders;
use crate::route::RouteTable;
use crate::snapshot::state::SettingsState;
use crate::snapshot::{BySlot, CompiledApi};
use crate::telemetry::OperationSeries;

/// The settings that every request uses.
#[derive(Debug)]
pub struct SnapshotSettings {
    pub(super) declared: SettingsState,
    pub assertions: Option<Arc<Assertions>>,
}

impl Deref for SnapshotSettings {
    type Target = SettingsState;

    fn deref(&self) -> &SettingsState {
        &self.declared
    }
}

/// The APIs and the way to them.
#[derive(Debug)]
pub struct Routes {
    pub(super) table: RouteTable,
    pub apis: BySlot<CompiledApi>,
    /// Each target once, however many APIs use it.
    pub checked: Vec<CheckedTarget>,
    /// Metrics of requests that matched no operation.
    pub unrouted: Arc<OperationSeries>,
    /// Headers of clients that no backend gets.
    pub(super) removed: Arc<RemovedHeaders>,
    /// The policies as they were declared. They hold the slots by which a directory names them.
    pub throttling: Throttling,
}

/// The key managers and the way from an issuer to them.
#[derive(Debug)]
pub struct KeyManagers {
    pub(super) listed: BySlot<CompiledKeyManager>,
    /// Key managers by issuer. Several of one issuer tell their tokens apart by `token_handling`.
    pub(super) issuers: HashMap<Box<str>, Vec<KeyManagerSlot>>,
    /// Enabled key managers whose issuer comes from their discovery document.
    pub(super) learning: Vec<KeyManagerSlot>,
    pub templates: BySlot<CompiledTemplate>,
}

impl Deref for KeyManagers {
    type Target = BySlot<CompiledKeyManager>;

    fn deref(&self) -> &BySlot<CompiledKeyManager> {
        &self.listed
    }
}
