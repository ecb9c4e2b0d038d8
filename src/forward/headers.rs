//! The headers of a message that passes the gateway: first strip, then add, in both directions.
//!
//! Stripped are the fields that end at this hop (RFC 9110 section 7.6.1) and those that
//! `Connection` names. From a client, fields that only the gateway or a trusted proxy may set are
//! stripped too. Because adding comes last, no client can remove a field of the gateway by naming
//! it in `Connection`. Names in `Connection` that every hop needs ([`Class::Guarded`]: `Host`,
//! `Content-Length`, ...) are ignored rather than refused, since old clients send odd lists. `_`
//! counts as `-`: servers that turn names into variables cannot tell the two apart, so
//! `Content_Length` or `X_JWT_Assertion` never pass. `Expect` is answered by the gateway and ends
//! here too. The walk reads credentials before anything is stripped; nothing here decides who may
//! call.

use http::header::{CONNECTION, TE, VIA};
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use smallvec::SmallVec;

use crate::forward::forwarded::WrittenOrigin;
use crate::forward::trace;
use crate::forward::via::{Loop, Via};
use crate::model::api::HeaderRules;
use crate::model::removed_headers::RemovedHeaders;

const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// The client's attitude to trailers (`TE: trailers`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trailers {
    Read,
    NotRead,
}

/// The headers that this hop adds to a request, and those that it removes.
#[derive(Debug, Clone)]
pub struct Hop<'h> {
    /// The field of a token that ends here. A DPoP proof is removed with it, since it is worth
    /// nothing alone and names its purpose.
    pub credential: Option<&'h str>,
    /// The origin, read from the same headers.
    pub origin: &'h WrittenOrigin,
    /// The removed part of the client's path, if the backend is told.
    pub prefix: Option<HeaderValue>,
    /// Further headers that no client may send to a backend.
    pub removed: &'h RemovedHeaders,
    /// The one that the client spoke.
    pub version: Version,
    pub via: &'h Via,
}

/// Turns a client's headers into those of the request to the backend. The caller writes `Host` and
/// framing.
pub fn rewrite_request(headers: &mut HeaderMap, hop: &Hop<'_>) -> Result<Trailers, Loop> {
    let ends = |name: &HeaderName| {
        hop.credential
            .is_some_and(|credential| name.as_str() == "dpop" || is_spelled(name, credential))
    };
    let look = Look::at(headers, |name| {
        passes_from_client(name.as_str()) && !hop.removed.has(name.as_str()) && !ends(name)
    });
    let mut trailers = Trailers::NotRead;
    if look.rare {
        hop.via.check(headers)?;
        trailers = reads_trailers(headers);
        trace::keep_valid_context(headers);
    }
    look.strip(headers);
    hop.origin.add_to(headers);
    if let Some(prefix) = &hop.prefix {
        headers.insert(X_FORWARDED_PREFIX, prefix.clone());
    }
    hop.via.add_to_request(headers, hop.version);
    Ok(trailers)
}

/// Makes a backend's headers those of the answer to the client. `version` is the one that the
/// backend spoke.
pub fn rewrite_response(headers: &mut HeaderMap, version: Version) {
    strip_response(headers);
    Via::add_to_response(headers, version);
}

/// Removes fields that end here, and fields that a backend may not set in the gateway's name.
pub fn strip_response(headers: &mut HeaderMap) {
    strip(headers, |name| {
        class(name.as_str()) != Class::HopByHop && !speaks_as_gateway(name.as_str())
    });
}

/// Removes the trailers of a client that its headers could not have.
pub fn strip_request_trailers(trailers: &mut HeaderMap, removed: &RemovedHeaders) {
    strip(trailers, |name| ends_well(name.as_str()) && !removed.has(name.as_str()));
}

/// Removes from trailers whatever would change how the message is read (RFC 9110 section 6.5.1).
pub fn strip_trailers(trailers: &mut HeaderMap) {
    strip(trailers, |name| ends_well(name.as_str()));
}

fn ends_well(name: &str) -> bool {
    let reads_on = name.starts_with("content-") || matches!(name, "set-cookie" | "trailer");
    class(name) == Class::Plain && passes_from_client(name) && !reads_on
}

/// Removes a header in every spelling that a server may take for it. Used for headers that only the
/// gateway may set.
pub fn remove_every_spelling(headers: &mut HeaderMap, name: &str) {
    let doomed = headers.keys().filter(|other| is_spelled(other, name)).cloned().collect();
    remove(headers, doomed);
}

fn is_spelled(name: &HeaderName, like: &str) -> bool {
    let (name, like) = (name.as_str().bytes(), like.bytes());
    name.len() == like.len()
        && name.map(dashed).eq(like.map(|byte| dashed(byte.to_ascii_lowercase())))
}

