//! WebSocket and other upgrades: a real client and a real server, the token on the handshake, the end with the token.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::bank::Bank;
use crate::support::client::{RawAnswer, RawConnection};
use crate::support::config::{Api, Config, api, application};
use crate::support::peers::Peers;
use crate::support::script::Script;
use crate::support::signer::soon;
use crate::support::within;

/// The bank, with an API in front of the WebSocket server.
async fn open(peers: &Peers) -> Bank {
    Bank::beside(chat(peers.serve("websocket_server").await)).await
}

fn chat(port: u64) -> Api {
    api("chat:1.0.0").to(&format!("http://127.0.0.1:{port}/base")).without_subscription()
}

fn url(bank: &Bank) -> String {
    format!("ws://{}/chat/1.0.0/room?x=1", bank.gateway.address())
}

/// A client that says three things, one of them long, and hears them again.
async fn talk_both_ways(peers: &Peers, bank: &Bank) {
    let long = "y".repeat(200_000);
    let talk = json!({ "url": url(bank), "token": bank.token(), "messages": ["one", long, "three"], "protocols": ["chat.v1"] });
    let told = peers.call("websocket_talk", talk).await;
    assert_eq!(
        (&told["opened"], &told["code"], &told["received"]),
        (&json!(true), &json!(1000), &json!(3)),
        "{told}"
    );
    assert_eq!((&told["echoes"][0], &told["protocol"]), (&json!("one"), &json!("chat.v1")));
}

/// A client whose token expires in two seconds is told so; returns what it saw.
async fn is_ended_by_its_token(peers: &Peers, bank: &Bank, messages: Value) -> Value {
    let token = bank.token_with(&soon(2));
    let talk = json!({ "url": url(bank), "token": token, "messages": messages, "until": "close" });
    let told = peers.call("websocket_talk", talk).await;
    assert_eq!(
        (&told["code"], &told["reason"]),
        (&json!(1008), &json!("the token expired")),
        "{told}"
    );
    told
}

/// A WebSocket over HTTP/2, with its first message.
async fn talk_over_http2(peers: &Peers, bank: &Bank, token: Option<String>, text: &str) -> Value {
    let origin = format!("http://{}", bank.gateway.address());
    let ask = json!({ "origin": origin, "path": "/chat/1.0.0/room", "token": token, "text": text });
    peers.call("websocket_over_http2", ask).await
}

const ACCOUNT: &str = "/accounts/1.0.0/accounts/1";

/// A request to switch protocols.
fn switch(path: &str, token: Option<&str>, connection: &str, protocol: &str) -> String {
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\n{}Connection: {connection}\r\nUpgrade: {protocol}\r\n\r\n",
        bearer.unwrap_or_default()
    )
}

/// A backend's answer to it.
fn switched(protocol: &str, behind: &str) -> Script {
    Script::bytes(format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\r\n{behind}"
    ))
}

/// The answer to these bytes on a new connection.
async fn answer(bank: &Bank, bytes: String) -> RawAnswer {
    let mut connection = RawConnection::open(bank.gateway.address()).await.unwrap();
    connection.send(bytes).await.unwrap();
    connection.answer().await.unwrap().unwrap()
}

#[tokio::test]
async fn messages_pass_both_ways_until_a_side_closes() {
    let peers = Peers::start();
    let bank = open(&peers).await;
    talk_both_ways(&peers, &bank).await;
    let handshake = &peers.saw("websocket").await[0];
    assert_eq!(handshake["url"], "/base/room?x=1");
    assert_eq!(handshake["headers"]["authorization"], Value::Null, "the token ends here");
    assert!(handshake["headers"]["x-forwarded-for"].is_string());
    let talk =
        json!({ "url": url(&bank), "token": bank.token(), "messages": ["bye"], "until": "close" });
    let told = peers.call("websocket_talk", talk).await;
    assert_eq!((&told["code"], &told["reason"]), (&json!(4000), &json!("as asked")));
    let lines = bank.gateway.log(2).await;
    let line = lines
        .iter()
        .find(|line| line["response_bytes"].as_u64() > Some(200_000))
        .expect("the first one's");
    assert_eq!(
        (&line["status"], &line["ending"], &line["reason"]),
        (&json!(101), &json!("completed"), &json!("forwarded"))
    );
}

#[tokio::test]
async fn a_handshake_without_a_good_token_is_refused_in_http() {
    let peers = Peers::start();
    let bank = open(&peers).await;
    let told = peers.call("websocket_talk", json!({ "url": url(&bank) })).await;
    assert_eq!((&told["status"], &told["opened"]), (&json!(401), &json!(false)));
    assert!(told["body"].as_str().unwrap().contains("900902"), "{told}");
    let expired = bank.token_with(&soon(0));
    let told = peers
        .call("websocket_talk", json!({ "url": url(&bank), "token": format!("{expired}x") }))
        .await;
    assert_eq!(told["status"], 401);
}

