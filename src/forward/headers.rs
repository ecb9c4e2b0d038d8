//! The headers of a message that passes the gateway: first strip, then add, in both directions.
//!
//! Stripped are the fields that end at this hop (RFC 9110 section 7.6.1) with those that `Connection` names, and from a
//! client also the fields that only the gateway or a proxy that it trusts may set. Because adding comes last, no client
//! can name one of ours away. Names in `Connection` that every hop needs ([`Class::Guarded`]: `Host`, `Content-Length`,
//! ...) are ignored rather than refused: old clients send odd lists.
//!
//! `_` counts as `-`: servers that turn names into variables cannot tell the two, so `Content_Length` or
//! `X_JWT_Assertion` never pass. `Expect` is answered by the gateway and ends here too. Never decides who may call: the
//! walk has read what it needs before anything is stripped.

use http::header::{CONNECTION, TE};
use http::{HeaderMap, HeaderName, Version};

use crate::forward::forwarded::Written;
use crate::forward::trace;
use crate::forward::via::{Loop, Via};
use crate::model::api::HeaderRules;

/// Whether the client reads trailers (`TE: trailers`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trailers {
    Read,
    NotRead,
}

/// Makes a client's headers those of the request to the backend. `origin` was read from the same headers.
///
/// What is left to the caller: `Host`, the API's authorization header, and framing.
pub fn rewrite_request(headers: &mut HeaderMap, origin: &Written, version: Version, via: &Via) -> Result<Trailers, Loop> {
    via.check(headers)?;
    let trailers = strip_request(headers);
    trace::keep_valid_context(headers);
    origin.add_to(headers);
    via.add_to_request(headers, version);
    Ok(trailers)
}

/// Makes a backend's headers those of the answer to the client. `version` is the one that the backend spoke.
pub fn rewrite_response(headers: &mut HeaderMap, version: Version) {
    strip_response(headers);
    Via::add_to_response(headers, version);
}

/// Removes what ends here and what a client may not say.
pub fn strip_request(headers: &mut HeaderMap) -> Trailers {
    let trailers = if names(headers, &TE).any(|name| name.eq_ignore_ascii_case("trailers")) { Trailers::Read } else { Trailers::NotRead };
    strip(headers, |name| passes_from_client(name.as_str()));
    trailers
}

/// Removes what ends here and what a backend may not say in the gateway's name.
pub fn strip_response(headers: &mut HeaderMap) {
    strip(headers, |name| class(name.as_str()) != Class::HopByHop && !speaks_as_gateway(name.as_str()));
}

/// Removes from trailers whatever would change how the message is read (RFC 9110 section 6.5.1).
pub fn strip_trailers(trailers: &mut HeaderMap) {
    let reads_on = |name: &str| name.starts_with("content-") || matches!(name, "set-cookie" | "trailer");
    strip(trailers, |name| class(name.as_str()) == Class::Plain && passes_from_client(name.as_str()) && !reads_on(name.as_str()));
}

/// Removes a header in every spelling that a server may take for it, such as an API's own authorization header.
pub fn remove_every_spelling(headers: &mut HeaderMap, name: &str) {
    let same = |other: &str| other.bytes().map(dashed).eq(name.bytes().map(|byte| dashed(byte.to_ascii_lowercase())));
    remove_all(headers, |other| same(other.as_str()));
}

/// What the operator changes, after all else.
pub fn apply(rules: &HeaderRules, headers: &mut HeaderMap) {
    for name in &rules.remove {
        remove_every_spelling(headers, name.as_str());
    }
    for (name, value) in &rules.set {
        headers.insert(name.clone(), value.clone());
    }
}

/// What a name means to a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    HopByHop,
    /// Said by the gateway, or by a proxy that it trusts: never by a client.
    Own,
    /// End-to-end, but needed by each hop or read by the gateway: `Connection` cannot remove it, `_` cannot imitate it.
    Guarded,
}

fn class(name: &str) -> Class {
    match name {
        "connection" | "keep-alive" | "proxy-connection" | "te" | "transfer-encoding" | "upgrade" | "proxy-authenticate"
        | "proxy-authorization" | "proxy-authentication-info" | "http2-settings" | "expect" => Class::HopByHop,
        "x-jwt-assertion"
        | "forwarded"
        | "x-forwarded"
        | "x-real-ip"
        | "x-wso2-client-certificate"
        | "wso2-am-api-default-version"
        | "client-cert"
        | "client-cert-chain"
        | "x-arr-clientcert"
        // servers that obey these route by another path than the one that was authorised
        | "x-original-url"
        | "x-rewrite-url" => Class::Own,
        "host" | "content-length" | "content-type" | "content-encoding" | "authorization" | "cookie" | "origin" | "via" | "x-request-id"
        | "traceparent" | "tracestate" => Class::Guarded,
        _ if OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => Class::Own,
        _ => Class::Plain,
    }
}

const OWN_PREFIXES: [&str; 6] = ["portcullis-", "x-forwarded-", "x-client-cert", "x-ssl-", "ssl-client-", "x-amzn-mtls-"];

fn passes_from_client(name: &str) -> bool {
    if name.contains('_') {
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

/// Removes hop-by-hop fields, those that `Connection` names, and those that do not pass.
fn strip(headers: &mut HeaderMap, passes: impl Fn(&HeaderName) -> bool) {
    let named = |token: &str| HeaderName::try_from(token).ok().filter(|name| class(name.as_str()) != Class::Guarded);
    // looked up before a name is made of it: a client may list thousands that are not there
    let doomed: Vec<HeaderName> = names(headers, &CONNECTION).filter(|token| headers.contains_key(*token)).filter_map(named).collect();
    for name in doomed {
        headers.remove(name);
    }
    remove_all(headers, |name| !passes(name));
}

fn remove_all(headers: &mut HeaderMap, ends: impl Fn(&HeaderName) -> bool) {
    let doomed: Vec<HeaderName> = headers.keys().filter(|name| ends(name)).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
}

/// The members of a list of tokens, over all its lines.
fn names<'h>(headers: &'h HeaderMap, list: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(list).iter().map(http::HeaderValue::as_bytes);
    // a member that is not UTF-8 is no token; the others of its line still count
    let members = lines.flat_map(|line| line.split(|byte| *byte == b','));
    members
        .filter_map(|member| std::str::from_utf8(member).ok())
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests;
