//! The token in the query of a WebSocket's handshake: taken there, where the API allows it, and nowhere else; never told to
//! the backend or to a log.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::support::bank::Bank;
use crate::support::client::{RawAnswer, RawConnection};
use crate::support::config::{Config, api};
use crate::support::origin::Origin;
use crate::support::peers::Peers;
use crate::support::script::Script;

const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello";

/// The bank, with one API that takes the token in the query and one that does not.
async fn open(backend: &str) -> Bank {
    let chat = |name: &str, lines: &str| {
        api(&format!("{name}:1"))
            .to(backend)
            .without_subscription()
            .lines(lines)
            .operation("method = \"*\", path = \"/*\"")
            .operation("method = \"GET\", path = \"/open\", auth = \"none\"")
    };
    let (taken, forwarded) = ("access_token_query = true", "forward_authorization = true");
    let told = chat("told", taken).lines(forwarded);
    let change = |config: Config| config.api(chat("chat", taken)).api(told).api(chat("strict", ""));
    Bank::of(change).await
}

/// The status of a handshake; with a `key`, of one as browsers send it.
async fn handshake(bank: &Bank, target: &str, more: &str) -> u16 {
    answer(bank, target, more).await.status
}

async fn answer(bank: &Bank, target: &str, more: &str) -> RawAnswer {
    let mut connection = RawConnection::open(bank.gateway.address()).await.unwrap();
    let head = format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    );
    connection.send(head).await.unwrap();
    connection.answer().await.unwrap().expect("an answer")
}

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn real_clients_open_with_a_token_in_the_query() {
    let peers = Peers::start();
    let port = peers.serve("websocket_server").await;
    let bank = open(&format!("http://127.0.0.1:{port}/base")).await;
    let (at, token) = (bank.gateway.address(), bank.token());
    let url = format!("ws://{at}/chat/1/room?x=1&access_token={token}&y=2");
    let told = peers.call("websocket_talk", json!({ "url": url, "messages": ["one"] })).await;
    assert_eq!((&told["opened"], &told["echoes"][0]), (&json!(true), &json!("one")), "{told}");
    let seen = &peers.saw("websocket").await[0];
    assert_eq!(seen["url"], "/base/room?x=1&y=2");
    assert_eq!(seen["headers"]["authorization"], Value::Null);

    let path = format!("/chat/1/room?access_token={token}");
    let ask = json!({ "origin": format!("http://{at}"), "path": path, "text": "over two" });
    let told = peers.call("websocket_over_http2", ask).await;
    assert_eq!((&told["status"], &told["echo"]), (&json!(200), &json!("over two")), "{told}");
    let refused = format!("ws://{at}/strict/1/room?access_token={token}");
    assert_eq!(peers.call("websocket_talk", json!({ "url": refused })).await["status"], 401);
    for line in bank.gateway.log(3).await {
        let text = line.to_string();
        assert!(!text.contains("access_token") && !text.contains(&token), "{text}");
    }
}

#[tokio::test]
async fn it_is_taken_from_handshakes_only_and_told_to_nobody() {
    let origin = Origin::serving(Script::bytes(SWITCH).then_close());
    let bank = open(&origin.url()).await;
    let token = bank.token();
    let bearer = format!("{KEY}Authorization: Bearer {token}\r\n");
    let query = format!("access_token={token}");
    for (target, more, expected) in [
        (format!("/chat/1/x?{query}"), KEY, 101),
        (format!("/chat/1/x?access%5ftoken={token}&a=b"), KEY, 101),
        (format!("/told/1/x?{query}"), KEY, 101),
        (format!("/chat/1/open?{query}"), KEY, 101),
        (format!("/strict/1/x?{query}"), bearer.as_str(), 101),
        // one of these, and one only
        (format!("/chat/1/x?{query}"), bearer.as_str(), 400),
        (format!("/chat/1/x?{query}&{query}"), KEY, 400),
        (format!("/chat/1/x?{query}&access_token="), KEY, 400),
        ("/chat/1/x?access_token=".to_owned(), KEY, 401),
        ("/chat/1/x?access_token=a%0d%0ab".to_owned(), KEY, 401),
        (format!("/chat/1/x?{query}x"), KEY, 401),
        (format!("/chat/1/x?{query}"), "", 401),
        (format!("/strict/1/x?{query}"), KEY, 401),
    ] {
        assert_eq!(handshake(&bank, &target, more).await, expected, "{target} {more}");
    }
    let received = origin.wait_for(5).await;
    let targets: Vec<&str> = received.iter().map(|received| received.target.as_str()).collect();
    let kept = format!("/x?{query}");
    assert_eq!(
        targets,
        ["/x", "/x?a=b", "/x", "/open", kept.as_str()],
        "another API's parameter is its own"
    );
    assert!(received.iter().all(|received| received.values("authorization").is_empty()));
    assert_eq!(received.len(), 5);
}

#[tokio::test]
async fn other_requests_do_not_bring_it() {
    let origin = Origin::start();
    let bank = open(&origin.url()).await;
    let token = bank.token();
    for method in ["GET", "POST"] {
        let request = Request::builder()
            .method(method)
            .uri(bank.gateway.url(&format!("/chat/1/x?access_token={token}")));
        let answer = bank.gateway.send(request.body(Bytes::new()).unwrap()).await;
        assert_eq!(answer.status(), 401, "{method}");
    }
    assert!(origin.received().is_empty());
    // an answer that switches nothing is at an address with a token in it
    let answer = answer(&bank, &format!("/chat/1/x?access_token={token}"), KEY).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("private")));
}
