//! Compares a token's issuer with the document's. The gateway compares byte for byte, people do
//! not.
//!
//! This file does not decide which of the two is right.

use crate::cli::import::address::{host, path};

/// The difference between two issuers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Difference {
    /// The document's issuer is a pattern such as `{tenantid}`, which no token has.
    Pattern,
    Slash,
    Case,
    Scheme,
    /// Entra: the token has this version, the document the other one; they have one tenant.
    EntraVersion(u8),
    /// They share a server, but not the tenant, realm, pool or authorization server.
    Tenant,
    Other,
}

/// Returns the difference; `None` for equal issuers.
pub(super) fn difference(document: &str, token: &str) -> Option<Difference> {
    if document == token {
        return None;
    }
    let bare = |issuer: &str| issuer.trim_end_matches('/').to_owned();
    let schemeless = |issuer: &str| bare(issuer).split_once("://").map(|(_, rest)| rest.to_owned());
    Some(if document.contains('{') {
        Difference::Pattern
    } else if bare(document) == bare(token) {
        Difference::Slash
    } else if bare(document).eq_ignore_ascii_case(&bare(token)) {
        Difference::Case
    } else if schemeless(document).is_some() && schemeless(document) == schemeless(token) {
        Difference::Scheme
    } else if let (Some((left, version_of_document)), Some((right, version))) =
        (entra(document), entra(token))
    {
        if version == version_of_document || left != right {
            Difference::Tenant
        } else {
            Difference::EntraVersion(version)
        }
    } else if host(document) == host(token) && !host(document).is_empty() {
        Difference::Tenant
    } else {
        Difference::Other
    })
}

/// Returns 1 for `sts.windows.net`, 2 for `login.microsoftonline.com/.../v2.0`.
pub(super) fn entra_version(issuer: &str) -> Option<u8> {
    entra(issuer).map(|(_, version)| version)
}

/// Returns tenant and version of an Entra issuer.
fn entra(issuer: &str) -> Option<(String, u8)> {
    let path = path(issuer);
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let tenant = segments.next()?.to_ascii_lowercase();
    let host = host(issuer);
    match segments.next() {
        None if host == "sts.windows.net" || host == "sts.chinacloudapi.cn" => Some((tenant, 1)),
        Some("v2.0") if host.starts_with("login.") => Some((tenant, 2)),
        _ => None,
    }
}
