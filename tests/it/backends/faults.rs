//! A backend that misbehaves: what the client gets, and what never happens to the request.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use serde_json::json;

use crate::support::bank::{self, Bank};
use crate::support::client::{Client, Protocol, RawConnection};
use crate::support::config::api;
use crate::support::gateway::json;
use crate::support::origin::Origin;
use crate::support::script::Script;

const PATH: &str = "/accounts/1.0.0/accounts/42";

#[tokio::test]
async fn no_answer_is_502_or_504_with_a_reason() {
    let rows = [
        ("closes before a head", Script::close(), 502, "101505", "backend_reset"),
        ("resets before a head", Script::reset(), 502, "101505", "backend_reset"),
        (
            "says what is not HTTP",
            Script::bytes("SMTP ready\r\n\r\n"),
            502,
            "101506",
            "backend_protocol",
        ),
        ("says nothing", Script::hang(), 504, "101504", "backend_timeout"),
    ];
    for (what, script, status, code, reason) in rows {
        let bank = Bank::open().await;
        bank.production.always(script);
        let answer = bank.gateway.get(PATH, Some(&bank.token())).await;
        assert_eq!(answer.status(), status, "{what}");
        assert_eq!(
            (&json(&answer)["code"], &json(&answer)["type"]),
            (&json!(code), &json!("Status report")),
            "{what}"
        );
        assert!(answer.headers().contains_key("portcullis-denial"), "{what}");
        assert_eq!(bank.gateway.log(1).await[0]["reason"], reason, "{what}");
        assert_eq!(bank.production.received().len(), 1, "{what}: asked once");
    }
}

#[tokio::test]
async fn a_backend_that_is_not_there_is_503() {
    let bank = Bank::open().await;
    let nowhere = format!("http://{}", Origin::refusing_address());
    let change = |_| bank::config(&nowhere, "http://nowhere.invalid:80", &bank.signer);
    bank.reload(change).await.unwrap();
    let answer = bank.gateway.get(PATH, Some(&bank.token())).await;
    assert_eq!((answer.status().as_u16(), &json(&answer)["code"]), (503, &json!("101503")));
    let sandbox = bank.token_of("good-sandbox", "accounts:read");
    let answer = bank.gateway.get(PATH, Some(&sandbox)).await;
    assert_eq!((answer.status().as_u16(), &json(&answer)["code"]), (503, &json!("303001")));
}

#[tokio::test]
async fn a_body_that_ends_early_is_a_truncation_for_the_client_too() {
    let bank = Bank::open().await;
    let request =
        format!("GET {PATH} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", bank.token());
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    for script in [Script::ends_early(100, "half"), Script::bytes(chunked).then_close()] {
        bank.production.always(script);
        let mut raw = RawConnection::open(bank.gateway.address()).await.unwrap();
        raw.send(request.as_bytes()).await.unwrap();
        let answer = raw.answer().await.unwrap().expect("a head");
        assert_eq!((answer.status, answer.complete), (200, false), "{answer:?}");
        assert_eq!(answer.body, b"half", "what came is passed on");
    }
    for line in bank.gateway.log(2).await {
        assert_eq!(line["ending"], "backend_truncated", "{line}");
    }
}

#[tokio::test]
async fn targets_take_turns_and_a_dead_one_is_passed_over() {
    let (one, two) = (Origin::start(), Origin::start());
    let dead = Origin::refusing_address();
    let urls = format!(
        "urls = [\"{}\", {{ url = \"{}\", weight = 2 }}, \"http://{dead}\"]",
        one.url(),
        two.url()
    );
    let bank = Bank::beside(api("turns:1").open().production(&urls)).await;
    for _ in 0..40 {
        assert_eq!(
            bank.gateway
                .request("POST", "/turns/1/x", None, Bytes::from_static(b"body"))
                .await
                .status(),
            200
        );
    }
    let (one, two) = (one.received().len(), two.received().len());
    assert_eq!(one + two, 40);
    assert!(one >= 5 && two > one, "{one} and {two}");
}

#[tokio::test]
async fn a_connection_that_the_backend_closed_while_idle_is_not_an_error() {
    let bank = Bank::open().await;
    bank.production.close_after(1);
    let token = bank.token();
    for _ in 0..4 {
        assert_eq!(bank.gateway.get(PATH, Some(&token)).await.status(), 200);
        // idle for longer than half a second: from then on a request is sent again, however late the end is noticed
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
}

#[tokio::test]
async fn a_post_is_never_sent_twice() {
    let bank = Bank::open().await;
    let token = bank.token();
    assert_eq!(
        bank.gateway
            .request("POST", "/accounts/1.0.0/accounts", Some(&token), Bytes::from_static(b"1"))
            .await
            .status(),
        200
    );
    bank.production.always(Script::close());
    let answer = bank
        .gateway
        .request("POST", "/accounts/1.0.0/accounts", Some(&token), Bytes::from_static(b"2"))
        .await;
    assert_eq!(answer.status(), 502);
    assert_eq!(
        bank.production.received().iter().filter(|received| received.body == b"2").count(),
        1
    );
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_backends_request() {
    let bank = Bank::open().await;
    bank.production.always(Script::answer(200, &[], "late").after(Duration::from_secs(10)));
    let mut raw = RawConnection::open(bank.gateway.address()).await.unwrap();
    // an API whose response timeout is the default
    let head = format!(
        "GET /production-only/1.0.0/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n",
        bank.token()
    );
    raw.send(head.as_bytes()).await.unwrap();
    bank.production.wait_for(1).await;
    let left = Instant::now();
    drop(raw);
    let line = bank.gateway.log(1).await.remove(0);
    assert_eq!(
        (&line["status"], &line["reason"]),
        (&json!(499), &json!("client_closed")),
        "{line}"
    );
    assert!(left.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn an_early_answer_ends_the_upload_on_either_protocol() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let origin = Origin::serving(Script::answer(403, &[], "no").then_hang().early());
        let bank = Bank::beside(api("upload:1").open().to(&origin.url())).await;
        let request = Request::post(bank.gateway.url("/upload/1/x"))
            .body(Bytes::from(vec![b'x'; 8 * 1024 * 1024]))
            .unwrap();
        let answer = Client::plain(protocol).send(request).await;
        // HTTP/1 clients may lose the answer to the reset of their upload; HTTP/2 ones are told
        match (protocol, answer) {
            (_, Ok(answer)) => assert_eq!(answer.status(), 403, "{protocol:?}"),
            (Protocol::Http1, Err(_)) => {}
            (Protocol::Http2, Err(error)) => panic!("{error}"),
        }
        let line = bank.gateway.log(1).await.remove(0);
        assert_eq!(line["status"], 403, "{protocol:?}: {line}");
    }
}
