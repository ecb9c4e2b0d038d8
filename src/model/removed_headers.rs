//! Request headers that are removed, because backends would act on them for another caller or in
//! another way than was authorized.
//!
//! Every field of every request is looked up here, and almost none is found. A filter of a few
//! words tells so without comparing names. `_` counts as `-`, because some servers turn names into
//! variables.

/// The headers that are removed if the operator writes no list. A `*` at the end stands for any
/// rest.
pub const DEFAULT_REMOVED: &[&str] = &[
    // another method than the one that was authorized
    "X-HTTP-Method",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "X-Original-Method",
    // another path or host than the ones that were authorized
    "X-Original-URI",
    "X-Original-URL",
    "X-Original-Path",
    "X-Original-Host",
    "X-Override-URL",
    "X-Rewrite-URI",
    "X-Rewrite-URL",
    "X-Script-Name",
    "X-Host",
    // how Envoy sends, tries again and waits
    "X-Envoy-*",
    // the proxy of a CGI program's own requests (httpoxy)
    "Proxy",
    // another address than the client's
    "CF-Connecting-IP",
    "CF-Connecting-IPv6",
    "CF-Pseudo-IPv4",
    "Client-IP",
    "DO-Connecting-IP",
    "Fastly-Client-IP",
    "Fly-Client-IP",
    "Forwarded-For",
    "True-Client-IP",
    "X-Appengine-User-IP",
    "X-Azure-ClientIP",
    "X-Azure-SocketIP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Nf-Client-Connection-IP",
    "X-Original-Forwarded-For",
    "X-Originating-IP",
    "X-ProxyUser-IP",
    "X-Real-IP",
    "X-Remote-Addr",
    "X-Remote-IP",
    // another user than the one that was authenticated
    "Cf-Access-Authenticated-User-Email",
    "Cf-Access-Jwt-Assertion",
    "Impersonate-*",
    "Remote-Email",
    "Remote-Groups",
    "Remote-Name",
    "Remote-User",
    "SM-User",
    "Tailscale-User-*",
    "X-Amzn-Oidc-*",
    "X-Anonymous-Consumer",
    "X-Auth-Request-*",
    "X-Authenticated-*",
    "X-Consumer-Custom-ID",
    "X-Consumer-Groups",
    "X-Consumer-ID",
    "X-Consumer-Username",
    "X-Credential-Identifier",
    "X-Goog-Authenticated-User-*",
    "X-Goog-IAP-JWT-Assertion",
    "X-MS-Client-Principal*",
    "X-Remote-Email",
    "X-Remote-Extra-*",
    "X-Remote-Group",
    "X-Remote-Groups",
    "X-Remote-User",
    "X-Webauth-*",
    "iv-creds",
    "iv-groups",
    "iv-user",
    "$WSRU",
];

/// A list of header names, prepared for lookups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedHeaders {
    /// Names in lower case, with dashes.
    exact: Box<[Box<str>]>,
    starts: Box<[Box<str>]>,
    /// Filters by length; each has a bit for every mark of a name ([`mark`]).
    exact_filter: Box<[u64; 64]>,
    /// A bit for the third and fourth byte of a start.
    starts_filter: u64,
}

impl RemovedHeaders {
    /// Names in any case; a `*` at the end stands for any rest.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let (mut exact, mut starts) = (Vec::new(), Vec::new());
        let (mut exact_filter, mut starts_filter) = (Box::new([0; 64]), 0);
        for name in names {
            let name: Box<str> = name.to_ascii_lowercase().replace('_', "-").into();
            if let Some(start) = name.strip_suffix('*') {
                starts_filter |= start_mark(start.as_bytes()).unwrap_or(u64::MAX);
                starts.push(start.into());
            } else {
                if let Some(bits) = exact_filter.get_mut(name.len() % 64) {
                    *bits |= mark(name.as_bytes());
                }
                exact.push(name);
            }
        }
        Self { exact: exact.into(), starts: starts.into(), exact_filter, starts_filter }
    }

    /// Tells whether a field of this name, in lower case, is removed.
    pub fn has(&self, name: &str) -> bool {
        let bytes = name.as_bytes();
        let may_be = self.exact_filter.get(bytes.len() % 64).copied().unwrap_or_default();
        if may_be & mark(bytes) != 0
            && self.exact.iter().any(|own| own.len() == bytes.len() && begins(bytes, own))
        {
            return true;
        }
        let mark = start_mark(bytes).unwrap_or(u64::MAX);
        self.starts_filter & mark != 0 && self.starts.iter().any(|start| begins(bytes, start))
    }
}

impl Default for RemovedHeaders {
    fn default() -> Self {
        Self::new(DEFAULT_REMOVED.iter().copied())
    }
}

fn begins(name: &[u8], start: &str) -> bool {
    name.get(..start.len()).is_some_and(|begin| begin.iter().copied().map(dashed).eq(start.bytes()))
}

fn mark(name: &[u8]) -> u64 {
    let at = |position: usize| name.get(position).copied().map_or(0, dashed);
    let mixed = at(name.len() / 2).wrapping_mul(5).wrapping_add(at(name.len().saturating_sub(2)));
    1 << (mixed % 64)
}

fn start_mark(name: &[u8]) -> Option<u64> {
    let (third, fourth) = (dashed(*name.get(2)?), dashed(*name.get(3)?));
    Some(1 << (third.wrapping_mul(5).wrapping_add(fourth) % 64))
}

fn dashed(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_listed_is_found_in_every_spelling() {
        let removed = RemovedHeaders::default();
        for name in DEFAULT_REMOVED {
            let name = name.to_lowercase().replace('*', "anything");
            assert!(removed.has(&name), "{name}");
            assert!(removed.has(&name.replace('-', "_")), "{name}");
        }
        for name in ["x-envoy-", "x-envoy-retry-on", "x_envoy_retry_on", "impersonate-extra-scopes"]
        {
            assert!(removed.has(name), "{name}");
        }
    }

    #[test]
    fn what_requests_usually_have_is_not() {
        let removed = RemovedHeaders::default();
        for name in [
            "accept",
            "accept-encoding",
            "authorization",
            "content-type",
            "cookie",
            "host",
            "user-agent",
            "x-request-id",
            "traceparent",
            "x-requested-with",
            "x-api-key",
            "proxy-status",
            "x-user",
            "proxying",
            "prox",
            "",
            "x",
            "x-",
            "x-e",
        ] {
            assert!(!removed.has(name), "{name}");
        }
        assert!(!RemovedHeaders::new([]).has("proxy"));
    }

    proptest! {
        #[test]
        fn the_filter_changes_nothing(
            names in prop::collection::vec("[a-z_-]{1,12}[*]?", 0..20),
            asked in prop::collection::vec("[a-z_-]{0,14}", 0..20),
        ) {
            let removed = RemovedHeaders::new(names.iter().map(String::as_str));
            for name in asked.iter().chain(&names) {
                let dashed = name.replace('_', "-");
                let plain = names.iter().map(|own| own.replace('_', "-")).any(|own| match own.strip_suffix('*') {
                    Some(start) => dashed.starts_with(start),
                    None => own == dashed,
                });
                prop_assert_eq!(removed.has(name), plain, "{}", name);
            }
        }
    }
}
