//! What holds for every header block: nothing that ends at this hop passes it, nothing that only the gateway may say is
//! said by others, and nothing else is lost.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, Version};
use portcullis::forward::forwarded::{Arrival, ClientOrigin, ClientScheme};
use portcullis::forward::headers::{
    Hop, Trailers, rewrite_request, rewrite_response, strip_request_trailers,
};
use portcullis::forward::via::Via;
use portcullis::model::proxies::TrustedProxies;
use portcullis::model::removed_headers::{DEFAULT_REMOVED, RemovedHeaders};

use crate::header_lines;

pub(crate) fn check(bytes: &[u8]) {
    let sent = header_lines::read(bytes);
    let named = named_by_connection(&sent);
    check_request(&sent, &named);
    check_response(&sent, &named);
    check_trailers(&sent);
}

fn check_request(sent: &HeaderMap, named: &[String]) {
    let arrival = Arrival {
        peer: CLIENT,
        scheme: ClientScheme::Https,
        authority: None,
        trusted_proxies: &TrustedProxies::NONE,
    };
    let origin = ClientOrigin::read(sent, &arrival).written();
    let via = Via::new(1);
    let removed = RemovedHeaders::default();
    let hop = Hop {
        credential: None,
        origin: &origin,
        prefix: None,
        removed: &removed,
        version: Version::HTTP_11,
        via: &via,
    };
    let mut headers = sent.clone();
    let Ok(trailers) = rewrite_request(&mut headers, &hop) else {
        assert!(sent.get_all("via").iter().count() > 0, "a loop without a Via");
        return;
    };
    assert!(trailers == Trailers::NotRead || sent.contains_key("te"));
    for name in headers.keys().map(http::HeaderName::as_str) {
        let spelled = name.replace('_', "-");
        assert!(!HOP_BY_HOP.contains(&spelled.as_str()), "{name} ends here");
        assert!(
            !named.contains(&name.to_owned()) || NEEDED.contains(&name) || ADDED.contains(&name),
            "Connection names {name}"
        );
        assert!(!is_own(&spelled) || ADDED.contains(&name), "{name} is the gateway's to say");
        assert!(
            !name.contains('_') || !NEEDED.contains(&spelled.as_str()),
            "{name} imitates {spelled}"
        );
        assert!(sent.contains_key(name) || ADDED.contains(&name), "{name} comes from nowhere");
    }
    for (name, value) in [
        ("x-forwarded-for", "192.0.2.1"),
        ("forwarded", "for=192.0.2.1;proto=https"),
        ("x-forwarded-proto", "https"),
    ] {
        assert!(headers.get_all(name).iter().eq([value]), "{name}");
    }
    assert!(!headers.contains_key("x-forwarded-host"), "nobody named a host");
    for name in sent
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| !ADDED.contains(name) && !TRACE.contains(name))
    {
        let spelled = name.replace('_', "-");
        let ends = HOP_BY_HOP.contains(&spelled.as_str())
            || is_own(&spelled)
            || (named.contains(&name.to_owned()) && !NEEDED.contains(&name));
        let imitates = name.contains('_') && NEEDED.contains(&spelled.as_str());
        assert!(ends || imitates || headers.get_all(name) == sent.get_all(name), "{name} is lost");
    }
}

fn check_response(sent: &HeaderMap, named: &[String]) {
    let mut headers = sent.clone();
    rewrite_response(&mut headers, Version::HTTP_11);
    for name in sent.keys().map(http::HeaderName::as_str).filter(|name| *name != "via") {
        let named = named.contains(&name.to_owned()) && !NEEDED.contains(&name);
        let own = name.replace('_', "-").starts_with("portcullis-");
        if HOP_BY_HOP.contains(&name) || named || own {
            assert!(!headers.contains_key(name), "{name} passes");
        } else {
            assert!(headers.get_all(name) == sent.get_all(name), "{name} is lost");
        }
    }
    assert_eq!(headers.get_all("via").iter().count(), sent.get_all("via").iter().count() + 1);
}

fn check_trailers(sent: &HeaderMap) {
    let mut trailers = sent.clone();
    strip_request_trailers(&mut trailers, &RemovedHeaders::default());
    for name in trailers.keys().map(http::HeaderName::as_str) {
        let spelled = name.replace('_', "-");
        let reads_on = HOP_BY_HOP.contains(&spelled.as_str())
            || NEEDED.contains(&spelled.as_str())
            || is_own(&spelled);
        assert!(
            !reads_on && !name.starts_with("content-") && name != "set-cookie" && name != "trailer",
            "{name} in trailers"
        );
        assert!(trailers.get_all(name) == sent.get_all(name));
    }
}

/// The members of `Connection`, read in the simplest way.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let lines = headers
        .get_all("connection")
        .iter()
        .map(|line| String::from_utf8_lossy(line.as_bytes()).to_ascii_lowercase());
    lines
        .flat_map(|line| {
            line.split(',')
                .map(|member| member.trim_matches([' ', '\t']).to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
}

fn is_own(name: &str) -> bool {
    let removed = DEFAULT_REMOVED.iter().map(|removed| removed.to_ascii_lowercase());
    let mut starts = OWN_STARTS.iter().map(|start| format!("{start}*"));
    removed.chain(OWN.map(str::to_owned)).chain(&mut starts).any(|own| {
        match own.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == own,
        }
    })
}

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// RFC 9110 section 7.6.1, and what else is said to the next hop only.
const HOP_BY_HOP: [&str; 11] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-authentication-info",
    "http2-settings",
    "expect",
];

/// What `Connection` cannot take away.
const NEEDED: [&str; 11] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "authorization",
    "cookie",
    "origin",
    "via",
    "x-request-id",
    "traceparent",
    "tracestate",
];

const OWN: [&str; 13] = [
    "x-jwt-assertion",
    "forwarded",
    "x-forwarded",
    "wso2-am-api-default-version",
    "client-cert",
    "client-cert-chain",
    "client-certificate",
    "x-arr-clientcert",
    "x-clientcert",
    "x-mtls-clientcert",
    "wl-proxy-ssl",
    "$wscc",
    "$wsis",
];

const OWN_STARTS: [&str; 13] = [
    "portcullis-",
    "x-forwarded-",
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

/// What the gateway adds to a request here.
const ADDED: [&str; 4] = ["x-forwarded-for", "forwarded", "x-forwarded-proto", "via"];

/// Dropped when they are not well-formed.
const TRACE: [&str; 2] = ["traceparent", "tracestate"];
