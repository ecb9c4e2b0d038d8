//! `Location` and `Content-Location` of a backend, rewritten to the client's address
//! (`rewrite_location`).
//!
//! Decides which references name the backend: those with the address of one of its targets, or with
//! a path alone, at or below the target's base path. All others pass unchanged: other servers,
//! paths beside the base path, and relative references. Relative references are right for the
//! client too, because the paths below the context are the same on both sides.

use http::header::{CONTENT_LOCATION, LOCATION};
use http::{HeaderMap, HeaderValue};

use crate::backend::{BackendGroup, CompiledTarget};
use crate::forward::forwarded::ClientScheme;
use crate::model::backend::{BackendScheme, Target};
use crate::route::parse_authority;

/// The client's address of the backend's base path.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress<'a> {
    pub scheme: ClientScheme,
    pub host: Option<&'a str>,
    /// The prefix that proxies removed, with the API's context and version; without a slash at its
    /// end.
    pub base: &'a str,
}

/// Rewrites the references of an answer by `target`.
pub fn rewrite(
    headers: &mut HeaderMap,
    group: &BackendGroup,
    target: &CompiledTarget,
    client: &ClientAddress<'_>,
) {
    for name in [LOCATION, CONTENT_LOCATION] {
        let http::header::Entry::Occupied(mut fields) = headers.entry(name) else { continue };
        for field in fields.iter_mut() {
            let reference = field.to_str().ok();
            let rewritten =
                reference.and_then(|reference| for_client(reference, group, target, client));
            if let Some(value) = rewritten.and_then(|text| HeaderValue::try_from(text).ok()) {
                *field = value;
            }
        }
    }
}

fn for_client(
    reference: &str,
    group: &BackendGroup,
    answering: &CompiledTarget,
    client: &ClientAddress<'_>,
) -> Option<String> {
    let Reference { scheme, authority, rest } = Reference::read(reference)?;
    let base = match authority {
        None => &answering.definition.base_path,
        Some(authority) => {
            let scheme = scheme.unwrap_or(answering.definition.scheme);
            let named = |target: &Target| is_at(target, scheme, authority);
            let mut targets = group.all().map(|target| &target.definition);
            // a backend that gets the client's host speaks of itself by it
            let kept = group.addressing.preserve_host
                && client.host.is_some_and(|host| same_authority(scheme, authority, host));
            if named(&answering.definition) || kept {
                &answering.definition.base_path
            } else {
                &targets.find(|target| named(target))?.base_path
            }
        }
    };
    // a backend that learns the prefix may have written it already
    if group.addressing.forward_prefix
        && !client.base.is_empty()
        && below(rest, client.base).is_some()
    {
        return authority.map(|_| client.absolute(rest));
    }
    let rest = below(rest, base)?;
    // the base path itself, perhaps with a query, is the root of a client without a context
    let slash = if client.base.is_empty() && !rest.starts_with('/') { "/" } else { "" };
    let path = format!("{}{slash}{rest}", client.base);
    match authority {
        Some(_) => Some(client.absolute(&path)),
        // without a context, two slashes would begin a host
        None => (!path.starts_with("//") && !path.starts_with("/\\")).then_some(path),
    }
}

impl ClientAddress<'_> {
    /// Returns a path alone if the client has named no host.
    fn absolute(&self, path: &str) -> String {
        match self.host {
            Some(host) => format!("{}://{host}{path}", self.scheme.as_str()),
            None => path.to_owned(),
        }
    }
}

/// A reference with a path from the root, or with an authority.
struct Reference<'r> {
    scheme: Option<BackendScheme>,
    authority: Option<&'r str>,
    /// Path, query and fragment.
    rest: &'r str,
}

impl<'r> Reference<'r> {
    fn read(text: &'r str) -> Option<Self> {
        let text = text.trim();
        let (scheme, hierarchical) = match text.split_once(':') {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
                (Some(BackendScheme::Http), rest)
            }
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => {
                (Some(BackendScheme::Https), rest)
            }
            _ => (None, text),
        };
        if let Some(network) = hierarchical.strip_prefix("//") {
            let end = network.find(['/', '?', '#']).unwrap_or(network.len());
            let (authority, rest) = network.split_at_checked(end)?;
            return Some(Self { scheme, authority: Some(authority), rest });
        }
        let rooted = scheme.is_none() && text.starts_with('/');
        rooted.then_some(Self { scheme: None, authority: None, rest: text })
    }
}

fn is_at(target: &Target, scheme: BackendScheme, authority: &str) -> bool {
    target.scheme == scheme && same_authority(scheme, authority, &target.authority())
}

fn same_authority(scheme: BackendScheme, one: &str, other: &str) -> bool {
    let (Ok(one), Ok(other)) = (parse_authority(one), parse_authority(other)) else { return false };
    let port = |port: Option<u16>| port.unwrap_or(scheme.default_port());
    one.host() == other.host() && port(one.port()) == port(other.port())
}

/// Returns the path behind the base path; `None` if the path is beside it, or climbs out of it.
fn below<'r>(rest: &'r str, base: &str) -> Option<&'r str> {
    let inner = rest.strip_prefix(base)?;
    let path = inner.split(['?', '#']).next().unwrap_or_default();
    let at_boundary = inner.is_empty() || inner.starts_with(['/', '?', '#']);
    let climbs = path.split('/').any(|segment| {
        let segment = segment.to_ascii_lowercase().replace("%2e", ".");
        matches!(segment.as_str(), "." | "..")
    });
    (at_boundary && !climbs).then_some(inner)
}
