//! The first proof of the walk.

use std::sync::Arc;

use crate::model::api::Operation;
use crate::snapshot::CompiledApi;

/// The first proof of the walk: this request is for this operation of this API.
#[derive(Debug, Clone, Copy)]
pub struct Routed<'s> {
    pub(super) api: &'s Arc<CompiledApi>,
    pub(super) position: usize,
    pub(super) operation: &'s Operation,
    pub(super) base_length: usize,
}

impl<'s> Routed<'s> {
    pub fn api(&self) -> &'s Arc<CompiledApi> {
        self.api
    }

    /// Tells whether refusals are only observed here.
    pub fn observes(&self) -> bool {
        self.api.definition.observes() || self.operation().observe
    }

    pub fn operation(&self) -> &'s Operation {
        self.operation
    }

    /// The operation's position in its API.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Returns the length of the API's context and version in the path, in bytes.
    pub fn base_length(&self) -> usize {
        self.base_length
    }
}
