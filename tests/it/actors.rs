//! The actors themselves: a test that fails because its backend or its authorization server lies is worth nothing.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::support::client::{Client, Protocol, RawConnection};
use crate::support::idp::{Idp, PRODUCTS};
use crate::support::origin::Origin;
use crate::support::script::Script;

const GET: &str = "GET /a HTTP/1.1\r\nhost: x\r\n\r\n";

fn get(url: &str) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

async fn raw(origin: &Origin) -> RawConnection {
    RawConnection::open(origin.address()).await.unwrap()
}

#[tokio::test]
async fn the_origin_records_requests_byte_for_byte_and_echoes_them() {
    let origin = Origin::start();
    let mut connection = raw(&origin).await;
    let head = "POST /a?b=%2f HTTP/1.1\r\nHost: x\r\nX-Odd:  two  \r\nx-odd: again\r\nTransfer-Encoding: chunked\r\n\r\n";
    connection
        .send(format!("{head}3\r\nabc\r\n2;ext\r\nde\r\n0\r\nx-sum: 5\r\n\r\n"))
        .await
        .unwrap();
    let answer = connection.answer().await.unwrap().unwrap();
    assert_eq!(answer.status, 200);
    let echoed: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(echoed["target"], "/a?b=%2f");
    assert_eq!(echoed["body"], "abcde");

    let received = &origin.received()[0];
    assert_eq!(received.head, head.as_bytes());
    assert_eq!((received.method.as_str(), received.target.as_str()), ("POST", "/a?b=%2f"));
    assert_eq!(received.values("x-odd"), ["two", "again"]);
    assert_eq!(received.body, b"abcde");
    assert_eq!(received.trailers, [("x-sum".to_owned(), "5".to_owned())]);
    assert!(received.complete);
}

