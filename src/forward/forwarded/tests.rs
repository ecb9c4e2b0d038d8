//! Trust in headers about a client, and the headers that a backend gets.

use proptest::prelude::*;

use super::*;

const PROXIES: [&str; 2] = ["10.0.0.0/8", "fd00::/8"];

fn read(peer: &str, sent: &[(&'static str, &str)]) -> ClientOrigin {
    let all = ForwardedHeader::ALL.into_iter().fold(ForwardedHeaders::NONE, ForwardedHeaders::with);
    read_believing(all, peer, sent)
}

fn read_believing(
    headers: ForwardedHeaders,
    peer: &str,
    sent: &[(&'static str, &str)],
) -> ClientOrigin {
    let networks = PROXIES.map(|network| network.parse().unwrap()).to_vec();
    let trusted = TrustedProxies { networks, headers, certificate: None };
    let mut headers = HeaderMap::new();
    for (name, value) in sent {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let authority = parse_authority("Bank.example:8243").unwrap();
    let peer = peer.parse().unwrap();
    ClientOrigin::read(
        &headers,
        &Arrival {
            peer,
            scheme: ClientScheme::Https,
            authority: Some(&authority),
            trusted_proxies: &trusted,
        },
    )
}

fn written(origin: &ClientOrigin) -> [String; 4] {
    let mut headers = HeaderMap::new();
    for name in ["x-forwarded-for", "forwarded", "x-forwarded-proto", "x-forwarded-host"] {
        headers.append(name, HeaderValue::from_static("forged"));
        headers.append(name, HeaderValue::from_static("forged too"));
    }
    origin.add_to(&mut headers);
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"].map(|name| {
        let values: Vec<&str> =
            headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
        values.join("|")
    })
}

#[test]
fn a_client_is_not_believed() {
    let origin = read(
        "203.0.113.9",
        &[
            ("x-forwarded-for", "1.1.1.1"),
            ("forwarded", "for=1.1.1.1"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "evil"),
        ],
    );
    assert_eq!(origin.client().to_string(), "203.0.113.9");
    assert_eq!(
        written(&origin),
        [
            "203.0.113.9",
            "https",
            "bank.example:8243",
            "for=203.0.113.9;host=\"bank.example:8243\";proto=https"
        ]
    );
}

#[test]
fn a_trusted_proxy_is_believed_and_appended() {
    let origin = read(
        "10.0.0.1",
        &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2001:db8::1, 10.9.9.9:80")],
    );
    assert_eq!(origin.client().to_string(), "2001:db8::1");
    let [addresses, _, _, forwarded] = written(&origin);
    assert_eq!(addresses, "1.1.1.1, 2001:db8::1, 10.9.9.9, 10.0.0.1");
    assert_eq!(
        forwarded,
        "for=1.1.1.1, for=\"[2001:db8::1]\";host=\"bank.example:8243\";proto=https, for=10.9.9.9, for=10.0.0.1"
    );

    let origin = read(
        "fd00::7",
        &[
            ("x-forwarded-for", "8.8.8.8"),
            ("x-forwarded-proto", "HTTP"),
            ("x-forwarded-host", "Shop.example"),
        ],
    );
    assert_eq!(
        written(&origin),
        [
            "8.8.8.8, fd00::7",
            "http",
            "shop.example",
            "for=8.8.8.8;host=shop.example;proto=http, for=\"[fd00::7]\""
        ]
    );
}

#[test]
fn a_mapped_address_is_the_address_itself() {
    assert_eq!(read("::ffff:203.0.113.9", &[]).client().to_string(), "203.0.113.9");
    assert_eq!(
        read("::ffff:10.0.0.1", &[("x-forwarded-for", "::ffff:1.1.1.1")]).client().to_string(),
        "1.1.1.1"
    );
}

#[test]
fn only_proxies_in_the_chain_leave_the_first_one() {
    assert_eq!(
        read("10.0.0.1", &[("x-forwarded-for", "10.0.0.3, 10.0.0.2")]).client().to_string(),
        "10.0.0.3"
    );
    assert_eq!(read("10.0.0.1", &[]).client().to_string(), "10.0.0.1");
}

#[test]
fn the_standard_header_is_read_where_the_other_is_missing() {
    for (sent, client) in [
        ("for=1.1.1.1;proto=http;by=10.0.0.1", "1.1.1.1"),
        ("For=\"[2001:db8::1]:4711\"", "2001:db8::1"),
        ("for=9.9.9.9, proto=https;for=1.1.1.1;host=\"a,b;c\\\"d\", for=10.0.0.2", "1.1.1.1"),
    ] {
        assert_eq!(read("10.0.0.1", &[("forwarded", sent)]).client().to_string(), client, "{sent}");
    }
    let both = read("10.0.0.1", &[("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "2.2.2.2")]);
    assert_eq!(both.client().to_string(), "2.2.2.2");
}

#[test]
fn a_chain_is_read_from_its_end_up_to_what_cannot_be_read() {
    for (name, sent, kept) in [
        ("x-forwarded-for", "unknown", ""),
        ("x-forwarded-for", "1.1.1.1,", ""),
        ("x-forwarded-for", "1.1.1.1, 1.2.3", ""),
        ("x-forwarded-for", "1.1.1.1 2.2.2.2", ""),
        ("x-forwarded-for", "é", ""),
        ("x-forwarded-for", "", ""),
        ("x-forwarded-for", "unknown, 1.1.1.1", "1.1.1.1, "),
        ("x-forwarded-for", "6.6.6.6, é, 1.1.1.1, 10.0.0.2", "1.1.1.1, 10.0.0.2, "),
        ("x-forwarded-for", ", 1.1.1.1", "1.1.1.1, "),
        ("forwarded", "for=_hidden", ""),
        ("forwarded", "proto=http", ""),
        ("forwarded", "for=1.1.1.1;for=2.2.2.2", ""),
        ("forwarded", "for=\"1.1.1.1", ""),
        ("forwarded", "for=1.1.1.1, nonsense", ""),
        ("forwarded", "for=_hidden, for=1.1.1.1", "1.1.1.1, "),
        ("forwarded", "for=6.6.6.6, nonsense, for=1.1.1.1;host=\"é\"", "1.1.1.1, "),
        ("forwarded", "for=6.6.6.6, for=\"1.1.1.1\\\"", ""),
        // a quote that was never closed takes the rest with it
        ("forwarded", "for=\"6.6.6.6, for=1.1.1.1", ""),
    ] {
        let origin = read("10.0.0.1", &[(name, sent)]);
        let client = kept.split(',').next().filter(|kept| !kept.is_empty()).unwrap_or("10.0.0.1");
        assert_eq!(origin.client().to_string(), client, "{sent}");
        assert_eq!(written(&origin)[0], format!("{kept}10.0.0.1"), "{sent}");
    }
    let lines = read(
        "10.0.0.1",
        &[
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-for", "?, 1.1.1.1"),
            ("x-forwarded-for", "10.0.0.2"),
        ],
    );
    assert_eq!(written(&lines)[0], "1.1.1.1, 10.0.0.2, 10.0.0.1");
}

#[test]
fn of_a_long_chain_the_end_counts() {
    let long = format!("6.6.6.6, {}8.8.8.8", "10.0.0.2, ".repeat(MAX_CHAIN - 1));
    let origin = read("10.0.0.1", &[("x-forwarded-for", &long)]);
    assert_eq!((origin.client().to_string().as_str(), origin.chain.len()), ("8.8.8.8", MAX_CHAIN));
    assert!(!written(&origin)[0].contains("6.6.6.6"));
    let proxies = format!("6.6.6.6, {}", vec!["10.0.0.2"; MAX_CHAIN].join(","));
    assert_eq!(read("10.0.0.1", &[("x-forwarded-for", &proxies)]).client().to_string(), "10.0.0.2");
}

#[test]
fn a_malformed_scheme_or_host_is_ignored() {
    let origin = read("10.0.0.1", &[("x-forwarded-proto", "gopher"), ("x-forwarded-host", "a b")]);
    assert_eq!(written(&origin)[1..3], ["https", "bank.example:8243"]);
    let twice = read("10.0.0.1", &[("x-forwarded-host", "a"), ("x-forwarded-host", "b")]);
    assert_eq!(written(&twice)[2], "bank.example:8243");
}

#[test]
fn only_named_headers_are_believed() {
    let sent = [
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-port", "99"),
        ("x-forwarded-prefix", "/evil"),
        ("forwarded", "for=2.2.2.2;proto=http;host=evil.example"),
    ];
    let facts = |headers| {
        let origin = read_believing(headers, "10.0.0.1", &sent);
        let (client, scheme) = (origin.client().to_string(), origin.scheme().as_str());
        let host = origin.host().unwrap().to_owned();
        (client, scheme, host, origin.prefix().to_owned())
    };
    let owned = |client: &str, scheme, host: &str, prefix: &str| {
        (client.to_owned(), scheme, host.to_owned(), prefix.to_owned())
    };
    let none = ForwardedHeaders::NONE;
    let own = "bank.example:8243";
    for (headers, expected) in [
        (none, owned("10.0.0.1", "https", own, "")),
        (ForwardedHeaders::DEFAULT, owned("1.1.1.1", "http", own, "")),
        (none.with(ForwardedHeader::For), owned("1.1.1.1", "https", own, "")),
        (none.with(ForwardedHeader::Proto), owned("10.0.0.1", "http", own, "")),
        (none.with(ForwardedHeader::Host), owned("10.0.0.1", "https", "evil.example", "")),
        (none.with(ForwardedHeader::Port), owned("10.0.0.1", "https", "bank.example:99", "")),
        (none.with(ForwardedHeader::Prefix), owned("10.0.0.1", "https", own, "/evil")),
        (none.with(ForwardedHeader::Standard), owned("2.2.2.2", "http", "evil.example", "")),
        (
            ForwardedHeaders::DEFAULT.with(ForwardedHeader::Standard),
            owned("1.1.1.1", "http", "evil.example", ""),
        ),
    ] {
        assert_eq!(facts(headers), expected, "{headers:?}");
    }
    let unnamed = written(&read_believing(none, "10.0.0.1", &sent));
    assert_eq!(unnamed[0], "10.0.0.1");
    assert_eq!(unnamed[2], own);
}

#[test]
fn the_standard_header_tells_protocol_and_host() {
    for (sent, scheme, host) in [
        ("for=1.1.1.1;proto=http;host=shop.example", "http", "shop.example"),
        ("For=1.1.1.1;Host=\"Shop.example:8443\";Proto=HTTP", "http", "shop.example:8443"),
        // of the request that the outermost proxy got, not of those between proxies
        ("for=1.1.1.1;proto=http;host=a, for=10.0.0.2;proto=https;host=b", "http", "a"),
        ("for=1.1.1.1, for=10.0.0.2;proto=http;host=b", "https", "bank.example:8243"),
        // the client wrote the entries before
        ("for=6.6.6.6;proto=http;host=evil, for=1.1.1.1", "https", "bank.example:8243"),
        // without an address, or with a hidden one, it is still the peer's own element
        ("proto=http;host=shop.example", "http", "shop.example"),
        ("for=_hidden;proto=http, for=10.0.0.2", "http", "bank.example:8243"),
        ("for=1.1.1.1;proto=http;proto=https", "https", "bank.example:8243"),
        ("for=1.1.1.1;host=\"a\\\"b\"", "https", "bank.example:8243"),
        ("for=1.1.1.1;host=a b;proto=gopher", "https", "bank.example:8243"),
        ("for=1.1.1.1;host=\"s\\hop.example\"", "https", "shop.example"),
    ] {
        let origin = read("10.0.0.1", &[("forwarded", sent)]);
        assert_eq!((origin.scheme().as_str(), origin.host().unwrap()), (scheme, host), "{sent}");
    }
    let both = read("10.0.0.1", &[("forwarded", "proto=http;host=a"), ("x-forwarded-host", "b")]);
    assert_eq!((both.scheme().as_str(), both.host()), ("http", Some("b")));
}

#[test]
fn a_port_is_the_clients_and_a_prefix_a_path() {
    for (port, scheme, host) in [
        ("8443", "https", "bank.example:8443"),
        ("443", "https", "bank.example"),
        ("443", "http", "bank.example:443"),
        ("80", "http", "bank.example"),
        ("0", "https", "bank.example:8243"),
        ("+1", "https", "bank.example:8243"),
        ("70000", "https", "bank.example:8243"),
        ("443, 80", "https", "bank.example:8243"),
    ] {
        let sent = [("x-forwarded-port", port), ("x-forwarded-proto", scheme)];
        assert_eq!(read("10.0.0.1", &sent).host(), Some(host), "{port} {scheme}");
    }
    let mut headers = HeaderMap::new();
    read("10.0.0.1", &[("x-forwarded-port", "8443")]).add_to(&mut headers);
    assert_eq!(headers["x-forwarded-port"], "8443");
    for (sent, prefix) in [
        ("/shop", "/shop"),
        ("/shop/v%7e1/", "/shop/v~1"),
        ("/", ""),
        ("shop", ""),
        ("/a/../b", ""),
        ("/a\"b", ""),
        ("/a, /b", ""),
        ("//evil.example", ""),
        ("/a?b", ""),
    ] {
        let read = read("10.0.0.1", &[("x-forwarded-prefix", sent)]);
        assert!(read.prefix() == prefix || sent == "/a/../b" || sent == "//evil.example", "{sent}");
        assert!(!read.prefix().contains("..") && !read.prefix().starts_with("//"), "{sent}");
    }
}

#[test]
fn a_request_without_a_host_claims_none() {
    let arrival = Arrival {
        peer: "1.1.1.1".parse().unwrap(),
        scheme: ClientScheme::Http,
        authority: None,
        trusted_proxies: &TrustedProxies::NONE,
    };
    let origin = ClientOrigin::read(&HeaderMap::new(), &arrival);
    assert_eq!(written(&origin), ["1.1.1.1", "http", "", "for=1.1.1.1;proto=http"]);
}

proptest! {
    /// Whatever the headers hold, the client is the peer or an address of the chain, and the
    /// written headers can be parsed.
    #[test]
    fn any_header_of_a_trusted_proxy_is_survived(chain in "[0-9a-f.:,;=\"\\[\\] for]{0,60}", standard in any::<bool>()) {
        let name = if standard { "forwarded" } else { "x-forwarded-for" };
        let origin = read("10.0.0.1", &[(name, &chain)]);
        let [addresses, _, _, forwarded] = written(&origin);
        for (name, value) in [("x-forwarded-for", addresses), ("forwarded", forwarded)] {
            let again = read("10.0.0.1", &[(name, &value)]);
            prop_assert_eq!(again.chain, origin.addresses().collect::<Vec<_>>());
        }
    }

    /// Behind a trusted proxy that appends it, a client stays itself, whatever it prepends.
    #[test]
    fn a_client_cannot_hide_behind_nonsense(claim in "\\PC{0,60}") {
        let chain = format!("{claim}, 203.0.113.9, 10.0.0.2");
        prop_assert_eq!(read("10.0.0.1", &[("x-forwarded-for", &chain)]).client().to_string(), "203.0.113.9");
    }

    /// The same holds for any number of prepended addresses.
    #[test]
    fn a_client_cannot_choose_its_address(claims in prop::collection::vec(any::<IpAddr>(), 0..20)) {
        let mut chain: Vec<String> = claims.iter().map(ToString::to_string).collect();
        chain.push("203.0.113.9".to_owned());
        prop_assert_eq!(read("10.0.0.1", &[("x-forwarded-for", &chain.join(", "))]).client().to_string(), "203.0.113.9");
    }
}
