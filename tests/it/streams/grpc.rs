//! gRPC end to end, with a real client and a real server: streams, trailers, deadlines, and refusals that it understands.

use serde_json::{Value, json};

use crate::support::bank::Bank;
use crate::support::config::api;
use crate::support::peers::Peers;
use crate::support::signer::soon;

async fn open(peers: &Peers) -> Bank {
    let port = peers.serve("grpc_server").await;
    let grpc = |reference: &str, port: u64| {
        let backend = format!("urls = [\"http://127.0.0.1:{port}\"]\nhttp2 = \"always\"");
        api(reference).lines("default_version = true").production(&backend)
    };
    let echo = grpc("echo:1.0.0", port)
        .at("/")
        .without_subscription()
        .operation("method = \"POST\", path = \"/bank.Echo/{method}\"")
        .operation("method = \"POST\", path = \"/bank.Echo/Talk\", scopes = [\"talk\"]");
    let gone = grpc("gone:1.0.0", 1).at("/bank.Gone").open();
    Bank::of(|config| config.api(echo).api(gone)).await
}

async fn call(peers: &Peers, bank: &Bank, mut what: Value) -> Value {
    what["address"] = json!(bank.gateway.address().to_string());
    peers.call("grpc_call", what).await
}

#[tokio::test]
async fn calls_streams_and_trailers_pass() {
    let peers = Peers::start();
    let bank = open(&peers).await;
    let told =
        call(&peers, &bank, json!({ "method": "Say", "token": bank.token(), "text": "hello" }))
            .await;
    assert_eq!((&told["code"], &told["messages"]), (&json!(0), &json!(["hello"])), "{told}");
    assert_eq!(told["trailers"]["x-trailer"], "here");
    let told =
        call(&peers, &bank, json!({ "method": "Say", "token": bank.token(), "text": "fail" }))
            .await;
    assert_eq!((&told["code"], &told["details"]), (&json!(9), &json!("as asked")), "{told}");
    let told =
        call(&peers, &bank, json!({ "method": "Tick", "token": bank.token(), "text": "5" })).await;
    assert_eq!(
        (&told["code"], &told["messages"]),
        (&json!(0), &json!(["0", "1", "2", "3", "4"])),
        "{told}"
    );
    let talker = bank.token_of("good", "talk");
    let told =
        call(&peers, &bank, json!({ "method": "Talk", "token": talker, "texts": ["a", "b", "c"] }))
            .await;
    assert_eq!((&told["code"], &told["messages"]), (&json!(0), &json!(["a", "b", "c"])), "{told}");
    let metadata = &peers.saw("grpc").await[0]["metadata"];
    assert_eq!(metadata["authorization"], Value::Null, "the token ends here");
}

#[tokio::test]
async fn refusals_are_statuses() {
    let peers = Peers::start();
    let bank = open(&peers).await;
    let told = call(&peers, &bank, json!({ "method": "Say" })).await;
    assert_eq!(told["code"], 16, "{told}");
    assert!(told["details"].as_str().unwrap().starts_with("900902"), "{told}");
    let told = call(&peers, &bank, json!({ "method": "Say", "token": "a.b.c" })).await;
    assert_eq!(told["code"], 16, "{told}");
    let told =
        call(&peers, &bank, json!({ "method": "Talk", "token": bank.token(), "texts": ["a"] }))
            .await;
    assert_eq!(told["code"], 7, "{told}");
    let lines = bank.gateway.log(3).await;
    assert!(
        lines
            .iter()
            .any(|line| line["reason"] == "missing_credentials" && line["protocol"] == "HTTP/2.0"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_backend_that_is_not_there_is_unavailable() {
    let peers = Peers::start();
    let bank = open(&peers).await;
    let request = http::Request::post(bank.gateway.url("/bank.Gone/Say"))
        .header("content-type", "application/grpc")
        .body(bytes::Bytes::new());
    let answer = bank.gateway.send(request.unwrap()).await;
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["grpc-status"].to_str().unwrap()),
        (200, "14")
    );
    assert_eq!(answer.headers()["content-type"], "application/grpc");
}

#[tokio::test]
async fn the_clients_deadline_is_kept_and_told() {
    let peers = Peers::start();
    let bank = open(&peers).await;
    let told =
        call(&peers, &bank, json!({ "method": "Wait", "token": bank.token(), "deadline": 700 }))
            .await;
    assert_eq!(told["code"], 4, "{told}");
    let left = peers.saw("grpc").await[0]["deadline"].as_f64().unwrap();
    assert!((1.0..=700.0).contains(&left), "the backend knows how long it has: {left}");
    peers.saw("cancelled").await;
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let peers = Peers::start();
    let bank = open(&peers).await;
    let told = call(
        &peers,
        &bank,
        json!({ "method": "Tick", "token": bank.token_with(&soon(2)), "text": "never" }),
    )
    .await;
    assert_eq!(
        (&told["code"], &told["details"]),
        (&json!(16), &json!("the token expired")),
        "{told}"
    );
    assert!(told["messages"].as_array().unwrap().len() > 20, "{told}");
    peers.saw("cancelled").await;
}
