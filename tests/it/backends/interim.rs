//! Interim answers of backends: some are usual, a flood of them ends the exchange.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::bank::Bank;
use crate::support::client::{Client, Protocol};
use crate::support::config::{Api, api};
use crate::support::frames::{END_HEADERS, frame, kind};
use crate::support::http2_origin::{Http2Origin, PROCESSING};
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::within;

/// Each protocol of a client, with and without a body.
const EACH: [(Protocol, &str); 4] = [
    (Protocol::Http1, ""),
    (Protocol::Http1, "body"),
    (Protocol::Http2, ""),
    (Protocol::Http2, "body"),
];

const INTERIM: &str = "HTTP/1.1 102 Processing\r\n\r\n";

fn slow(backend: SocketAddr) -> Api {
    let backend = format!("http://{backend}");
    api("slow:1").open().to(&backend).production("response_timeout = \"60s\"")
}

async fn ask(bank: &Bank, protocol: Protocol, body: &'static str) -> Response<Bytes> {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let request = Request::builder()
        .method(method)
        .uri(bank.gateway.url("/slow/1/a"))
        .body(Bytes::from_static(body.as_bytes()))
        .unwrap();
    within("an answer", Client::plain(protocol).send(request)).await.unwrap()
}

#[tokio::test]
async fn some_are_passed_over_and_more_are_a_fault() {
    let origin = Origin::start();
    let bank = Bank::beside(slow(origin.address())).await;
    let answer = |count: usize| {
        Script::bytes(format!(
            "{}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            INTERIM.repeat(count)
        ))
    };
    for (protocol, body) in EACH {
        origin.always(answer(20));
        let before = origin.connections();
        for _ in 0..4 {
            assert_eq!(ask(&bank, protocol, body).await.status(), 200);
        }
        // one for each worker at most
        assert!(origin.connections() <= before + 2, "they are no reason to leave a connection");
        origin.always(answer(100));
        let before = origin.connections();
        let refused = ask(&bank, protocol, body).await;
        assert_eq!(refused.status(), 502, "{protocol:?} {body:?}");
        let text = String::from_utf8_lossy(refused.body()).into_owned();
        assert!(text.contains("101506"), "{text}");
        assert!(origin.connections() <= before + 1, "it was not sent again");
    }
    let lines = bank.gateway.log(20).await;
    let refused: Vec<_> = lines.iter().filter(|line| line["status"] == 502).collect();
    assert_eq!(refused.len(), 4);
    for line in refused {
        assert_eq!(line["reason"], "backend_protocol");
        assert!(line["message"].as_str().unwrap().contains("interim answers"), "{line}");
    }
}

/// Sends interim answers for as long as anybody reads them.
#[tokio::test]
async fn a_flood_ends_at_once_and_its_connection_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (ended, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let ended = ended.clone();
            connections.spawn(async move {
                let mut head = [0; 4096];
                if stream.read(&mut head).await.is_ok_and(|read| read > 0) {
                    let some = INTERIM.repeat(100);
                    while stream.write_all(some.as_bytes()).await.is_ok() {}
                    let _ = ended.send(());
                }
            });
        }
    });
    let bank = Bank::beside(slow(address)).await;
    for (protocol, body) in EACH {
        assert_eq!(ask(&bank, protocol, body).await.status(), 502, "{protocol:?} {body:?}");
        within("the connection closes", ends.recv()).await.unwrap();
    }
}

#[tokio::test]
async fn a_flood_on_a_stream_ends_too() {
    let (ended, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let origin = Http2Origin::start(None, &[], move |mut served| {
        let ended = ended.clone();
        async move {
            while let Some(came) = served.next().await {
                if came.kind != kind::HEADERS {
                    continue;
                }
                let flood = served.number == 0;
                let interim = frame(kind::HEADERS, END_HEADERS, came.stream, &PROCESSING);
                served.send(interim.repeat(if flood { 1000 } else { 20 })).await;
                if !flood {
                    served.answer(came.stream).await;
                }
            }
            let _ = ended.send(served.number);
        }
    })
    .await;
    let bank = Bank::beside(slow(origin.address).production("http2 = \"always\"")).await;
    let answer = ask(&bank, Protocol::Http1, "").await;
    assert_eq!(answer.status(), 502);
    assert_eq!(within("the connection closes", ends.recv()).await, Some(0));
    for protocol in [Protocol::Http1, Protocol::Http2] {
        assert_eq!(ask(&bank, protocol, "").await.status(), 200, "on another connection");
    }
    let lines = bank.gateway.log(3).await;
    let refused = lines.iter().find(|line| line["status"] == 502).unwrap();
    assert!(refused["message"].as_str().unwrap().contains("interim answers"), "{refused}");
}
