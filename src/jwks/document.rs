//! From a key manager's settings to a key set: discovery if it is needed, then the keys.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

use crate::fetch::{FetchUrl, Freshness, get};
use crate::jwks::failure::KeySetFailure;
use crate::jwt::{KeySet, ParsedKeySet};
use crate::model::key_manager::{KeyManager, KeySource};
use crate::model::names::Issuer;

/// The result of a whole fetch.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) keys: ParsedKeySet,
    /// The key set as the server sent it, for keeping.
    pub(super) content: Bytes,
    /// The issuer of the discovery document, if one was read.
    pub(super) issuer: Option<Issuer>,
    pub(super) freshness: Freshness,
    /// The endpoint of the discovery document, if one was read.
    pub(super) introspection: Option<Arc<str>>,
    pub(super) certificate_until: Option<u64>,
}

/// The members that count; all others are for other parties.
#[derive(Debug, Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: Option<String>,
    introspection_endpoint: Option<String>,
}

/// Reads the key set, and the issuer if the configuration has none.
pub(super) async fn read(key_manager: &KeyManager) -> Result<Fetched, KeySetFailure> {
    let settings = &key_manager.fetch;
    let mut introspection = None;
    let (issuer, url) = match &key_manager.keys {
        KeySource::Discovery { well_known_url } => {
            let found = discover(key_manager, well_known_url).await?;
            introspection = found.introspection;
            (Some(found.issuer), found.keys.ok_or_else(|| unreadable(well_known_url))?)
        }
        KeySource::Jwks { url, well_known_url: Some(well_known_url) }
            if key_manager.issuer.is_none() || learns_endpoint(key_manager) =>
        {
            let found = discover(key_manager, well_known_url).await?;
            introspection = found.introspection;
            (Some(found.issuer), url.clone())
        }
        KeySource::Jwks { url, .. } => (None, url.clone()),
        KeySource::None => return Err(KeySetFailure::NoSource),
        KeySource::Pem { content, .. } => return Ok(local(KeySet::from_pem(content)?, content)),
        KeySource::JwksFile { content, .. } => {
            return Ok(local(KeySet::from_jwks(content)?, content));
        }
    };
    let document = get(settings, &url).await?;
    let keys = KeySet::from_jwks(&document.content)?;
    Ok(Fetched {
        keys,
        content: document.content,
        issuer,
        freshness: document.freshness,
        introspection,
        certificate_until: document.certificate_until,
    })
}

fn local(keys: ParsedKeySet, content: &[u8]) -> Fetched {
    Fetched {
        keys,
        content: Bytes::copy_from_slice(content),
        issuer: None,
        freshness: Freshness::Unsaid,
        introspection: None,
        certificate_until: None,
    }
}

/// Tells whether the discovery document must name the introspection endpoint.
pub(super) fn learns_endpoint(key_manager: &KeyManager) -> bool {
    key_manager.introspection.as_ref().is_some_and(|introspection| introspection.endpoint.is_none())
}

/// The used members of a discovery document.
struct Discovered {
    issuer: Issuer,
    keys: Option<String>,
    introspection: Option<Arc<str>>,
}

async fn discover(key_manager: &KeyManager, url: &str) -> Result<Discovered, KeySetFailure> {
    let document = get(&key_manager.fetch, url).await?;
    let found: Discovery =
        serde_json::from_slice(&document.content).map_err(|_| unreadable(url))?;
    // the documents of Microsoft's `common` and `organizations` have
    // https://login.microsoftonline.com/{tenantid}/v2.0
    if found.issuer.contains(['{', '}']) {
        return Err(KeySetFailure::IssuerTemplate {
            instead: of_a_tenant(url),
            found: found.issuer.chars().take(200).collect(),
        });
    }
    let issuer = Issuer::try_from(found.issuer.as_str()).map_err(|_| unreadable(url))?;
    if let Some(configured) = &key_manager.issuer
        && *configured != issuer
    {
        return Err(KeySetFailure::IssuerMismatch {
            found: found.issuer,
            configured: configured.to_string(),
        });
    }
    let endpoint = found.introspection_endpoint.filter(|_| learns_endpoint(key_manager));
    for address in found.jwks_uri.iter().chain(&endpoint) {
        // a discovered address must be as safe as a written one
        FetchUrl::permitted(&key_manager.fetch, address).map_err(KeySetFailure::Endpoint)?;
    }
    Ok(Discovered { issuer, keys: found.jwks_uri, introspection: endpoint.map(Arc::from) })
}

/// The address of one tenant's document, in the place of one for all.
fn of_a_tenant(url: &str) -> String {
    let mut parts: Vec<&str> = url.split('/').collect();
    let all = ["common", "organizations", "consumers"];
    match parts.iter_mut().find(|part| all.contains(part)) {
        Some(part) => *part = "<tenant id>",
        None => return "the one of that tenant".to_owned(),
    }
    parts.join("/").chars().take(200).collect()
}

fn unreadable(url: &str) -> KeySetFailure {
    let url = FetchUrl::read(url);
    KeySetFailure::Discovery { host: url.map(|url| url.host().to_owned()).unwrap_or_default() }
}
