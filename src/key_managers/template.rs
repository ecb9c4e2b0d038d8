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
    /// `None` if it serves only its listed organizations.
    pub organizations: Option<Organizations>,
    /// The metrics of exchanges with their tokens, and with tokens of unopened ones.
    pub series: Arc<KeyManagerSeries>,
}

impl CompiledTemplate {
    /// With `None` for `starter`, only the listed organizations are served.
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
