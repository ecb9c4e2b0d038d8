//! Bodies of requests whose method seldom has one, and requests that say that they have none.

use bytes::Bytes;
use http::Request;

use crate::support::bank::Bank;
use crate::support::client::{Client, Protocol, RawConnection};
use crate::support::config::{Api, api};
use crate::support::frames::{END_HEADERS, END_STREAM, Frames, frame, kind, request};
use crate::support::http2_origin::Http2Origin;
use crate::support::origin::Origin;
use crate::support::script::Script;

fn search(backend: &str, production: &str) -> Api {
    api("search:1").open().to(backend).production(production)
}

const METHODS: [&str; 6] = ["GET", "HEAD", "OPTIONS", "DELETE", "QUERY", "POST"];

#[tokio::test]
async fn a_chunked_body_reaches_the_backend_whatever_the_method() {
    let origin = Origin::start();
    let bank = Bank::beside(search(&origin.url(), "")).await;
    for (method, count) in METHODS.into_iter().zip(1..) {
        let mut raw = RawConnection::open(bank.gateway.address()).await.unwrap();
        raw.send(format!(
            "{method} /search/1/_search HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        ))
        .await
        .unwrap();
        raw.send("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n").await.unwrap();
        let received = origin.wait_for(count).await.pop().unwrap();
        assert_eq!((received.method.as_str(), received.complete), (method, true));
        assert_eq!(received.body, b"hello world", "{method}");
        assert_eq!(received.values("transfer-encoding"), ["chunked"], "{method}");
        assert!(received.values("content-length").is_empty(), "{method}");
    }
    let lines = bank.gateway.log(METHODS.len()).await;
    assert!(lines.iter().all(|line| line["request_bytes"] == 11), "{lines:?}");
}

#[tokio::test]
async fn a_body_of_http2_reaches_the_backend_whatever_the_method() {
    let origin = Origin::start();
    let bank = Bank::beside(search(&origin.url(), "")).await;
    for (method, count) in METHODS.into_iter().zip(1..) {
        for (length, offset) in [(None, 0), (Some(("content-length", "5")), 1)] {
            let mut frames = Frames::open(bank.gateway.address(), &[]).await.unwrap();
            let more: Vec<(&str, &str)> = length.into_iter().collect();
            let head = request(1, 0, method, "/search/1/_search", &more);
            frames.send(head).await.unwrap();
            frames.send(frame(kind::DATA, END_STREAM, 1, b"hello")).await.unwrap();
            let received = origin.wait_for(count * 2 - 1 + offset).await.pop().unwrap();
            assert_eq!(received.body, b"hello", "{method}");
            let framing = if length.is_some() { ["5"] } else { ["chunked"] };
            let names = ["content-length", "transfer-encoding"];
            let sent: Vec<&str> = names.iter().flat_map(|name| received.values(name)).collect();
            assert_eq!(sent, framing, "{method}");
        }
    }
    let lines = bank.gateway.log(METHODS.len() * 2).await;
    assert!(lines.iter().all(|line| line["request_bytes"] == 5), "{lines:?}");
}

#[tokio::test]
async fn a_get_with_a_body_passes_to_a_backend_of_http2() {
    let (seen, mut saw) = tokio::sync::mpsc::unbounded_channel();
    let origin = Http2Origin::start(None, &[], move |mut served| {
        let seen = seen.clone();
        async move {
            let mut body: Vec<u8> = Vec::new();
            while let Some(came) = served.next().await {
                if came.kind == kind::DATA {
                    body.extend(&came.payload);
                }
                if came.ends() {
                    let _ = seen.send(std::mem::take(&mut body));
                    served.answer(came.stream).await;
                }
            }
        }
    })
    .await;
    let backend = format!("http://{}", origin.address);
    let bank = Bank::beside(search(&backend, "http2 = \"always\"")).await;
    let mut raw = RawConnection::open(bank.gateway.address()).await.unwrap();
    raw.send("GET /search/1/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(raw.answer().await.unwrap().unwrap().status, 200);
    assert_eq!(saw.recv().await.unwrap(), b"yes");
}

#[tokio::test]
async fn a_request_without_a_body_says_so_where_its_method_expects_one() {
    let origin = Origin::start();
    let bank = Bank::beside(search(&origin.url(), "")).await;
    let methods =
        [("POST", true), ("PUT", true), ("PATCH", true), ("GET", false), ("DELETE", false)];
    for ((method, says), count) in methods.into_iter().zip(1..) {
        let request = Request::builder()
            .method(method)
            .uri(bank.gateway.url("/search/1/a"))
            .body(Bytes::new())
            .unwrap();
        // by hand: clients of libraries say it themselves
        let mut frames = Frames::open(bank.gateway.address(), &[]).await.unwrap();
        let head = crate::support::frames::request(
            1,
            END_STREAM | END_HEADERS,
            method,
            request.uri().path(),
            &[],
        );
        frames.send(head).await.unwrap();
        let received = origin.wait_for(count).await.pop().unwrap();
        let expected: &[&str] = if says { &["0"] } else { &[] };
        assert_eq!(received.values("content-length"), expected, "{method}");
        assert!(received.values("transfer-encoding").is_empty(), "{method}");
    }
    // the connection is good for another request
    let again = Request::get(bank.gateway.url("/search/1/b")).body(Bytes::new()).unwrap();
    assert_eq!(Client::plain(Protocol::Http2).send(again).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_get_with_a_body_is_not_sent_again_without_it() {
    let origin = Origin::serving(Script::answer(502, &[], "down"));
    let more = "retries = { attempts = 2, on = [\"502\", \"reset\"] }";
    let bank = Bank::beside(search(&origin.url(), more)).await;
    let ask = async |head: &str| {
        let mut raw = RawConnection::open(bank.gateway.address()).await.unwrap();
        raw.send(format!("GET /search/1/a HTTP/1.1\r\nHost: a\r\n{head}")).await.unwrap();
        assert_eq!(raw.answer().await.unwrap().unwrap().status, 502);
        origin.received().len()
    };
    assert_eq!(ask("Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n").await, 1);
    assert_eq!(ask("\r\n").await, 4, "without a body it is");
}

/// Some clients end their stream with an empty frame: that is no body.
#[tokio::test]
async fn a_stream_that_ends_with_an_empty_frame_has_no_body() {
    let origin = Origin::start();
    let bank = Bank::beside(search(&origin.url(), "")).await;
    let mut frames = Frames::open(bank.gateway.address(), &[]).await.unwrap();
    let both = [request(1, 0, "GET", "/search/1/a", &[]), frame(kind::DATA, END_STREAM, 1, b"")];
    frames.send(both.concat()).await.unwrap();
    let received = origin.wait_for(1).await.pop().unwrap();
    assert!(received.values("transfer-encoding").is_empty(), "{received:?}");
}
