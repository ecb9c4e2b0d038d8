//! Endpoints that only the server's discovery document names.

use serde::Deserialize;

use crate::fetch::get;
use crate::model::key_manager::Fetch;
use crate::registration::failure::RegistrationFailure;

/// The members of a discovery document (RFC 8414) that registration needs.
#[derive(Debug, Deserialize)]
pub(super) struct DiscoveredEndpoints {
    pub(super) registration_endpoint: Option<String>,
    pub(super) token_endpoint: Option<String>,
}

pub(super) async fn discover(
    settings: &Fetch,
    well_known_url: &str,
) -> Result<DiscoveredEndpoints, RegistrationFailure> {
    let document = get(settings, well_known_url).await?;
    serde_json::from_slice(&document.content)
        .map_err(|_| RegistrationFailure::unreadable(well_known_url, "it is no discovery document"))
}
