//! The way that the fetches of a key manager take, for `check`.

use crate::fetch::proxy::{Route, route};
use crate::model::key_manager::{KeyManager, KeySource};

/// The ways that a key manager's fetches take, for `check`.
pub fn routes(key_manager: &KeyManager) -> Vec<Route> {
    let urls = match &key_manager.keys {
        KeySource::Discovery { well_known_url } => vec![well_known_url],
        KeySource::Jwks { url, well_known_url } => {
            let discovery = well_known_url.as_ref().filter(|_| key_manager.issuer.is_none());
            discovery.into_iter().chain([url]).collect()
        }
        KeySource::None | KeySource::Pem { .. } | KeySource::JwksFile { .. } => Vec::new(),
    };
    urls.into_iter()
        .filter_map(|url| url.parse().ok())
        .map(|uri| route(&key_manager.fetch.proxy, &uri))
        .collect()
}
