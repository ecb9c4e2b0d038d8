//! What a drain says to those who would stay: WebSockets, event streams, calls of gRPC, and silent HTTP/2 connections.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::bank::Bank;
use crate::support::client::RawConnection;
use crate::support::config::{Api, Config, api};
use crate::support::frames::{self, Frames, kind};
use crate::support::peers::Peers;
use crate::support::script::Script;

async fn bank(drain_timeout: &str, api: Option<Api>) -> Bank {
    let drain = format!("drain_timeout = \"{drain_timeout}\"");
    Bank::of(|config| api.into_iter().fold(config.gateway(&drain), Config::api)).await
}

/// Drains the gateway; how long that took.
fn stop(bank: Bank) -> tokio::task::JoinHandle<Duration> {
    tokio::task::spawn_blocking(move || {
        let began = Instant::now();
        let Bank { gateway, production, sandbox, .. } = bank;
        drop(gateway);
        drop((production, sandbox));
        began.elapsed()
    })
}

#[tokio::test]
async fn both_sides_of_a_websocket_hear_that_the_gateway_goes() {
    // two processes, for each does one thing after the other
    let (peers, clients) = (Peers::start(), Peers::start());
    let port = peers.serve("websocket_server").await;
    let chat = api("chat:1.0.0").open().to(&format!("http://127.0.0.1:{port}"));
    let bank = bank("4s", Some(chat)).await;
    let url = format!("ws://{}/chat/1.0.0/room", bank.gateway.address());
    let talk = json!({ "url": url, "messages": ["one"], "until": "close" });
    let stopped = async {
        peers.saw("websocket").await;
        stop(bank).await.unwrap()
    };
    let (told, _) = tokio::join!(clients.call("websocket_talk", talk), stopped);
    assert_eq!(
        (&told["code"], &told["reason"]),
        (&json!(1001), &json!("the gateway is stopping")),
        "{told}"
    );
    let heard = &peers.saw("closed").await[0];
    assert_eq!(
        (&heard["code"], &heard["reason"]),
        (&json!(1001), &json!("the gateway is stopping")),
        "{heard}"
    );
}

#[tokio::test]
async fn a_stream_of_grpc_is_told_to_try_elsewhere() {
    // two processes, for each does one thing after the other
    let (peers, clients) = (Peers::start(), Peers::start());
    let port = peers.serve("grpc_server").await;
    let echo = api("echo:1.0.0")
        .at("/")
        .lines("default_version = true")
        .operation("method = \"POST\", path = \"/bank.Echo/Talk\", auth = \"none\"")
        .to(&format!("http://127.0.0.1:{port}"))
        .production("http2 = \"always\"");
    let bank = bank("2s", Some(echo)).await;
    let call = json!({
        "address": bank.gateway.address().to_string(), "method": "Talk", "texts": ["hello"], "silent": true,
    });
    let stopped = async {
        peers.saw("grpc").await;
        stop(bank).await.unwrap()
    };
    let (told, _): (Value, _) = tokio::join!(clients.call("grpc_call", call), stopped);
    assert_eq!((&told["code"], &told["messages"]), (&json!(14), &json!(["hello"])), "{told}");
    assert!(told["details"].as_str().unwrap().contains("stopping"), "{told}");
}

#[tokio::test]
async fn an_event_stream_ends_in_order() {
    let bank = bank("2s", None).await;
    let mut connection = RawConnection::open(bank.gateway.address()).await.unwrap();
    bank.production.always(
        Script::bytes(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n",
        )
        .then_hang(),
    );
    connection.send("GET /accounts/1.0.0/status HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    bank.production.wait_for(1).await;
    let mut answer = String::from_utf8(connection.head().await.unwrap().into_bytes()).unwrap();
    assert!(answer.contains("text/event-stream"), "{answer}");
    let stopped = stop(bank);
    answer = String::from_utf8(connection.rest().await.unwrap()).unwrap();
    assert!(answer.ends_with("data: 1\n\n\r\n0\r\n\r\n"), "{answer:?}");
    stopped.await.unwrap();
}

#[tokio::test]
async fn a_silent_connection_of_http2_does_not_hold_the_drain() {
    let bank = bank("30s", None).await;
    let mut client = Frames::open(bank.gateway.address(), &[]).await.unwrap();
    let path = "/accounts/1.0.0/status";
    let flags = frames::END_STREAM | frames::END_HEADERS;
    client.send(frames::request(1, flags, "GET", path, &[])).await.unwrap();
    assert!(client.next_of(kind::HEADERS).await.is_some());
    let stopped = stop(bank);
    assert!(client.next_of(kind::GOAWAY).await.is_some(), "it is told");
    // neither the ping nor anything else is answered
    while client.next().await.is_some() {}
    let took = stopped.await.unwrap();
    assert!(took < Duration::from_secs(12), "{took:?} of a drain of 30 s");
}
