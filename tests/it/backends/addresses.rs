//! A name with several addresses: each is asked, judged, ejected and left out for itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::asking::{ask, becomes};
use super::names::{Dns, Zone, open_with};
use crate::support::client::RawConnection;
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::silent::Silent;

const FIRST: Ipv4Addr = Ipv4Addr::LOCALHOST;
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

fn at(address: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::from((IpAddr::V4(address), port))
}

fn has(answers: &[(u16, String)], name: &str) -> bool {
    answers.iter().any(|answer| answer.1 == name)
}

#[tokio::test]
async fn an_address_that_refuses_costs_no_request_whatever_is_configured() {
    for lines in [
        "retries = { attempts = 0 }",
        "eject = { consecutive_failures = 1, for = \"10s\", max_ejected = 1.0 }",
        "health = { path = \"/health\", interval = \"50ms\", healthy = 1, unhealthy = 1 }",
        "balance = \"least_requests\"",
        "balance = \"consistent_hash\"",
    ] {
        let good = Origin::serving_at(at(SECOND, 0), Script::answer(200, &[], "good"));
        let dns = Dns::start(Zone::Addresses(vec![FIRST, SECOND, Ipv4Addr::new(127, 0, 0, 3)]));
        let url = format!("http://api.bank.test:{}", good.address().port());
        let gateway = open_with(&dns, &url, lines).await;
        for _ in 0..16 {
            for method in ["GET", "POST"] {
                assert_eq!(ask(&gateway, method).await, (200, "good".to_owned()), "{lines}");
            }
        }
    }
}

#[tokio::test]
async fn a_silent_address_costs_no_request_its_answer() {
    let silent = Silent::start(FIRST);
    let port = silent.address().port();
    let _good = Origin::serving_at(at(SECOND, port), Script::answer(200, &[], "good"));
    let dns = Dns::start(Zone::Addresses(vec![FIRST, SECOND]));
    let lines = "connect_timeout = \"2s\"\nretries = { attempts = 0 }";
    let gateway = open_with(&dns, &format!("http://api.bank.test:{port}"), lines).await;
    for _ in 0..16 {
        assert_eq!(ask(&gateway, "POST").await, (200, "good".to_owned()));
    }
}

#[tokio::test]
async fn connections_are_used_again_where_only_one_family_answers() {
    let good = Origin::serving_at(at(FIRST, 0), Script::answer(200, &[], "good"));
    let dns = Dns::start(Zone::BothFamilies(FIRST, Ipv6Addr::LOCALHOST));
    let url = format!("http://local.bank.test:{}", good.address().port());
    let gateway = open_with(&dns, &url, "").await;
    let mut client = RawConnection::open(gateway.address()).await.unwrap();
    for _ in 0..40 {
        client.send("GET /any/1/x HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        assert_eq!(client.answer().await.unwrap().unwrap().body, b"good");
    }
    assert_eq!(good.connections(), 1);
}

#[tokio::test]
async fn only_the_address_that_fails_is_ejected() {
    let one = Origin::serving_at(at(FIRST, 0), Script::answer(503, &[], "ill"));
    let two = Origin::serving_at(at(SECOND, one.address().port()), Script::answer(200, &[], "two"));
    let dns = Dns::start(Zone::Addresses(vec![FIRST, SECOND]));
    let lines = "eject = { consecutive_failures = 2, for = \"1m\", max_ejected = 0.5 }";
    let url = format!("http://api.bank.test:{}", one.address().port());
    let gateway = open_with(&dns, &url, lines).await;
    becomes(&gateway, "the ill address is out", |answers| {
        answers.iter().all(|answer| answer.1 == "two")
    })
    .await;
    assert!(gateway.metrics().await.contains("portcullis_backend_ejections_total 1"));
    let before = one.received().len();
    for _ in 0..20 {
        assert_eq!(ask(&gateway, "GET").await, (200, "two".to_owned()));
    }
    assert_eq!(one.received().len(), before);
    drop(two);
}

#[tokio::test]
async fn each_address_is_checked_for_itself() {
    let one = Origin::serving_at(at(FIRST, 0), Script::answer(200, &[], "one"));
    let two = Origin::serving_at(at(SECOND, one.address().port()), Script::answer(200, &[], "two"));
    let dns = Dns::start(Zone::Addresses(vec![FIRST, SECOND]));
    let lines = "health = { path = \"/health\", interval = \"50ms\", healthy = 1, unhealthy = 1 }\nslow_start = \"0s\"";
    let url = format!("http://api.bank.test:{}", one.address().port());
    let gateway = open_with(&dns, &url, lines).await;
    becomes(&gateway, "both answer", |answers| has(answers, "one") && has(answers, "two")).await;
    one.always(Script::answer(500, &[], "ill"));
    becomes(&gateway, "the ill address is out", |answers| {
        answers.iter().all(|answer| answer.1 == "two")
    })
    .await;
    one.always(Script::answer(200, &[], "one"));
    becomes(&gateway, "it is back", |answers| has(answers, "one")).await;
    drop(two);
}

#[tokio::test]
async fn the_weight_of_a_url_is_divided_among_its_addresses() {
    let one = Origin::serving_at(at(FIRST, 0), Script::answer(200, &[], "named"));
    let port = one.address().port();
    let two = Origin::serving_at(at(SECOND, port), Script::answer(200, &[], "named"));
    let other = Origin::serving(Script::answer(200, &[], "other"));
    let dns = Dns::start(Zone::Addresses(vec![FIRST, SECOND]));
    let url = format!("http://api.bank.test:{port}\", \"{}", other.url());
    let gateway = open_with(&dns, &url, "").await;
    let mut client = RawConnection::open(gateway.address()).await.unwrap();
    let mut named = 0;
    for _ in 0..40 {
        client.send("GET /any/1/x HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        named += usize::from(client.answer().await.unwrap().unwrap().body == b"named");
    }
    assert!((19..=21).contains(&named), "half of the turns, not two thirds: {named}");
    assert!(one.received().len().abs_diff(two.received().len()) <= 1);
}
