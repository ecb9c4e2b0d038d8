//! Silence on streams: one side may say nothing for as long as the other one talks.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::bank::Bank;
use crate::support::client::RawConnection;
use crate::support::config::api;
use crate::support::origin::Origin;
use crate::support::peers::Peers;
use crate::support::script::Script;

async fn talk(peers: &Peers, more: &str, text: &str) -> (Value, Value) {
    let port = peers.serve("grpc_server").await;
    let echo = api("echo:1.0.0")
        .at("/")
        .lines("default_version = true")
        .lines(more)
        .production(&format!("urls = [\"http://127.0.0.1:{port}\"]\nhttp2 = \"always\""))
        .operation("method = \"POST\", path = \"/bank.Echo/Talk\", auth = \"none\"");
    let limits = "[limits]\nbody_stall_timeout = \"600ms\"";
    let bank = Bank::of(|config| config.tables(limits).api(echo)).await;
    let call = json!({
        "address": bank.gateway.address().to_string(), "method": "Talk", "texts": [text], "silent": true,
    });
    let told = peers.call("grpc_call", call).await;
    (told, bank.gateway.log(1).await.remove(0))
}

#[tokio::test]
async fn a_client_of_grpc_may_only_listen() {
    let peers = Peers::start();
    let (told, line) = talk(&peers, "", "listen").await;
    assert_eq!(told["code"], 0, "{told}");
    assert_eq!(told["messages"].as_array().unwrap().len(), 30, "{told}");
    assert_eq!(line["ending"], "completed", "{line}");
}

#[tokio::test]
async fn where_neither_side_talks_the_client_gets_a_status_and_the_log_blames_nobody() {
    let peers = Peers::start();
    let (told, line) = talk(&peers, "", "hello").await;
    assert_eq!((&told["code"], &told["messages"]), (&json!(4), &json!(["hello"])), "{told}");
    assert!(told["details"].as_str().unwrap().contains("neither side"), "{told}");
    assert_eq!(line["ending"], "gateway_closed", "{line}");
    assert_eq!(line["message"], "neither side sent anything for 600ms");
    peers.saw("cancelled").await;
}

#[tokio::test]
async fn an_api_may_allow_streams_to_be_silent() {
    let peers = Peers::start();
    for more in ["body_stall_timeout = \"none\"", "body_stall_timeout = \"1m\""] {
        let (told, line) = talk(&peers, more, "late").await;
        assert_eq!(
            (&told["code"], &told["messages"]),
            (&json!(0), &json!(["late", "done"])),
            "{told}"
        );
        assert_eq!(line["ending"], "completed", "{line}");
    }
}

#[tokio::test]
async fn an_answer_goes_on_although_the_request_stands_still() {
    let body = "a body that takes one and a half seconds";
    let origin = Origin::serving(Script::drip(body, Duration::from_millis(40)).early());
    let talker = api("talker:1").open().to(&origin.url());
    let limits = "[limits]\nbody_stall_timeout = \"400ms\"";
    let bank = Bank::of(|config| config.tables(limits).api(talker)).await;
    let mut raw = RawConnection::open(bank.gateway.address()).await.unwrap();
    raw.send(
        "POST /talker/1/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    )
    .await
    .unwrap();
    let answer = timeout(Duration::from_secs(10), raw.answer()).await.unwrap().unwrap().unwrap();
    assert_eq!((answer.status, answer.complete), (200, true), "{answer:?}");
    assert_eq!(answer.body.len(), 40);
}
