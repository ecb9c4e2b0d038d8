//! Answers that go on: event streams chunk by chunk, their end with the token, hints before the answer, trailers.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::bank::Bank;
use crate::support::client::RawConnection;
use crate::support::script::Script;
use crate::support::signer::soon;
use crate::support::within;

const PATH: &str = "/open/1.0.0/x";

fn get(token: &str) -> String {
    format!(
        "GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nTE: trailers\r\n\r\n"
    )
}

/// A backend's event stream of a few seconds.
fn events() -> Script {
    Script::drip(&"data: tick\n\n".repeat(40), Duration::from_millis(15))
}

async fn read_some(stream: &mut TcpStream, read: &mut Vec<u8>) -> usize {
    within("bytes of the answer", stream.read_buf(read)).await.unwrap()
}

#[tokio::test]
async fn each_chunk_goes_through_when_it_comes() {
    let bank = Bank::open().await;
    bank.production.always(events());
    let mut stream = TcpStream::connect(bank.gateway.address()).await.unwrap();
    let started = Instant::now();
    stream.write_all(get(&bank.token()).as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains("data") {
        assert!(read_some(&mut stream, &mut read).await > 0);
    }
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "the first event did not wait for the last"
    );
}

#[tokio::test]
async fn an_event_stream_ends_in_order_when_its_token_does_and_a_download_goes_on() {
    let bank = Bank::open().await;
    let chunked = |kind: &str| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
        );
        Script::bytes(head).then_hang()
    };
    bank.production.once(chunked("text/event-stream"));
    let mut connection = RawConnection::open(bank.gateway.address()).await.unwrap();
    connection.send(get(&bank.token_with(&soon(2)))).await.unwrap();
    let started = Instant::now();
    let answer = connection.answer().await.unwrap().unwrap();
    assert_eq!(
        (answer.status, answer.body.as_slice(), answer.complete),
        (200, &b"first"[..], true)
    );
    assert!(started.elapsed() >= Duration::from_millis(900), "{:?}", started.elapsed());
    let line = &bank.gateway.log(1).await[0];
    assert_eq!(
        (&line["ending"], &line["message"]),
        (&json!("gateway_closed"), &json!("the token expired"))
    );

    bank.production.once(chunked("application/octet-stream"));
    let mut stream = TcpStream::connect(bank.gateway.address()).await.unwrap();
    stream.write_all(get(&bank.token_with(&soon(1))).as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains("first") {
        assert!(read_some(&mut stream, &mut read).await > 0);
    }
    let more = tokio::time::timeout(Duration::from_secs(3), stream.read_buf(&mut read)).await;
    assert!(more.is_err(), "an answer that is no stream of events is not cut: {more:?}");
}

#[tokio::test]
async fn early_hints_come_before_the_answer() {
    let bank = Bank::open().await;
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nContent-Length: 7\r\nConnection: x-secret\r\nX-Secret: 1\r\n\r\n";
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";
    bank.production.always(Script::bytes(format!("{hints}{hints}{answer}")));
    let mut stream = TcpStream::connect(bank.gateway.address()).await.unwrap();
    for _ in 0..2 {
        stream.write_all(get(&bank.token()).as_bytes()).await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"fine") {
            assert!(
                read_some(&mut stream, &mut read).await > 0,
                "{}",
                String::from_utf8_lossy(&read)
            );
        }
        let text = String::from_utf8_lossy(&read).to_lowercase();
        assert_eq!(text.matches("http/1.1 103").count(), 2, "{text}");
        assert!(
            text.starts_with("http/1.1 103 early hints\r\nlink: </a.css>")
                && !text.contains("x-secret")
                && !text.contains("content-length: 7"),
            "{text}"
        );
        assert!(text.find("http/1.1 200") > text.rfind("http/1.1 103"), "{text}");
    }
    let mut old = RawConnection::open(bank.gateway.address()).await.unwrap();
    let asked = get(&bank.token()).replace("HTTP/1.1", "HTTP/1.0");
    old.send(asked).await.unwrap();
    assert_eq!(
        old.answer().await.unwrap().unwrap().status,
        200,
        "HTTP/1.0 knows no interim answers"
    );
}

#[tokio::test]
async fn trailers_pass_but_for_those_that_change_the_message() {
    let bank = Bank::open().await;
    let trailers = [("x-checksum", "abc"), ("set-cookie", "a=b"), ("content-length", "5")];
    bank.production.always(Script::chunked(&["one"], &trailers));
    let mut connection = RawConnection::open(bank.gateway.address()).await.unwrap();
    connection.send(get(&bank.token())).await.unwrap();
    let answer = connection.answer().await.unwrap().unwrap();
    assert_eq!(answer.body, b"one");
    assert!(
        !answer.trailers.to_lowercase().contains("set-cookie")
            && !answer.trailers.contains("content-length"),
        "{}",
        answer.trailers
    );
}