#[tokio::test]
async fn the_origin_plays_queued_scripts_in_order_and_keeps_the_connection() {
    let origin = Origin::serving(Script::answer(200, &[], "always"));
    origin.once(Script::answer(503, &[("retry-after", "1")], "first"));
    origin.once(Script::chunked(&["one", "two"], &[("x-end", "here")]));
    let mut connection = raw(&origin).await;
    connection.send(GET.repeat(3)).await.unwrap();
    let first = connection.answer().await.unwrap().unwrap();
    assert_eq!(
        (first.status, first.header("Retry-After"), first.body.as_slice()),
        (503, Some("1"), b"first".as_slice())
    );
    let second = connection.answer().await.unwrap().unwrap();
    assert_eq!(
        (second.body.as_slice(), second.trailers.as_str(), second.complete),
        (b"onetwo".as_slice(), "x-end: here\r\n", true)
    );
    assert_eq!(connection.answer().await.unwrap().unwrap().body, b"always");
    assert_eq!(origin.connections(), 1);
    origin.always(Script::answer(204, &[], ""));
    connection.send("HEAD /a HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_eq!(connection.answer().await.unwrap().unwrap().status, 204);
    assert!(origin.received().iter().all(|request| request.connection == 1));
}

#[tokio::test]
async fn the_origin_misbehaves_as_told() {
    let origin = Origin::start();
    origin.once(Script::ends_early(100, "only this"));
    origin.once(Script::close());
    origin.once(Script::reset());
    origin.once(Script::bytes("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").then_reset());
    origin.once(Script::bytes("\0garbage\r\n").then_close());

    let mut connection = raw(&origin).await;
    connection.send(GET).await.unwrap();
    let truncated = connection.answer().await.unwrap().unwrap();
    assert_eq!((truncated.body.as_slice(), truncated.complete), (b"only this".as_slice(), false));

    let mut connection = raw(&origin).await;
    connection.send(GET).await.unwrap();
    assert!(connection.answer().await.unwrap().is_none());

    let refused = Client::plain(Protocol::Http1).send(get(&origin.url())).await.unwrap_err();
    assert!(format!("{refused:?}").contains("ConnectionReset"), "{refused:?}");

    let mut connection = raw(&origin).await;
    connection.send(GET).await.unwrap();
    let reset = connection.answer().await.unwrap().unwrap();
    assert_eq!((reset.body.as_slice(), reset.complete), (b"half".as_slice(), false));

    let mut connection = raw(&origin).await;
    connection.send(GET).await.unwrap();
    assert_eq!(connection.rest().await.unwrap(), b"\0garbage\r\n");
    assert_eq!(origin.connections(), 5);
}

#[tokio::test]
async fn the_origin_delays_drips_hangs_and_answers_early() {
    let origin = Origin::start();
    let pause = Duration::from_millis(20);
    origin.once(Script::echo().after(pause * 3));
    origin.once(Script::drip("slow", pause));
    let mut connection = raw(&origin).await;
    for expected in [pause * 3, pause * 3] {
        let begun = Instant::now();
        connection.send(GET).await.unwrap();
        assert!(connection.answer().await.unwrap().unwrap().complete);
        assert!(begun.elapsed() >= expected, "{:?}", begun.elapsed());
    }

    origin.once(Script::answer(413, &[], "").early());
    connection.send("POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nab").await.unwrap();
    assert_eq!(connection.answer().await.unwrap().unwrap().status, 413);
    assert!(!origin.received()[2].complete);

    for silent in [Script::hang(), Script::bytes("HTTP/1.1 200 OK\r\n").then_hang()] {
        origin.once(silent);
        let mut connection = raw(&origin).await;
        connection.send(GET).await.unwrap();
        let silence = tokio::time::timeout(pause * 2, connection.answer()).await;
        assert!(silence.is_err(), "{silence:?}");
    }
    assert_eq!(origin.wait_for(5).await.len(), 5);
}

#[tokio::test]
async fn the_origin_sees_an_upload_that_was_given_up() {
    let origin = Origin::start();
    let mut connection = raw(&origin).await;
    connection.send("POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
    connection.finish().await.unwrap();
    let received = origin.wait_for(1).await;
    assert_eq!((received[0].body.as_slice(), received[0].complete), (b"half".as_slice(), false));
}

#[tokio::test]
async fn the_origin_closes_after_so_many_answers_and_an_address_refuses() {
    let origin = Origin::start();
    origin.close_after(2);
    let mut connection = raw(&origin).await;
    connection.send(GET.repeat(3)).await.unwrap();
    for _ in 0..2 {
        assert_eq!(connection.answer().await.unwrap().unwrap().status, 200);
    }
    assert!(connection.answer().await.unwrap().is_none());
    assert_eq!(
        RawConnection::open(Origin::refusing_address()).await.err().unwrap().kind(),
        std::io::ErrorKind::ConnectionRefused
    );
}

#[tokio::test]
async fn the_client_keeps_a_connection() {
    let origin = Origin::start();
    let url = origin.url();
    let mut connection =
        Client::plain(Protocol::Http1).connect(&url.parse().unwrap()).await.unwrap();
    for _ in 0..2 {
        let request = Request::builder()
            .method(Method::PUT)
            .uri(format!("{url}/x?y"))
            .body(Bytes::from("body"))
            .unwrap();
        assert_eq!(connection.send(request).await.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(origin.connections(), 1);
    assert_eq!(origin.received()[1].values("host"), [origin.address().to_string()]);
    // HTTP/2 with prior knowledge: the backend, which speaks 1.1, sees the preface
    let refused = Client::plain(Protocol::Http2).send(get(&url)).await;
    assert!(refused.is_err());
    assert_eq!(origin.received()[2].head, b"PRI * HTTP/2.0\r\n\r\n");
}

#[tokio::test]
async fn every_preset_issues_a_token() {
    let idp = Idp::shared().await;
    for preset in PRODUCTS.into_iter().chain(["secure"]) {
        let token = idp.token(preset).await;
        let claims: Value =
            serde_json::from_slice(&decode(token.split('.').nth(1).unwrap())).unwrap();
        assert_eq!(claims["iss"], idp.issuer(preset), "{preset}");
    }
    for preset in ["wso2is-org1", "wso2is-org2", "opaque"] {
        assert!(!idp.token(preset).await.contains('.'), "{preset}");
    }
    let narrow = idp.token_for("okta", ("app-beta", "beta-secret"), "read").await;
    let claims: Value = serde_json::from_slice(&decode(narrow.split('.').nth(1).unwrap())).unwrap();
    assert_eq!((&claims["cid"], &claims["scp"]), (&json!("app-beta"), &json!(["read"])));
    let user = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", "alice-password"),
        ("scope", "read"),
    ];
    let of_user = idp.grant("wso2is7", ("app-alpha", "alpha-secret"), &user).await;
    let claims: Value =
        serde_json::from_slice(&decode(of_user.split('.').nth(1).unwrap())).unwrap();
    assert_eq!(claims["aut"], "APPLICATION_USER");
    assert_eq!(idp.consumer_key("okta"), "0oa1example2345678x7");
}

#[tokio::test]
async fn the_authorization_server_rotates_fails_and_counts() {
    let idp = Idp::start(&["generic", "secure"]).await;
    let client = Client::plain(Protocol::Http1);
    let key_ids = async || -> Vec<String> {
        let answer = client.send(get(idp.jwks("generic"))).await.unwrap();
        let document: Value = serde_json::from_slice(answer.body()).unwrap();
        document["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    };
    let before = key_ids().await;
    idp.rotate("generic", "replace").await;
    let after = key_ids().await;
    assert!(after.iter().all(|kid| !before.contains(kid)), "{before:?} {after:?}");
    assert_eq!(idp.stats("generic").await["jwks"], 2);

    idp.fault("generic", json!({ "route": "discovery", "status": 500 })).await;
    let discover = async || client.send(get(idp.well_known("generic"))).await.unwrap();
    assert_eq!(discover().await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    idp.heal("generic", "discovery").await;
    let document: Value = serde_json::from_slice(discover().await.body()).unwrap();
    assert_eq!(document["issuer"], idp.issuer("generic"));

    let jwks: http::Uri = idp.jwks("secure").parse().unwrap();
    let address = jwks.authority().unwrap().as_str().parse().unwrap();
    let mut connection =
        RawConnection::open_tls(address, "localhost", idp.ca("secure")).await.unwrap();
    connection.send(format!("GET {} HTTP/1.1\r\nhost: x\r\n\r\n", jwks.path())).await.unwrap();
    assert_eq!(connection.answer().await.unwrap().unwrap().status, 200);
}

fn decode(part: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()
}
