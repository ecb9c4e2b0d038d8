//! Answers whose framing is wrong: what cannot be passed on truly is 502, and no later request pays for it.

use std::time::Duration;

use serde_json::json;

use crate::support::client::{RawAnswer, RawConnection};
use crate::support::config::{Config, api};
use crate::support::frames::{END_HEADERS, END_STREAM, frame, kind};
use crate::support::gateway::Gateway;
use crate::support::http2_origin::{Http2Origin, OK};
use crate::support::origin::Origin;
use crate::support::script::{Script, Step};

async fn open(backend: &Origin) -> Gateway {
    Config::new().api(api("any:1").open().to(&backend.url())).start().await
}

async fn ask(client: &mut RawConnection, method: &str) -> RawAnswer {
    client.send(format!("{method} /any/1/x HTTP/1.1\r\nHost: a\r\n\r\n")).await.unwrap();
    client.answer().await.unwrap().expect("an answer, not the end of the connection")
}

#[tokio::test]
async fn a_framing_with_two_readings_is_502_with_a_reason() {
    let rows = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    ];
    let backend = Origin::serving(Script::answer(200, &[], "good"));
    let gateway = open(&backend).await;
    let mut client = RawConnection::open(gateway.address()).await.unwrap();
    for row in rows {
        let before = backend.connections();
        backend.always(Script::bytes(row));
        let answer = ask(&mut client, "GET").await;
        backend.always(Script::answer(200, &[], "good"));
        assert_eq!(answer.status, 502, "{row:?}: {answer:?}");
        assert!(String::from_utf8_lossy(&answer.body).contains("101506"), "{answer:?}");
        assert!(answer.header("portcullis-denial").is_some(), "{answer:?}");
        let next = ask(&mut client, "GET").await;
        assert_eq!((next.status, &*next.body), (200, &b"good"[..]), "after {row:?}");
        assert!(backend.connections() > before, "the connection is not used again: {row:?}");
    }
    let log = gateway.log(2 * rows.len()).await;
    let refused: Vec<_> = log.iter().filter(|line| line["status"] == 502).collect();
    assert_eq!(refused.len(), rows.len());
    assert!(refused.iter().all(|line| line["reason"] == json!("backend_protocol")));
    let message = refused[0]["message"].to_string();
    assert!(message.contains("both Content-Length and Transfer-Encoding"), "{message}");
}