#[tokio::test]
async fn it_opens_over_http2_too() {
    let peers = Peers::start();
    let bank = open(&peers).await;
    let told = talk_over_http2(&peers, &bank, Some(bank.token()), "over two").await;
    assert_eq!(
        (&told["enabled"], &told["status"], &told["echo"]),
        (&json!(true), &json!(200), &json!("over two")),
        "{told}"
    );
    assert_eq!(told["accept"], Value::Null, "there is no key to accept");
    let told = talk_over_http2(&peers, &bank, None, "over two").await;
    assert_eq!(told["status"], 401, "{told}");
}

/// The bank, with an API in front of a server that has WebSockets over HTTP/2 only.
async fn open_over_http2(peers: &Peers, extended: bool) -> Bank {
    let served = peers.call("websocket_server_over_http2", json!({ "extended": extended })).await;
    let port = served["port"].as_u64().unwrap();
    Bank::beside(chat(port).production("http2 = \"always\"")).await
}

#[tokio::test]
async fn a_backend_of_http2_is_asked_by_extended_connect() {
    let peers = Peers::start();
    let bank = open_over_http2(&peers, true).await;
    talk_both_ways(&peers, &bank).await;
    let asked = &peers.saw("stream").await[0]["headers"];
    assert_eq!((&asked[":method"], &asked[":protocol"]), (&json!("CONNECT"), &json!("websocket")));
    assert_eq!((&asked[":path"], &asked[":scheme"]), (&json!("/base/room?x=1"), &json!("http")));
    assert_eq!(
        (&asked["sec-websocket-version"], &asked["sec-websocket-key"]),
        (&json!("13"), &Value::Null)
    );
    assert_eq!((&asked["authorization"], &asked["upgrade"]), (&Value::Null, &Value::Null));

    let told = talk_over_http2(&peers, &bank, Some(bank.token()), "two and two").await;
    assert_eq!((&told["status"], &told["echo"]), (&json!(200), &json!("two and two")), "{told}");

    is_ended_by_its_token(&peers, &bank, json!(["tick"])).await;
    let lines = bank.gateway.log(3).await;
    let ended = |status: u16, ending: &str| {
        lines.iter().any(|line| {
            line["status"] == status && line["ending"] == ending && line["reason"] == "forwarded"
        })
    };
    assert!(
        ended(101, "completed") && ended(200, "completed") && ended(101, "gateway_closed"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_backend_of_http2_may_refuse_or_not_know_extended_connect() {
    let peers = Peers::start();
    let bank = open_over_http2(&peers, true).await;
    let forbidden = format!("ws://{}/chat/1.0.0/forbidden", bank.gateway.address());
    let told =
        peers.call("websocket_talk", json!({ "url": forbidden, "token": bank.token() })).await;
    assert_eq!((&told["status"], &told["body"]), (&json!(403), &json!("not here")), "{told}");
    let other = switch("/chat/1.0.0/room", Some(&bank.token()), "upgrade", "bank/1");
    assert_eq!(answer(&bank, other).await.status, 502, "only WebSocket is defined over HTTP/2");

    let bank = open_over_http2(&peers, false).await;
    let told =
        peers.call("websocket_talk", json!({ "url": url(&bank), "token": bank.token() })).await;
    assert_eq!(told["status"], 502, "{told}");
    assert!(told["body"].as_str().unwrap().contains("101506"), "{told}");
    assert_eq!(bank.gateway.log(1).await[0]["reason"], "upgrade_refused");
}

#[tokio::test]
async fn it_ends_when_its_token_does() {
    let peers = Peers::start();
    let bank = open(&peers).await;
    for messages in [json!([]), json!(["tick"])] {
        let told = is_ended_by_its_token(&peers, &bank, messages).await;
        let lasted = told["milliseconds"].as_u64().unwrap();
        assert!((500..6000).contains(&lasted), "{lasted}");
    }
    let line = &bank.gateway.log(2).await[1];
    assert_eq!(
        (&line["ending"], &line["message"]),
        (&json!("gateway_closed"), &json!("the token expired"))
    );
}

#[tokio::test]
async fn it_may_outlive_its_token_where_the_operator_says_so() {
    let peers = Peers::start();
    let port = peers.serve("websocket_server").await;
    let bank = Bank::beside(chat(port).lines("close_on_token_expiry = false")).await;
    let talk = json!({ "url": url(&bank), "token": bank.token_with(&soon(1)), "until": "close", "time": 2200 });
    assert_eq!(peers.call("websocket_talk", talk).await["error"], "no end in time");
}

#[tokio::test]
async fn it_ends_when_the_subscription_is_blocked_and_lives_through_other_reloads() {
    let peers = Peers::start();
    let bank = open(&peers).await;
    let subscribed = |status: &'static str| {
        let chatter = application("chatter").key("bank-is", "chatter");
        move |config: Config| config.application(chatter.subscribed_as("chat:1.0.0", status))
    };
    bank.reload(subscribed("unblocked")).await.unwrap();
    let talk = json!({ "url": url(&bank), "token": bank.token_of("chatter", ""), "messages": ["tick"], "until": "close", "time": 8000 });
    let reloads = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let new = application("new").unsubscribed();
        let change = |config| subscribed("unblocked")(config).application(new);
        bank.reload(change).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        bank.reload(subscribed("blocked")).await.unwrap();
    };
    let (told, ()) = tokio::join!(peers.call("websocket_talk", talk), reloads);
    assert_eq!(
        (&told["code"], &told["reason"]),
        (&json!(1008), &json!("the right to call the API was withdrawn")),
        "{told}"
    );
    assert!(
        told["milliseconds"].as_u64().unwrap() >= 1500,
        "the other reload left it alone: {told}"
    );
}

#[tokio::test]
async fn any_protocol_may_be_switched_to_but_http_itself() {
    let bank = Bank::open().await;
    let token = bank.token();
    let ask = |protocol: &str| switch(ACCOUNT, Some(&token), "keep-alive, Upgrade", protocol);
    bank.production.once(switched("bank/1", "hello from behind"));
    let mut stream = TcpStream::connect(bank.gateway.address()).await.unwrap();
    stream.write_all(ask("bank/1").as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"hello from behind") {
        assert!(within("the switch", stream.read_buf(&mut read)).await.unwrap() > 0);
    }
    let text = String::from_utf8_lossy(&read).to_lowercase();
    assert!(
        text.starts_with("http/1.1 101")
            && text.ends_with("hello from behind")
            && text.contains("upgrade: bank/1")
            && text.contains("connection: upgrade"),
        "{text}"
    );
    let seen = bank.production.wait_for(1).await;
    assert_eq!(
        (seen[0].values("upgrade"), seen[0].values("connection")),
        (vec!["bank/1"], vec!["upgrade"])
    );

    for protocol in ["h2c", "HTTP/2.0", "TLS/1.0", "websocket, h2c"] {
        assert_eq!(answer(&bank, ask(protocol)).await.status, 200, "{protocol}");
    }
    let seen = bank.production.wait_for(5).await;
    assert!(
        seen[1..].iter().all(|request| request.values("upgrade").is_empty()
            && request.values("connection").is_empty()),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_switch_that_was_not_asked_for_is_a_fault() {
    let bank = Bank::open().await;
    bank.production.always(switched("other", "bytes"));
    let (status, body) = bank.code(ACCOUNT, Some(&bank.token())).await;
    assert_eq!((status, &body["code"]), (502, &json!("101506")));
    let asked = switch(ACCOUNT, Some(&bank.token()), "upgrade", "mine");
    assert_eq!(answer(&bank, asked).await.status, 502, "another protocol than was asked for");
    assert_eq!(bank.gateway.log(2).await[1]["reason"], "upgrade_refused");
}

#[tokio::test]
async fn what_follows_a_refused_upgrade_is_not_a_request() {
    let bank = Bank::open().await;
    let hidden = "GET /accounts/1.0.0/status HTTP/1.1\r\nHost: x\r\n\r\n";
    let asked = switch(ACCOUNT, None, "upgrade", "websocket") + hidden;
    let answer = answer(&bank, asked).await;
    assert_eq!((answer.status, answer.header("connection")), (401, Some("close")));
    assert!(bank.production.received().is_empty());
}

#[tokio::test]
async fn a_tunnel_holds_no_more_than_its_buffers() {
    let bank = Bank::open().await;
    bank.production.always(switched("raw", ""));
    let asked = switch(ACCOUNT, Some(&bank.token()), "upgrade", "raw");
    let mut stream = TcpStream::connect(bank.gateway.address()).await.unwrap();
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 101");
    // the backend's script has ended and reads nothing: what we may send is bounded by the kernel's buffers and the tunnel's
    let sent = tokio::time::timeout(Duration::from_secs(2), async {
        let (mut sent, chunk) = (0_usize, vec![0; 65536]);
        while let Ok(written) = stream.write(&chunk).await {
            sent += written;
            if sent > 64 << 20 {
                break;
            }
        }
        sent
    });
    assert!(sent.await.unwrap_or(0) < 64 << 20);
}
