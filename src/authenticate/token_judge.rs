//! The key manager, or the template of one, that judges a token.

use std::sync::Arc;

use crate::key_managers::{CompiledKeyManager, CompiledTemplate};
use crate::model::key_manager::KeyManager;
use crate::model::names::KeyManagerName;
use crate::telemetry::KeyManagerSeries;

/// Judges a token, or would.
#[derive(Debug, Clone)]
pub enum TokenJudge {
    KeyManager(Arc<CompiledKeyManager>),
    /// An organization of this template, which must be opened first.
    Template(Arc<CompiledTemplate>),
}

impl TokenJudge {
    pub fn name(&self) -> &KeyManagerName {
        &self.definition().name
    }

    /// Returns the metrics of exchanges with its tokens.
    pub fn series(&self) -> &KeyManagerSeries {
        match self {
            Self::KeyManager(key_manager) => &key_manager.series,
            Self::Template(template) => &template.series,
        }
    }

    /// Returns the definition, or for a template the settings that its organizations share.
    pub fn definition(&self) -> &KeyManager {
        match self {
            Self::KeyManager(key_manager) => &key_manager.definition,
            Self::Template(template) => template.definition.outline(),
        }
    }
}
