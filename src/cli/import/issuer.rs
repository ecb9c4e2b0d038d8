//! How a token's issuer differs from the document's: the gateway compares byte for byte, people do not.
//!
//! Decides nothing about which of the two is right.

use crate::cli::import::address::{host, path};

/// What stands between two issuers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Difference {
    /// The document's issuer is a pattern such as `{tenantid}`: no token has it.
    Pattern,
    Slash,
    Case,
    Scheme,
    /// Entra: the token is of this version, the document of the other one; one tenant.
    EntraVersion(u8),
    /// One server, another tenant, realm, pool or authorization server.
    Tenant,
    Other,
}

/// `None` for equal ones.
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

/// 1 for `sts.windows.net`, 2 for `login.microsoftonline.com/.../v2.0`.
pub(super) fn entra_version(issuer: &str) -> Option<u8> {
    entra(issuer).map(|(_, version)| version)
}

/// Tenant and version of an Entra issuer.
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
