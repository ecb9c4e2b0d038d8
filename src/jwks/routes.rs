//! The way that the fetches of a key manager take, for `check`.

use crate::fetch::{FetchUrl, Route, route};
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
        .filter_map(|url| FetchUrl::read(url).ok())
        .map(|url| route(&key_manager.fetch.proxy, &url))
        .collect()
}
