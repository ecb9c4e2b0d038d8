//! Who is believed about a client, and how a backend is told.

use proptest::prelude::*;

use super::*;

const PROXIES: [&str; 2] = ["10.0.0.0/8", "fd00::/8"];

fn read(peer: &str, sent: &[(&'static str, &str)]) -> Origin {
    let mut headers = HeaderMap::new();
    for (name, value) in sent {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let authority = parse_authority("Bank.example:8243").unwrap();
    let trusted = PROXIES.map(|network| network.parse().unwrap());
    let peer = peer.parse().unwrap();
    Origin::read(
        &headers,
        &Arrival {
            peer,
            scheme: ClientScheme::Https,
            authority: Some(&authority),
            trusted_proxies: &trusted,
        },
    )
}

fn written(origin: &Origin) -> [String; 4] {
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
        "for=1.1.1.1;host=\"bank.example:8243\";proto=https, for=\"[2001:db8::1]\", for=10.9.9.9, for=10.0.0.1"
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
        // a quote that was never closed takes what follows with it
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
fn a_request_without_a_host_claims_none() {
    let arrival = Arrival {
        peer: "1.1.1.1".parse().unwrap(),
        scheme: ClientScheme::Http,
        authority: None,
        trusted_proxies: &[],
    };
    let origin = Origin::read(&HeaderMap::new(), &arrival);
    assert_eq!(written(&origin), ["1.1.1.1", "http", "", "for=1.1.1.1;proto=http"]);
}

proptest! {
    /// Whatever stands in the headers, the client is the peer or an address of the chain, and what is written can be read.
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

    /// Whatever a client prepends, behind a trusted proxy that appends it stays itself.
    #[test]
    fn a_client_cannot_hide_behind_nonsense(claim in "\\PC{0,60}") {
        let chain = format!("{claim}, 203.0.113.9, 10.0.0.2");
        prop_assert_eq!(read("10.0.0.1", &[("x-forwarded-for", &chain)]).client().to_string(), "203.0.113.9");
    }

    /// However many addresses it prepends.
    #[test]
    fn a_client_cannot_choose_its_address(claims in prop::collection::vec(any::<IpAddr>(), 0..20)) {
        let mut chain: Vec<String> = claims.iter().map(ToString::to_string).collect();
        chain.push("203.0.113.9".to_owned());
        prop_assert_eq!(read("10.0.0.1", &[("x-forwarded-for", &chain.join(", "))]).client().to_string(), "203.0.113.9");
    }
}
