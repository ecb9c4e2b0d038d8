//! The headers that pass this hop in each direction, and those that only the gateway may set.

use proptest::prelude::*;

use super::*;
use crate::forward::forwarded::ClientOrigin;
use crate::forward::forwarded::{Arrival, ClientScheme};
use crate::model::proxies::TrustedProxies;
use crate::route::parse_authority;

fn map(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(
            HeaderName::try_from(*name).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    headers
}

fn left(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

fn strip_request(headers: &mut HeaderMap) {
    let removed = RemovedHeaders::default();
    strip(headers, |name| passes_from_client(name.as_str()) && !removed.has(name.as_str()));
}

fn sent(headers: &mut HeaderMap) -> Result<Trailers, Loop> {
    let authority = parse_authority("bank.example").unwrap();
    let arrival = Arrival {
        peer: "203.0.113.9".parse().unwrap(),
        scheme: ClientScheme::Https,
        authority: Some(&authority),
        trusted_proxies: &TrustedProxies::NONE,
    };
    let origin = ClientOrigin::read(headers, &arrival);
    rewrite_request(
        headers,
        &Hop {
            credential: None,
            origin: &origin.written(),
            prefix: None,
            removed: &RemovedHeaders::default(),
            version: Version::HTTP_11,
            via: &Via::new(7),
        },
    )
}

const HOP_BY_HOP: [&str; 11] = [
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Transfer-Encoding",
    "Upgrade",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Authentication-Info",
    "HTTP2-Settings",
    "Expect",
];

const OWN: [&str; 27] = [
    "X-JWT-Assertion",
    "Portcullis-Denial",
    "Portcullis-Anything",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Client-Cert",
    "Forwarded",
    "X-Real-IP",
    "X-WSO2-CLIENT-CERTIFICATE",
    "X-Client-Cert",
    "X-Client-Certificate",
    "X-SSL-Client-Verify",
    "SSL-Client-Cert",
    "Client-Cert",
    "Client-Cert-Chain",
    "X-ARR-ClientCert",
    "X-Amzn-Mtls-Clientcert",
    "WSO2_AM_API_DEFAULT_VERSION",
    "X-Original-URL",
    "X-HTTP-Method-Override",
    "X-Forwarded-Tls-Client-Cert",
    "X-Forwarded-Prefix",
    "X-Forwarded-User",
    "WL-Proxy-Client-Cert",
    "Proxy",
    "Remote-User",
    "X-Envoy-Original-Path",
];

#[test]
fn what_ends_here_is_stripped_both_ways() {
    for name in HOP_BY_HOP {
        let fields = [(name, "x"), ("accept", "*/*"), ("trailer", "grpc-status")];
        let mut headers = map(&fields);
        strip_request(&mut headers);
        assert_eq!(left(&headers), ["accept", "trailer"], "{name}");
        let mut headers = map(&fields);
        strip_response(&mut headers);
        assert_eq!(left(&headers), ["accept", "trailer"], "{name}");
    }
}

#[test]
fn what_connection_names_is_stripped_both_ways() {
    let fields = [
        ("connection", "close, X-Hop"),
        ("connection", "\tx-other ,, bad name, caf\u{e9}, X-Third"),
        ("x-hop", "1"),
        ("x-hop", "2"),
        ("x-other", "1"),
        ("x-third", "1"),
        ("close", "1"),
        ("x-kept", "1"),
    ];
    let mut headers = map(&fields);
    strip_request(&mut headers);
    assert_eq!(left(&headers), ["x-kept"]);
    let mut headers = map(&fields);
    strip_response(&mut headers);
    assert_eq!(left(&headers), ["x-kept"]);
}

#[test]
fn connection_cannot_remove_what_every_hop_needs() {
    let mut headers = map(&[
        (
            "connection",
            "Host, content-length, CONTENT-TYPE, authorization, cookie, x-request-id, traceparent",
        ),
        ("host", "a"),
        ("content-length", "1"),
        ("content-type", "x"),
        ("authorization", "x"),
        ("cookie", "x"),
        ("x-request-id", "x"),
    ]);
    strip_request(&mut headers);
    assert_eq!(
        left(&headers),
        ["authorization", "content-length", "content-type", "cookie", "host", "x-request-id"]
    );
}

#[test]
fn a_client_does_not_speak_for_the_gateway() {
    for name in OWN {
        for spelled in [name.to_owned(), name.replace('-', "_")] {
            let mut headers = map(&[(&spelled, "forged"), ("x-kept", "1")]);
            strip_request(&mut headers);
            assert_eq!(left(&headers), ["x-kept"], "{spelled}");
        }
    }
    for name in ["content_length", "transfer_encoding", "host_", "x_request_id", "Authorization_"] {
        let mut headers = map(&[(name, "forged"), ("my_own", "1")]);
        strip_request(&mut headers);
        let expected: &[&str] =
            if name.ends_with('_') { &[&name.to_lowercase(), "my_own"] } else { &["my_own"] };
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(left(&headers), expected, "{name}");
    }
}

#[test]
fn the_operator_says_which_headers_are_removed() {
    let removed = RemovedHeaders::new(["X-Debug", "x-internal-*"]);
    let passes = |name: &str| passes_from_client(name) && !removed.has(name);
    for (name, expected) in [
        ("x-debug", false),
        ("x_debug", false),
        ("x-internal-role", false),
        ("x-http-method-override", true),
        ("x-real-ip", true),
        ("client-cert", false),
        ("x-forwarded-for", false),
    ] {
        assert_eq!(passes(name), expected, "{name}");
    }
}

#[test]
fn a_backend_does_not_speak_for_the_gateway() {
    let mut headers = map(&[
        ("portcullis-denial", "x"),
        ("Portcullis_Denial", "x"),
        ("x-forwarded-for", "1"),
        ("set-cookie", "a"),
    ]);
    strip_response(&mut headers);
    assert_eq!(left(&headers), ["set-cookie", "x-forwarded-for"]);
}

#[test]
fn every_spelling_of_an_authorization_header_goes() {
    let mut headers = map(&[
        ("x-api-token", "1"),
        ("x_api_token", "1"),
        ("X_API-Token", "1"),
        ("x-api-tokens", "1"),
    ]);
    remove_every_spelling(&mut headers, "X-Api-Token");
    assert_eq!(left(&headers), ["x-api-tokens"]);
}

#[test]
fn a_token_that_ends_here_takes_its_proof_along() {
    let fields = [
        ("x-api-token", "1"),
        ("x_api_token", "1"),
        ("dpop", "proof"),
        ("authorization", "Basic YTpi"),
    ];
    let hop = |credential| {
        let mut headers = map(&fields);
        let origin = ClientOrigin::read(
            &headers,
            &Arrival {
                peer: "203.0.113.9".parse().unwrap(),
                scheme: ClientScheme::Https,
                authority: None,
                trusted_proxies: &TrustedProxies::NONE,
            },
        );
        rewrite_request(
            &mut headers,
            &Hop {
                credential,
                origin: &origin.written(),
                prefix: None,
                removed: &RemovedHeaders::default(),
                version: Version::HTTP_11,
                via: &Via::new(7),
            },
        )
        .unwrap();
        fields.map(|(name, _)| headers.contains_key(name))
    };
    assert_eq!(hop(Some("X-Api-Token")), [false, false, false, true]);
    assert_eq!(hop(None), [true; 4]);
}

#[test]
fn trailers_never_change_how_a_message_is_read() {
    let mut trailers = map(&[
        ("grpc-status", "0"),
        ("content-length", "1"),
        ("content-range", "x"),
        ("transfer-encoding", "chunked"),
        ("host", "x"),
        ("authorization", "x"),
        ("x-forwarded-for", "x"),
        ("x_jwt_assertion", "x"),
        ("set-cookie", "x"),
        ("trailer", "x"),
    ]);
    strip_trailers(&mut trailers);
    assert_eq!(left(&trailers), ["grpc-status"]);

    let sent = [("x-sum", "1"), ("x_http_method_override", "DELETE"), ("remote-user", "root")];
    let mut trailers = map(&sent);
    strip_request_trailers(&mut trailers, &RemovedHeaders::default());
    assert_eq!(left(&trailers), ["x-sum"]);
    let mut trailers = map(&sent);
    strip_trailers(&mut trailers);
    assert_eq!(left(&trailers).len(), 3, "a backend may say so");
}

#[test]
fn a_reader_of_trailers_is_remembered() {
    assert_eq!(sent(&mut map(&[("te", "deflate;q=0.5, Trailers")])), Ok(Trailers::Read));
    assert_eq!(sent(&mut map(&[("te", "gzip")])), Ok(Trailers::NotRead));
    assert_eq!(sent(&mut map(&[])), Ok(Trailers::NotRead));
}

#[test]
fn this_hop_is_told_in_both_directions() {
    let mut headers = map(&[("via", "1.1 edge")]);
    assert_eq!(sent(&mut headers), Ok(Trailers::NotRead));
    let hops: Vec<&HeaderValue> = headers.get_all("via").iter().collect();
    assert_eq!(hops, ["1.1 edge", "1.1 portcullis-0000000000000007"]);
    for (version, expected) in [
        (Version::HTTP_10, "1.0 portcullis"),
        (Version::HTTP_11, "1.1 portcullis"),
        (Version::HTTP_2, "2.0 portcullis"),
    ] {
        let mut headers = HeaderMap::new();
        rewrite_response(&mut headers, version);
        assert_eq!(headers["via"], expected);
    }
}

#[test]
fn a_request_does_not_go_round_for_ever() {
    let mut headers = HeaderMap::new();
    for round in 0..8 {
        assert!(sent(&mut headers).is_ok(), "{round}");
    }
    assert_eq!(sent(&mut headers), Err(Loop));
    let folded: Vec<&str> =
        headers.get_all("via").iter().map(|hop| hop.to_str().unwrap()).collect();
    assert_eq!(sent(&mut map(&[("via", &folded.join(", "))])), Err(Loop));
    let other = Via::new(8);
    assert_eq!(other.check(&headers), Ok(()));
}

fn field() -> impl Strategy<Value = (String, String)> {
    let known: Vec<String> = HOP_BY_HOP.iter().chain(&OWN).map(|name| (*name).to_owned()).collect();
    let name = prop_oneof![
        prop::sample::select(known.clone()),
        prop::sample::select(known.clone()).prop_map(|name| name.replace('-', "_")),
        prop::sample::select(vec![
            "Host",
            "Content-Length",
            "Accept",
            "Via",
            "X-Thing",
            "traceparent"
        ])
        .prop_map(str::to_owned),
        "[a-z][a-z_-]{0,12}",
    ];
    let listed = prop::collection::vec(
        prop_oneof![
            prop::sample::select(known),
            "[a-zA-Z-]{1,8}",
            "host|content-length|via|x-thing"
        ],
        0..4,
    );
    let value = prop_oneof![listed.prop_map(|names| names.join(", ")), "[ -~]{0,12}"];
    (prop_oneof![3 => name, 1 => Just("Connection".to_owned())], value)
}

proptest! {
    #[test]
    fn nothing_survives_that_should_not_and_nothing_of_ours_is_lost(fields in prop::collection::vec(field(), 0..12)) {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let before = map(&fields);
        let mut headers = before.clone();
        prop_assert!(sent(&mut headers).is_ok());

        prop_assert_eq!(&headers["x-forwarded-for"], "203.0.113.9");
        prop_assert_eq!(&headers["x-forwarded-proto"], "https");
        prop_assert_eq!(&headers["x-forwarded-host"], "bank.example");
        prop_assert_eq!(&headers["forwarded"], "for=203.0.113.9;host=bank.example;proto=https");
        prop_assert_eq!(headers.get_all("via").iter().next_back().unwrap(), "1.1 portcullis-0000000000000007");
        for name in ["host", "content-length"] {
            prop_assert_eq!(headers.get(name), before.get(name));
        }

        let added = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"];
        for name in headers.keys().map(|name| name.as_str().replace('_', "-")).filter(|name| !added.contains(&name.as_str())) {
            prop_assert!(!HOP_BY_HOP.iter().any(|other| other.eq_ignore_ascii_case(&name)), "{}", name);
            prop_assert!(!OWN.iter().any(|other| other.replace('_', "-").eq_ignore_ascii_case(&name)), "{}", name);
        }
        for line in before.get_all("connection") {
            for named in line.to_str().unwrap().split(',').map(|name| name.trim().to_lowercase()) {
                if named == "accept" || named == "x-thing" {
                    prop_assert!(!headers.contains_key(&named), "{}", named);
                }
            }
        }
    }
}
