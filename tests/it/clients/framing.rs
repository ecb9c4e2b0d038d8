//! Framing on raw sockets: what has two readings is refused and closed, and nothing of it reaches a backend.

use crate::support::bank::Bank;
use crate::support::client::RawConnection;

const OPEN: &str = "/accounts/1.0.0/status";

/// Sends these bytes and reads until the gateway closes.
async fn refused(bank: &Bank, bytes: &[u8]) -> String {
    let mut raw = RawConnection::open(bank.gateway.address()).await.unwrap();
    raw.send(bytes).await.unwrap();
    String::from_utf8_lossy(&raw.rest().await.unwrap_or_default()).into_owned()
}

/// Heads with two readings, each with what it has; most hide a request behind them.
fn two_readings() -> Vec<(&'static str, String)> {
    let hidden = format!("GET {OPEN} HTTP/1.1\r\nHost: a\r\nX-Hidden: 1\r\n\r\n");
    vec![
        (
            "CL.TE",
            format!(
                "POST {OPEN} HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
            ),
        ),
        (
            "TE.CL",
            format!(
                "POST {OPEN} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n{hidden}"
            ),
        ),
        (
            "two lengths",
            format!(
                "POST {OPEN} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: {}\r\n\r\n{hidden}",
                hidden.len()
            ),
        ),
        (
            "a length with a sign",
            format!("POST {OPEN} HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n{hidden}"),
        ),
        (
            "a length that overflows",
            format!(
                "POST {OPEN} HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n{hidden}"
            ),
        ),
        (
            "an odd coding",
            format!(
                "POST {OPEN} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n{hidden}"
            ),
        ),
        (
            "a coding twice",
            format!(
                "POST {OPEN} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n{hidden}"
            ),
        ),
        ("bare LF", format!("GET {OPEN} HTTP/1.1\nHost: a\n\n{hidden}")),
        ("obs-fold", format!("GET {OPEN} HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n{hidden}")),
        (
            "space before the colon",
            format!("GET {OPEN} HTTP/1.1\r\nHost: a\r\nContent-Length : 0\r\n\r\n{hidden}"),
        ),
        ("no host", format!("GET {OPEN} HTTP/1.1\r\n\r\n{hidden}")),
        ("two hosts", format!("GET {OPEN} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")),
        ("NUL in a header", format!("GET {OPEN} HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n{hidden}")),
        (
            "bare CR in a header",
            format!("GET {OPEN} HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n{hidden}"),
        ),
        ("absolute form against Host", format!("GET http://b{OPEN} HTTP/1.1\r\nHost: a\r\n\r\n")),
    ]
}

#[tokio::test]
async fn two_readings_are_400_and_closed() {
    let bank = Bank::open().await;
    for (what, bytes) in two_readings() {
        let mut raw = RawConnection::open(bank.gateway.address()).await.unwrap();
        raw.send(bytes.as_bytes()).await.unwrap();
        raw.finish().await.unwrap();
        let answer = String::from_utf8_lossy(&raw.rest().await.unwrap_or_default()).into_owned();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{what}: {answer}");
        let hidden = bank
            .production
            .received()
            .iter()
            .any(|received| !received.values("x-hidden").is_empty());
        assert!(!hidden, "{what}: the hidden request ran");
    }
}

