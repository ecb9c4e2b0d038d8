//! What holds for every chain of proxies: a client that nobody vouches for is its own address, and what is written is read
//! back as the same facts, in both notations.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use http::HeaderMap;
use portcullis::forward::forwarded::{Arrival, ClientOrigin, ClientScheme, MAX_CHAIN};
use portcullis::model::proxies::{ForwardedHeader, ForwardedHeaders, TrustedProxies};

use crate::header_lines;

pub(crate) fn check(bytes: &[u8]) {
    let sent = header_lines::read(bytes);
    let stranger = ClientOrigin::read(&sent, &arrival(STRANGER));
    assert_eq!((stranger.client(), stranger.scheme()), (STRANGER, ClientScheme::Http));
    assert_eq!(
        written(&stranger).get("x-forwarded-for").map(http::HeaderValue::as_bytes),
        Some(b"203.0.113.9".as_slice())
    );

    let origin = ClientOrigin::read(&sent, &arrival(PROXY));
    if let Some(named) = simplest_reading(&sent) {
        let read = &named[named.len().saturating_sub(MAX_CHAIN)..];
        let nearest = read.iter().rev().find(|address| !is_trusted(**address));
        assert_eq!(Some(origin.client()), nearest.or(read.first()).copied(), "{named:?}");
    }
    let headers = written(&origin);
    for name in headers.keys() {
        assert_eq!(headers.get_all(name).iter().count(), 1, "{name}");
    }
    assert_eq!(
        headers.get("x-forwarded-proto").map(http::HeaderValue::as_bytes),
        Some(origin.scheme().as_str().as_bytes())
    );
    let addresses = simplest_reading(&headers).expect("what we write can be read");
    assert!(addresses.len() <= MAX_CHAIN + 1 && addresses.last() == Some(&PROXY), "{addresses:?}");
    assert!(addresses.contains(&origin.client()));
    // of a longer one the next hop reads the end only
    if addresses.len() <= MAX_CHAIN {
        reads_back(&origin, &headers);
        let mut only_forwarded = headers.clone();
        only_forwarded.remove("x-forwarded-for");
        reads_back(&origin, &only_forwarded);
    }
}

/// A gateway behind this one comes to the same facts.
fn reads_back(origin: &ClientOrigin, headers: &HeaderMap) {
    let next = ClientOrigin::read(headers, &arrival(PROXY));
    assert_eq!((next.client(), next.scheme()), (origin.client(), origin.scheme()), "{headers:?}");
    assert_eq!(written(&next).get("x-forwarded-host"), headers.get("x-forwarded-host"));
}

fn written(origin: &ClientOrigin) -> HeaderMap {
    let mut headers = HeaderMap::new();
    origin.add_to(&mut headers);
    headers
}

/// `X-Forwarded-For` where it is nothing but addresses.
fn simplest_reading(headers: &HeaderMap) -> Option<Vec<IpAddr>> {
    let lines: Option<Vec<&str>> =
        headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().ok()).collect();
    let lines = lines.filter(|lines| !lines.is_empty())?.join(",");
    let addresses: Result<Vec<IpAddr>, _> =
        lines.split(',').map(|address| address.trim().parse()).collect();
    Some(addresses.ok()?.into_iter().map(|address| address.to_canonical()).collect())
}

fn arrival(peer: IpAddr) -> Arrival<'static> {
    Arrival { peer, scheme: ClientScheme::Http, authority: None, trusted_proxies: &TRUSTED }
}

fn is_trusted(address: IpAddr) -> bool {
    TRUSTED.include(address)
}

static TRUSTED: LazyLock<TrustedProxies> = LazyLock::new(|| {
    let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().expect("a network"));
    let headers =
        ForwardedHeader::ALL.into_iter().fold(ForwardedHeaders::NONE, ForwardedHeaders::with);
    TrustedProxies { networks: networks.into(), headers, certificate: None }
});

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