/// Applies the operator's header rules, after all else.
pub fn apply(rules: &HeaderRules, headers: &mut HeaderMap) {
    for name in &rules.remove {
        remove_every_spelling(headers, name.as_str());
    }
    for (name, value) in &rules.set {
        headers.insert(name.clone(), value.clone());
    }
}

/// The meaning of a header's name to a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    HopByHop,
    /// Set by the gateway, or by a trusted proxy, and never by a client.
    Own,
    /// End-to-end, but needed by each hop or read by the gateway: `Connection` cannot remove it,
    /// `_` cannot imitate it.
    Guarded,
}

fn class(name: &str) -> Class {
    match name {
        "connection" | "keep-alive" | "proxy-connection" | "te" | "transfer-encoding" | "upgrade" | "proxy-authenticate"
        | "proxy-authorization" | "proxy-authentication-info" | "http2-settings" | "expect" => Class::HopByHop,
        "x-jwt-assertion"
        | "forwarded"
        | "x-forwarded"
        | "wso2-am-api-default-version"
        // only the gateway tells about a client's certificate
        | "client-cert"
        | "client-cert-chain"
        | "client-certificate"
        | "x-arr-clientcert"
        | "x-clientcert"
        | "x-mtls-clientcert"
        | "wl-proxy-ssl"
        | "$wscc"
        | "$wsis" => Class::Own,
        "host" | "content-length" | "content-type" | "content-encoding" | "authorization" | "cookie" | "origin" | "via" | "x-request-id"
        | "traceparent" | "tracestate" => Class::Guarded,
        _ if OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => Class::Own,
        _ => Class::Plain,
    }
}

const OWN_PREFIXES: [&str; 13] = [
    "portcullis-",
    "x-forwarded-",
    // certificate headers of many vendors' servers
    "x-client-cert",
    "x-ssl-",
    "ssl-client-",
    "x-amzn-mtls-",
    "x-wso2-client-cert",
    "x-tls-client-",
    "tls-client-",
    "x-mtls-client-",
    "cf-client-cert-",
    "x-goog-client-cert-",
    "wl-proxy-client-",
];

fn passes_from_client(name: &str) -> bool {
    if name.bytes().any(|byte| byte == b'_') {
        return class(&name.replace('_', "-")) == Class::Plain;
    }
    matches!(class(name), Class::Plain | Class::Guarded)
}

fn speaks_as_gateway(name: &str) -> bool {
    let mut start = name.bytes().map(dashed);
    "portcullis-".bytes().all(|byte| start.next() == Some(byte))
}

fn dashed(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte }
}

/// The findings of one look at the names of a head.
struct Look {
    doomed: Doomed,
    connection: bool,
    /// `TE`, `Via` or a trace context, which most heads do not have.
    rare: bool,
}

type Doomed = SmallVec<[HeaderName; 4]>;

impl Look {
    fn at(headers: &HeaderMap, passes: impl Fn(&HeaderName) -> bool) -> Self {
        let mut look = Self { doomed: Doomed::new(), connection: false, rare: false };
        for name in headers.keys() {
            look.connection |= *name == CONNECTION;
            look.rare |= *name == TE || *name == VIA || name.as_str().starts_with("trace");
            if !passes(name) {
                look.doomed.push(name.clone());
            }
        }
        look
    }

    /// Removes the fields that `Connection` names, and those that do not pass.
    fn strip(self, headers: &mut HeaderMap) {
        if self.connection {
            let named = |token: &str| {
                HeaderName::try_from(token)
                    .ok()
                    .filter(|name| class(name.as_str()) != Class::Guarded)
            };
            // by far the most usual one ends here anyway
            let listed = names(headers, &CONNECTION)
                .filter(|token| !token.eq_ignore_ascii_case("keep-alive"));
            // looked up before a name is made of it: a client may list thousands that are not there
            let listed: Doomed =
                listed.filter(|token| headers.contains_key(*token)).filter_map(named).collect();
            remove(headers, listed);
        }
        remove(headers, self.doomed);
    }
}

fn remove(headers: &mut HeaderMap, doomed: Doomed) {
    for name in doomed {
        headers.remove(name);
    }
}

fn strip(headers: &mut HeaderMap, passes: impl Fn(&HeaderName) -> bool) {
    Look::at(headers, passes).strip(headers);
}

fn reads_trailers(headers: &HeaderMap) -> Trailers {
    if names(headers, &TE).any(|name| name.eq_ignore_ascii_case("trailers")) {
        Trailers::Read
    } else {
        Trailers::NotRead
    }
}

/// The members of a list of tokens, over all its lines.
fn names<'h>(headers: &'h HeaderMap, list: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(list).iter().map(HeaderValue::as_bytes);
    // a member that is not UTF-8 is no token; the others of its line still count
    let members = lines.flat_map(|line| line.split(|byte| *byte == b','));
    members
        .filter_map(|member| std::str::from_utf8(member).ok())
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests;
