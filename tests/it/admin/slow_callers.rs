//! Callers that send half a request, or nothing, keep no probe out and hold no body up.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::DEADLINE;
use crate::support::bank::Bank;

/// More than the listener has places.
const CROWD: usize = 200;

fn connect(bank: &Bank, bytes: &str) -> TcpStream {
    let address = bank.gateway.management_url("").trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(bytes.as_bytes()).unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut bytes = [0; 1024];
    let mut text = String::new();
    while !text.contains("\r\n\r\n") {
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => break,
            Ok(count) => text.push_str(&String::from_utf8_lossy(&bytes[..count])),
        }
    }
    text
}

#[tokio::test]
async fn a_crowd_that_sends_half_a_request_keeps_no_probe_out() {
    let bank = Bank::open().await;
    for half in [
        "",
        "GET /livez HTTP/1.1\r\nHost: localhost\r\n",
        "POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n",
    ] {
        let crowd: Vec<_> = (0..CROWD).map(|_| connect(&bank, half)).collect();
        for path in ["/livez", "/readyz", "/metrics"] {
            let status = bank.gateway.management("GET", path).await.status();
            assert_eq!(status, 200, "{path} beside {half:?}");
        }
        drop(crowd);
    }
}

#[tokio::test]
async fn what_needs_no_body_waits_for_none() {
    let bank = Bank::open().await;
    let head = |method: &str, path: &str, more: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n{more}\r\n")
    };
    for (request, status) in [
        (head("GET", "/livez", ""), "200"),
        (head("GET", "/metrics", ""), "200"),
        (head("POST", "/livez", ""), "405"),
        (head("POST", "/nothing", ""), "404"),
        (head("POST", "/revocations", "X-Forwarded-For: 1.2.3.4\r\n"), "403"),
        (head("POST", "/reload", ""), "200"),
    ] {
        let text = answer(connect(&bank, &request));
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {text}");
    }
}

#[tokio::test]
async fn a_message_that_does_not_come_is_not_waited_for_long() {
    let bank = Bank::open().await;
    let stream = connect(
        &bank,
        "POST /revocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{",
    );
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(answer(stream).starts_with("HTTP/1.1 408"));
}
