//! A template of a snapshot, with its organizations that no file lists.

use std::sync::Arc;

use crate::key_managers::on_demand::OnDemand;
use crate::key_managers::organizations::Organizations;
use crate::model::KeyManagerTemplate;
use crate::telemetry::KeyManagerSeries;

/// A template with the organizations that are opened on demand. The same `Arc` is in the next
/// snapshot when nothing of it changed, so that they stay open.
#[derive(Debug)]
pub struct CompiledTemplate {
    pub definition: KeyManagerTemplate,
    /// `None` if it serves what it lists and nothing else.
    pub organizations: Option<Organizations>,
    /// Where the exchanges of their tokens are counted, and of those that were not opened.
    pub series: Arc<KeyManagerSeries>,
}

impl CompiledTemplate {
    /// `None` for `starter` serves what the template lists and nothing else.
    pub fn new(
        definition: KeyManagerTemplate,
        starter: Option<&OnDemand>,
        series: Arc<KeyManagerSeries>,
    ) -> Self {
        let organizations =
            starter.and_then(|starter| Organizations::new(&definition, starter, &series));
        Self { definition, organizations, series }
    }
}