#[tokio::test]
async fn bytes_after_an_answer_harm_neither_it_nor_the_next_request() {
    let smuggled = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let rows = [
        ("GET", format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello{smuggled}"), "hello"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello world".to_owned(), "hello"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\r\n".to_owned(), "hello"),
        ("GET", format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n{smuggled}"), ""),
        (
            "GET",
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n{smuggled}"
            ),
            "hello",
        ),
        ("HEAD", format!("HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n{smuggled}"), ""),
        ("GET", format!("HTTP/1.1 204 No Content\r\nContent-Length: 44\r\n\r\n{smuggled}"), ""),
        (
            "GET",
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
            "",
        ),
        ("GET", format!("HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n{smuggled}"), ""),
        ("POST", format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello{smuggled}"), "hello"),
    ];
    let backend = Origin::serving(Script::answer(200, &[], "good"));
    let gateway = open(&backend).await;
    for (method, bytes, body) in rows {
        let mut client = RawConnection::open(gateway.address()).await.unwrap();
        assert_eq!(ask(&mut client, "GET").await.status, 200);
        backend.once(Script::bytes(bytes.clone()));
        if method == "HEAD" {
            client.send("HEAD /any/1/x HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            let head = client.head().await.unwrap();
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        } else {
            let answer = ask(&mut client, method).await;
            assert!([200, 204, 304].contains(&answer.status), "{bytes:?}: {answer:?}");
            assert_eq!(String::from_utf8_lossy(&answer.body), body, "{bytes:?}");
            assert!(answer.complete, "{bytes:?}: {answer:?}");
            assert!(answer.status != 204 || answer.header("content-length").is_none());
        }
        let connections = backend.connections();
        for _ in 0..3 {
            let next = ask(&mut client, "GET").await;
            assert_eq!((next.status, &*next.body), (200, &b"good"[..]), "after {bytes:?}");
        }
        assert_eq!(backend.connections(), connections + 1, "a fresh one, once: {bytes:?}");
    }
}

#[tokio::test]
async fn one_length_that_is_said_twice_is_passed_on_once() {
    let backend = Origin::start();
    let gateway = open(&backend).await;
    let mut client = RawConnection::open(gateway.address()).await.unwrap();
    for line in ["5\r\nContent-Length: 5", "5, 5", "0005"] {
        backend
            .once(Script::bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {line}\r\n\r\nhello")));
        let answer = ask(&mut client, "GET").await;
        assert_eq!((answer.status, &*answer.body), (200, &b"hello"[..]), "{line:?}");
        let lengths = answer.head.to_ascii_lowercase().matches("content-length").count();
        assert_eq!((lengths, answer.header("content-length")), (1, Some("5")), "{line:?}");
    }
}

/// The bytes come when the next request is on its way already: nobody can tell them from its answer in time.
#[tokio::test]
async fn a_body_that_follows_an_answer_to_head_later_is_no_answer_to_the_next_request() {
    let backend = Origin::serving(Script::answer(200, &[], "good"));
    let gateway = open(&backend).await;
    for method in ["GET", "POST"] {
        let mut client = RawConnection::open(gateway.address()).await.unwrap();
        let mut late = Script::bytes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        late.steps.push(Step::Wait(Duration::from_millis(50)));
        late.steps.push(Step::Bytes(b"hello".to_vec()));
        backend.once(late);
        client.send("HEAD /any/1/x HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let head = client.head().await.unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        for _ in 0..3 {
            let next = ask(&mut client, method).await;
            assert_eq!((next.status, &*next.body), (200, &b"good"[..]), "{method}");
        }
    }
}

#[tokio::test]
async fn a_backend_that_says_more_than_it_was_asked_is_not_trusted_for_a_while() {
    let backend = Origin::serving(Script::answer(200, &[], "good"));
    let gateway = open(&backend).await;
    let mut client = RawConnection::open(gateway.address()).await.unwrap();
    let mut refused = 0;
    for _ in 0..5 {
        let mut late = Script::bytes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        late.steps.push(Step::Wait(Duration::from_millis(20)));
        late.steps.push(Step::Bytes(b"?!".to_vec()));
        backend.once(late);
        assert_eq!(ask(&mut client, "GET").await.body, b"hello");
        for _ in 0..2 {
            let next = ask(&mut client, "GET").await;
            assert!(next.status == 502 || next.body == b"good", "{next:?}");
            refused += u32::from(next.status == 502);
        }
    }
    assert!(refused <= 1, "known after the first time: {refused}");
}

/// Literal fields (RFC 7541 section 6.2.2), below `:status: 200`.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = OK.to_vec();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

#[tokio::test]
async fn an_answer_of_http2_has_no_transfer_encoding_and_one_length() {
    for fields in [
        &[("transfer-encoding", "chunked")][..],
        &[("content-length", "5"), ("content-length", "6")],
        &[("content-length", "7")],
    ] {
        let head = block(fields);
        let backend = Http2Origin::start(None, &[], move |mut served| {
            let head = head.clone();
            async move {
                while let Some(came) = served.next().await {
                    if came.kind == kind::HEADERS {
                        served.send(frame(kind::HEADERS, END_HEADERS, came.stream, &head)).await;
                        served.send(frame(kind::DATA, END_STREAM, came.stream, b"hello")).await;
                    }
                }
            }
        })
        .await;
        let url = format!("http://{}", backend.address);
        let any = api("any:1").open().to(&url).production("http2 = \"always\"");
        let gateway = Config::new().api(any).start().await;
        let mut client = RawConnection::open(gateway.address()).await.unwrap();
        client.send("GET /any/1/x HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let answer = client.answer().await.unwrap().expect("an answer");
        assert!(answer.status == 502 || !answer.complete, "{fields:?}: {answer:?}");
        assert!(fields.len() == 1 && fields[0].0 == "content-length" || answer.status == 502);
    }
}

#[tokio::test]
async fn via_can_be_taken_off_for_backends_that_do_not_compress_with_it() {
    let backend = Origin::start();
    for (rule, vias) in [("", 1), ("request_headers = { remove = [\"via\"] }", 0)] {
        let any = api("any:1").open().to(&backend.url()).lines(rule);
        let gateway = Config::new().api(any).start().await;
        assert_eq!(gateway.get("/any/1/x", None).await.status(), 200);
        assert_eq!(backend.received().last().unwrap().values("via").len(), vias, "{rule}");
    }
}
