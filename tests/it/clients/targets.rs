//! Request lines and the fields beside them: what is no target, too long, or of another scheme or version, and what is odd
//! but good.

use http::Request;

use crate::support::bank::Bank;
use crate::support::client::{Client, Protocol, RawConnection};

const OPEN: &str = "/accounts/1.0.0/status";

/// What the gateway writes to these bytes until it closes.
async fn answer(bank: &Bank, bytes: &str) -> String {
    let mut raw = RawConnection::open(bank.gateway.address()).await.unwrap();
    raw.send(bytes.as_bytes()).await.unwrap();
    String::from_utf8_lossy(&raw.rest().await.unwrap_or_default()).into_owned()
}

async fn get(bank: &Bank, target: &str, fields: &str) -> String {
    let head = format!("GET {target} HTTP/1.1\r\nConnection: close\r\nHost: a\r\n{fields}\r\n");
    answer(bank, &head).await
}

fn has_status(answer: &str, status: u16) -> bool {
    answer.starts_with(&format!("HTTP/1.1 {status} "))
}

#[tokio::test]
async fn a_fragment_is_refused() {
    let bank = Bank::open().await;
    for target in [
        format!("{OPEN}#/../admin"),
        format!("{OPEN}?a=b#c"),
        format!("http://a{OPEN}#"),
        format!("{OPEN}?{}#", "x".repeat(2000)),
    ] {
        let answer = get(&bank, &target, "").await;
        assert!(has_status(&answer, 400), "{target}: {answer}");
    }
    assert!(bank.production.received().is_empty());
}

#[tokio::test]
async fn the_scheme_of_a_target_is_the_connections() {
    let bank = Bank::open().await;
    for (scheme, status) in
        [("http", 200), ("HTTP", 200), ("ftp", 400), ("ws", 400), ("https", 421)]
    {
        let answer = get(&bank, &format!("{scheme}://a{OPEN}"), "").await;
        assert!(has_status(&answer, status), "{scheme}: {answer}");
    }
    assert_eq!(bank.production.received().len(), 2);
}

/// A proxy in front that ended TLS may name the scheme that its client used.
#[tokio::test]
async fn a_trusted_proxy_names_the_scheme() {
    let bank = Bank::of(|config| config.gateway("trusted_proxies = [\"127.0.0.1\"]")).await;
    let target = format!("https://a{OPEN}");
    assert!(has_status(&get(&bank, &target, "X-Forwarded-Proto: https\r\n").await, 200));
    assert!(has_status(&get(&bank, &target, "").await, 421));
}

#[tokio::test]
async fn a_target_that_is_too_long_is_414() {
    let bank = Bank::open().await;
    let long = "x".repeat(40_000);
    for target in [
        format!("{OPEN}/{}", "x".repeat(9_000)),
        format!("{OPEN}/{long}"),
        format!("{OPEN}?{long}"),
        format!("{OPEN}?{long}{long}"),
    ] {
        let answer = get(&bank, &target, "").await;
        assert!(has_status(&answer, 414), "{}: {answer}", target.len());
    }
    for line in bank.gateway.log(4).await {
        assert_eq!(line["reason"], "target_too_long", "{line}");
    }
    let client = Client::plain(Protocol::Http2);
    let url = bank.gateway.url(&format!("{OPEN}/{}", "x".repeat(9_000)));
    let answer = client.send(Request::get(url).body(bytes::Bytes::new()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 414);
}

#[tokio::test]
async fn later_versions_of_http_1_are_505() {
    let bank = Bank::open().await;
    for (version, status) in
        [("1.2", 505), ("1.9", 505), ("1.1", 200), ("1.0", 200), ("1.10", 400), ("2.0", 400)]
    {
        let head = format!("GET {OPEN} HTTP/{version}\r\nConnection: close\r\nHost: a\r\n\r\n");
        let answer = answer(&bank, &head).await;
        let found = answer.get(9..12).unwrap_or_default();
        assert_eq!(found, status.to_string(), "{version}: {answer}");
    }
}

/// Of refusals that are written before there is a request, too (RFC 9110 section 6.6.1).
#[tokio::test]
async fn every_answer_has_a_date() {
    let bank = Bank::open().await;
    let long = "x".repeat(40_000);
    for bytes in [
        format!("GET {OPEN} HTTP/1.1\nHost: a\n\n"),
        format!("GET {OPEN} HTTP/1.2\r\nHost: a\r\n\r\n"),
        format!("GET {OPEN}# HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET {OPEN}?{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET {OPEN} HTTP/1.1\r\nX: {long}\r\n\r\n"),
        "G@T / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        format!("GET {OPEN} HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n"),
    ] {
        let answer = answer(&bank, &bytes).await;
        let dates: Vec<&str> = answer
            .lines()
            .filter(|line| {
                line.to_ascii_lowercase().starts_with("date: ") && line.ends_with(" GMT")
            })
            .collect();
        assert_eq!(dates.len(), 1, "{answer}");
    }
}

#[tokio::test]
async fn an_empty_port_is_no_port() {
    let bank = Bank::open().await;
    let head =
        |host: &str| format!("GET {OPEN} HTTP/1.1\r\nConnection: close\r\nHost: {host}\r\n\r\n");
    for (host, status) in
        [("a:", 200), ("[::1]:", 200), ("127.0.0.1:", 200), ("a:x", 400), ("a::", 400), (":", 400)]
    {
        let answer = answer(&bank, &head(host)).await;
        assert!(has_status(&answer, status), "{host}: {answer}");
    }
    let target = get(&bank, &format!("http://a:{OPEN}"), "").await;
    assert!(has_status(&target, 200), "{target}");
}

#[tokio::test]
async fn a_length_is_passed_on_without_leading_zeros() {
    let bank = Bank::open().await;
    let path = "/accounts/1.0.0/accounts";
    let authorization =
        format!("Authorization: Bearer {}", bank.token_of("good", "accounts:write"));
    for (written, sent, body) in [("0005", "5", "hello"), ("00", "0", ""), ("5", "5", "hello")] {
        let before = bank.production.received().len();
        let answer = answer(
            &bank,
            &format!("POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{authorization}\r\nContent-Length: {written}\r\n\r\n{body}"),
        )
        .await;
        assert!(has_status(&answer, 200), "{written}: {answer}");
        let received = bank.production.wait_for(before + 1).await.pop().unwrap();
        assert_eq!(received.values("content-length"), [sent], "{written}");
        assert_eq!(received.body, body.as_bytes());
    }
}

#[tokio::test]
async fn extensions_of_chunks_pass_when_they_are_well_formed() {
    let bank = Bank::open().await;
    let path = "/accounts/1.0.0/accounts";
    let authorization =
        format!("Authorization: Bearer {}", bank.token_of("good", "accounts:write"));
    let post = |chunk: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{authorization}\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}\r\nhello\r\n0\r\n\r\n"
        )
    };
    for (position, chunk) in
        ["5", "5;a", "5 ; a = b", "5\t;a=\"b ; \\\" c\"", "5;a=b;c"].iter().enumerate()
    {
        let answer = answer(&bank, &post(chunk)).await;
        assert!(has_status(&answer, 200), "{chunk}: {answer}");
        assert_eq!(
            bank.production.wait_for(position + 1).await[position].body,
            b"hello",
            "{chunk}"
        );
    }
    for chunk in ["5;", "5 ", "5;a=", "5;=b", "5;a=\"b", "5;a b"] {
        let answer = answer(&bank, &post(chunk)).await;
        assert!(has_status(&answer, 400), "{chunk}: {answer}");
    }
}
