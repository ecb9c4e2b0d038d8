//! Serves protected resource metadata (RFC 9728): the authorization servers that an API accepts,
//! and its scopes.
//!
//! Clients read it before they have a token, so it holds only the facts that they need to get one.
//! An API without an operation that requires a token has none.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Response};
use serde_json::json;

use crate::forward::forwarded::ClientOrigin;
use crate::model::api::{AuthScheme, BindingRule, Lifecycle};
use crate::model::names::ApiSlot;
use crate::route::{self, NotFound};
use crate::snapshot::{CompiledApi, Snapshot};

/// Section 3.1: the well-known part stands before the resource's own path.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Finds the API whose metadata a path names.
pub(super) fn asked(
    snapshot: &Snapshot,
    host: &str,
    path: &str,
    method: &Method,
) -> Option<ApiSlot> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let rest =
        path.strip_prefix(WELL_KNOWN).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
    let resource = route::normalize(if rest.is_empty() { "/" } else { rest }).ok()?;
    let index = match snapshot.route(host, &resource, &Method::GET) {
        Ok(routed) => routed.api().slot,
        Err(NotFound::Operation { api } | NotFound::Method { api, .. }) => api,
        Err(_) => return None,
    };
    let api = snapshot.api(index)?;
    let whole = resource.as_str().trim_end_matches('/') == api.definition.base_path;
    let served = !matches!(api.definition.lifecycle, Lifecycle::Blocked | Lifecycle::Retired);
    (whole && served && asks_for_tokens(api)).then_some(index)
}

fn asks_for_tokens(api: &CompiledApi) -> bool {
    api.definition.operations.iter().any(|operation| operation.auth == AuthScheme::Required)
}

/// Writes the document.
pub(super) fn document(
    snapshot: &Snapshot,
    api: &CompiledApi,
    origin: &ClientOrigin,
) -> Response<Bytes> {
    let definition = &api.definition;
    let believed = snapshot
        .key_managers
        .iter()
        .filter(|key_manager| key_manager.definition.enabled && api.takes(key_manager));
    let servers: BTreeSet<String> = believed
        .filter_map(|key_manager| {
            let written = key_manager.definition.issuer.as_ref().map(ToString::to_string);
            written.or_else(|| key_manager.keys.current().issuer.as_ref().map(ToString::to_string))
        })
        .collect();
    let scopes: BTreeSet<&str> = definition
        .operations
        .iter()
        .flat_map(|operation| &operation.scopes)
        .map(crate::model::names::Scope::as_str)
        .collect();
    let algorithms = ["ES256", "ES384", "ES512", "EdDSA", "PS256", "RS256"];
    let document = json!({
        "resource": resource(origin, &definition.base_path),
        "resource_name": format!("{} {}", definition.name, definition.version),
        "authorization_servers": servers,
        "scopes_supported": scopes,
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": algorithms,
        "dpop_bound_access_tokens_required": false,
        "tls_client_certificate_bound_access_tokens": definition.binding == BindingRule::Required,
    });
    let mut response = Response::new(Bytes::from(document.to_string()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    // public: a page needs it before it can ask for anything
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// Points a client without a good token at the document (section 5.1).
pub(super) fn point_at(api: &CompiledApi, origin: &ClientOrigin, headers: &mut HeaderMap) {
    let Some(challenge) = headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok())
    else {
        return;
    };
    let Some(host) = origin.host().filter(|_| asks_for_tokens(api)) else { return };
    let (scheme, path) = (origin.scheme().as_str(), &api.definition.base_path);
    // the client reaches the gateway below the prefix that the proxies in front remove
    let prefix = origin.prefix();
    // a host has only characters that an authority allows, so it has no quote
    let value =
        format!("{challenge}, resource_metadata=\"{scheme}://{host}{prefix}{WELL_KNOWN}{path}\"");
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(WWW_AUTHENTICATE, value);
    }
}

fn resource(origin: &ClientOrigin, base_path: &str) -> String {
    let host = origin.host().unwrap_or("localhost");
    format!("{}://{host}{}{base_path}", origin.scheme().as_str(), origin.prefix())
}
