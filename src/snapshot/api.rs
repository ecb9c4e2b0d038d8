//! An API of a snapshot.

use std::sync::Arc;

use crate::backend::BackendGroup;
use crate::key_managers::{CompiledKeyManager, CompiledTemplate};
use crate::limiter::concurrency::ConcurrencyLimit;
use crate::model::api::Api;
use crate::model::names::ApiSlot;
use crate::model::removed_headers::RemovedHeaders;
use crate::telemetry::{Fragment, OperationSeries};

/// An API with everything that was resolved for it when the snapshot was compiled.
#[derive(Debug)]
pub struct CompiledApi {
    pub slot: ApiSlot,
    pub definition: Api,
    /// The same for all.
    pub removed: Arc<RemovedHeaders>,
    pub gate: Option<Arc<ConcurrencyLimit>>,
    /// The operations, by position in `definition.operations`.
    pub operations: Vec<CompiledOperation>,
    /// The metrics of exchanges that found the API and no operation of it.
    pub unmatched: Arc<OperationSeries>,
    pub production: Option<BackendGroup>,
    pub sandbox: Option<BackendGroup>,
}

#[derive(Debug)]
pub struct CompiledOperation {
    pub series: Arc<OperationSeries>,
    /// The part of log lines about it.
    pub logged: Fragment,
}

impl CompiledApi {
    /// Tells whether the API accepts tokens of this key manager.
    pub fn takes(&self, key_manager: &CompiledKeyManager) -> bool {
        let wanted = &self.definition.key_managers;
        wanted.is_empty() || key_manager.meanings().any(|slot| wanted.contains(&slot))
    }

    /// Returns true if the API accepts tokens of every organization of this template.
    pub fn takes_template(&self, template: &CompiledTemplate) -> bool {
        let wanted = &self.definition.key_managers;
        wanted.is_empty() || wanted.contains(&template.definition.slot())
    }
}