#[tokio::test]
async fn a_chunk_with_two_readings_ends_the_connection() {
    let bank = Bank::open().await;
    for chunk in [
        "5\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n",
        "5\r\nhelloXX0\r\n\r\n",
    ] {
        let head =
            format!("POST {OPEN} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
        let answer = refused(&bank, head.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{chunk:?}: {answer}");
    }
}

#[tokio::test]
async fn a_refusal_by_framing_is_ours_to_see() {
    let bank = Bank::open().await;
    let answer = refused(
        &bank,
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    )
    .await;
    assert!(answer.to_ascii_lowercase().contains("portcullis-denial: "), "{answer}");
    let line = bank.gateway.log(1).await.remove(0);
    assert_eq!(line["reason"], "invalid_request", "{line}");
}

#[tokio::test]
async fn methods_that_a_gateway_never_forwards() {
    let bank = Bank::open().await;
    for line in ["TRACE / HTTP/1.1", "CONNECT a:443 HTTP/1.1"] {
        let mut raw = RawConnection::open(bank.gateway.address()).await.unwrap();
        let host = if line.starts_with("CONNECT") { "a:443" } else { "a" };
        raw.send(format!("{line}\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let answer = String::from_utf8_lossy(&raw.rest().await.unwrap_or_default()).into_owned();
        assert!(answer.starts_with("HTTP/1.1 501 "), "{line}: {answer}");
    }
    let answer = {
        let mut raw = RawConnection::open(bank.gateway.address()).await.unwrap();
        raw.send(b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        String::from_utf8_lossy(&raw.rest().await.unwrap_or_default()).into_owned()
    };
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    assert!(bank.production.received().is_empty());
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_a_row() {
    let bank = Bank::open().await;
    let one = format!("GET {OPEN}?1 HTTP/1.1\r\nHost: a\r\n\r\n");
    let two = format!("POST {OPEN}?2 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    let last = format!("GET {OPEN}?3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = refused(&bank, format!("{one}{two}{last}").as_bytes()).await;
    let statuses: Vec<_> = answer.split("HTTP/1.1 ").skip(1).map(|rest| &rest[..3]).collect();
    assert_eq!(statuses, ["200", "405", "200"], "{answer}");
}

#[tokio::test]
async fn every_spelling_of_a_path_is_one_or_none() {
    let bank = Bank::open().await;
    for path in [
        "/accounts/1.0.0/%73tatus",
        "/accounts//1.0.0/./status",
        "/accounts/1.0.0/x/../status",
        "/accounts/1.0.0/status/",
        "//accounts/1.0.0/status",
    ] {
        assert_eq!(bank.gateway.get(path, None).await.status(), 200, "{path}");
    }
    let before = bank.production.received();
    assert!(
        before.iter().all(|received| received.target.trim_end_matches('/') == "/base/status"),
        "{before:?}"
    );
    for path in [
        "/accounts/1.0.0/status%2f",
        "/accounts/1.0.0/status%00",
        "/accounts/1.0.0/..%2fstatus",
        "/../accounts/1.0.0/status",
        "/accounts/1.0.0/%252e%252e/status",
        "/accounts/1.0.0/%c0%ae/status",
        "/accounts/1.0.0/status;x=1",
        "/accounts/1.0.0/..;/status",
    ] {
        assert_eq!(bank.gateway.get(path, None).await.status(), 400, "{path}");
    }
    assert_eq!(bank.production.received().len(), before.len());
}

#[tokio::test]
async fn silent_and_slow_clients_are_closed() {
    let bank = Bank::with("[limits]\nheader_timeout = \"300ms\"\nidle_timeout = \"600ms\"\n").await;
    let mut silent = RawConnection::open(bank.gateway.address()).await.unwrap();
    assert!(silent.rest().await.unwrap_or_default().is_empty(), "no byte in header_timeout");
    let mut slow = RawConnection::open(bank.gateway.address()).await.unwrap();
    slow.send(b"GET / HTTP/1.1\r\nHost: a\r\n").await.unwrap();
    assert!(slow.rest().await.unwrap_or_default().is_empty(), "half a head");
}

#[tokio::test]
async fn what_is_no_request_is_refused_like_one() {
    let bank = Bank::open().await;
    let long = "x".repeat(40_000);
    let many = "X-Many: 1\r\n".repeat(150);
    for (bytes, status) in [
        (format!("GET {OPEN} HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), "431"),
        (format!("GET {OPEN} HTTP/1.1\r\nHost: a\r\n{many}\r\n"), "431"),
        ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "400"),
        (format!("GET {OPEN} HTTP/3.0\r\nHost: a\r\n\r\n"), "400"),
    ] {
        let answer = refused(&bank, bytes.as_bytes()).await.to_ascii_lowercase();
        assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{answer}");
        assert!(
            answer.contains("portcullis-denial: ") && answer.contains("connection: close"),
            "{answer}"
        );
    }
    let mut reasons: Vec<_> = bank
        .gateway
        .log(4)
        .await
        .iter()
        .map(|line| line["reason"].as_str().unwrap().to_owned())
        .collect();
    // two workers, two buffers: the lines come in any order
    reasons.sort();
    assert_eq!(reasons, ["head_too_large", "head_too_large", "invalid_request", "invalid_request"]);
}

#[tokio::test]
async fn a_client_that_sends_no_more_still_reads_its_answer() {
    let bank = Bank::open().await;
    for head in
        [format!("GET {OPEN} HTTP/1.1\r\nHost: a\r\n\r\n"), format!("GET {OPEN} HTTP/1.0\r\n\r\n")]
    {
        let mut raw = RawConnection::open(bank.gateway.address()).await.unwrap();
        raw.send(head.as_bytes()).await.unwrap();
        raw.finish().await.unwrap();
        let answer = String::from_utf8_lossy(&raw.rest().await.unwrap_or_default()).into_owned();
        assert!(
            answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.0 200 "),
            "{head}: {answer}"
        );
    }
}
