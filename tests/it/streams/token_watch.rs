//! Streams end with what vouched for their token: the key that signed it, or the server that was asked about it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::DEADLINE;
use crate::support::config::{Config, api, application};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims};
use crate::support::within;

const ISSUER: &str = "https://as.example";

struct Stage {
    gateway: Gateway,
    server: Origin,
    backend: Origin,
}

/// An API whose only key manager has these lines.
fn config(backend: &str, key_manager: &str) -> Config {
    let lines =
        format!("consumer_key_claim = \"client_id\"\nrequest_timeout = \"1s\"\n{key_manager}");
    Config::new()
        .key_manager("km", &lines)
        .api(api("any:1").to(backend))
        .application(application("app").key("km", "app-key"))
}

fn introspecting(server: &str, more: &str) -> String {
    format!(
        "introspection_endpoint = \"{server}/introspect\"\ncredentials = {{ username = \"g\", password = \"p\" }}\n{more}"
    )
}

fn answer(body: &Value) -> Script {
    Script::answer(200, &[("Content-Type", "application/json")], body.to_string())
}

fn active(more: &Value) -> Script {
    let mut body = json!({ "active": true, "client_id": "app-key" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    answer(&body)
}

fn inactive() -> Script {
    answer(&json!({ "active": false }))
}

impl Stage {
    async fn of(key_manager: impl Fn(&str) -> String, files: &[(&str, String)]) -> Stage {
        let (backend, server) = (Origin::start(), Origin::serving(active(&json!({}))));
        let config = config(&backend.url(), &key_manager(&server.url()));
        let beside =
            |config: Config, (name, content): &(&str, String)| config.beside(name, content);
        let gateway = files.iter().fold(config, beside).start().await;
        Stage { gateway, server, backend }
    }

    /// An event stream that its backend never ends.
    async fn stream(&self, token: &str) -> Stream {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
        self.opened(token, "", head, "first").await.0
    }

    /// A WebSocket, as far as the handshake: the backend says nothing more.
    async fn websocket(&self, token: &str) -> Stream {
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        let more = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let (stream, read) = self.opened(token, more, head, "\r\n\r\n").await;
        assert!(read.starts_with("HTTP/1.1 101"), "{read}");
        stream
    }

    /// A request with these further fields, read until the backend's answer has come so far.
    async fn opened(&self, token: &str, more: &str, head: &str, last: &str) -> (Stream, String) {
        self.backend.once(Script::bytes(head).then_hang());
        let mut stream = TcpStream::connect(self.gateway.address()).await.unwrap();
        let request = format!(
            "GET /any/1/x HTTP/1.1\r\nHost: x\r\n{more}Authorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).contains(last) {
            let count = within("the answer", stream.read_buf(&mut read)).await.unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&read));
        }
        (Stream(stream), String::from_utf8_lossy(&read).into_owned())
    }

    /// What the log says of how streams ended.
    async fn endings(&self, count: usize) -> Vec<Value> {
        let mut found: Vec<Value> = Vec::new();
        let started = Instant::now();
        while found.len() < count {
            assert!(started.elapsed() < DEADLINE, "{found:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
            let lines = self.gateway.log(count).await;
            found = lines
                .iter()
                .filter(|line| line["ending"] == "gateway_closed")
                .map(|line| line["message"].clone())
                .collect();
        }
        found
    }
}

struct Stream(TcpStream);

impl Stream {
    /// Reads until the gateway has ended it.
    async fn ended(mut self) {
        let mut read = Vec::new();
        let mut part = [0; 1024];
        loop {
            let count = within("the end of a stream", self.0.read(&mut part)).await.unwrap_or(0);
            read.extend_from_slice(&part[..count]);
            // the last chunk of an event stream, a close frame, or the end of the connection
            if count == 0 || read.ends_with(b"0\r\n\r\n") || read.first() == Some(&0x88) {
                return;
            }
        }
    }

    /// Nothing has come so far.
    fn is_open(&self) -> bool {
        matches!(self.0.try_read(&mut [0; 16]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }
}

#[tokio::test]
async fn streams_end_when_the_key_of_their_token_is_withdrawn() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let both = {
        let keys = |signer: &Signer| {
            serde_json::from_str::<Value>(&signer.jwks()).unwrap()["keys"][0].clone()
        };
        json!({ "keys": [keys(&old), keys(&new)] }).to_string()
    };
    let document =
        |keys: &str| Script::answer(200, &[("Content-Type", "application/json")], keys.to_owned());
    let server = Origin::serving(document(&both));
    let key_manager = format!(
        "issuer = \"{ISSUER}\"\ncertificates = {{ jwks = \"{}/jwks\" }}\njwks_refresh = \"300ms\"\njwks_min_refetch = \"100ms\"",
        server.url()
    );
    let stage = Stage::of(|_| key_manager.clone(), &[]).await;
    stage.gateway.ready().await;
    let sign = |signer: &Signer| signer.sign(&claims(ISSUER, "app-key", ""));
    let (first, second) = (stage.stream(&sign(&old)).await, stage.websocket(&sign(&old)).await);
    let kept = stage.stream(&sign(&new)).await;
    // a refresh that changes nothing of the keys ends nothing
    server.wait_for(server.received().len() + 2).await;
    assert!(first.is_open() && second.is_open());
    server.always(document(&new.jwks()));
    first.ended().await;
    second.ended().await;
    for message in stage.endings(2).await {
        assert_eq!(message, "the key that signed the token was withdrawn");
    }
    assert!(kept.is_open(), "its key is still there");
    drop(kept);
}

#[tokio::test]
async fn streams_end_when_a_reload_takes_the_key_away() {
    let (old, new) = (Signer::new("k"), Signer::new("k"));
    let key_manager =
        format!("issuer = \"{ISSUER}\"\ncertificates = {{ jwks_file = \"keys.json\" }}");
    let stage = Stage::of(|_| key_manager.clone(), &[("keys.json", old.jwks())]).await;
    let stream = stage.stream(&old.sign(&claims(ISSUER, "app-key", ""))).await;
    std::fs::write(stage.gateway.folder().join("keys.json"), new.jwks()).unwrap();
    stage.gateway.change(&config(&stage.backend.url(), &key_manager)).await.unwrap();
    stream.ended().await;
    assert_eq!(stage.endings(1).await[0], "the key that signed the token was withdrawn");
}

#[tokio::test]
async fn streams_of_opaque_tokens_are_asked_about_again_and_end_with_them() {
    let more = "token_validation = \"introspection\"\nintrospection_cache = \"1s\"";
    let stage = Stage::of(|server| introspecting(server, more), &[]).await;
    let (stream, socket) = (stage.stream("opaque").await, stage.websocket("opaque").await);
    // no `exp`: longer than `introspection_cache`, and asked again all the while
    stage.server.wait_for(4).await;
    assert!(stream.is_open() && socket.is_open(), "nothing has expired");
    stage.server.always(inactive());
    stream.ended().await;
    socket.ended().await;
    for message in stage.endings(2).await {
        assert_eq!(message, "the authorization server says that the token is not active");
    }
}

#[tokio::test]
async fn streams_outlive_a_pause_of_their_server() {
    let more = "token_validation = \"introspection\"\nintrospection_cache = \"1s\"";
    let stage = Stage::of(|server| introspecting(server, more), &[]).await;
    let stream = stage.stream("opaque").await;
    stage.server.always(Script::answer(500, &[], "no"));
    stage.server.wait_for(2).await;
    // that nobody can be asked says nothing of the token: it is asked about again, and ends with that answer alone
    stage.server.always(inactive());
    stream.ended().await;
    assert_eq!(stage.server.received().len(), 3);
}

#[tokio::test]
async fn streams_with_an_end_still_end_then() {
    let more = "token_validation = \"introspection\"\nintrospection_cache = \"1h\"";
    let stage = Stage::of(|server| introspecting(server, more), &[]).await;
    let soon = jsonwebtoken::get_current_timestamp() + 2;
    stage.server.always(active(&json!({ "exp": soon })));
    stage.stream("opaque").await.ended().await;
    assert_eq!(stage.endings(1).await[0], "the token expired");
}

#[tokio::test]
async fn streams_of_confirmed_tokens_end_when_the_server_withdraws_them() {
    let signer = Signer::new("k");
    let more = format!(
        "issuer = \"{ISSUER}\"\ncertificates = {{ jwks_file = \"keys.json\" }}\ntoken_validation = \"both\"\nintrospect_every = \"1s\""
    );
    let stage =
        Stage::of(|server| introspecting(server, &more), &[("keys.json", signer.jwks())]).await;
    let stream = stage.stream(&signer.sign(&claims(ISSUER, "app-key", ""))).await;
    stage.server.wait_for(2).await;
    assert!(stream.is_open());
    stage.server.always(inactive());
    stream.ended().await;
    let message = &stage.endings(1).await[0];
    assert_eq!(message, "the authorization server says that the token is not active");
}

#[tokio::test]
async fn many_streams_of_one_token_share_their_questions() {
    let more = "token_validation = \"introspection\"\nintrospection_cache = \"2s\"";
    let stage = Stage::of(|server| introspecting(server, more), &[]).await;
    let mut streams = Vec::new();
    for _ in 0..30 {
        streams.push(stage.stream("opaque").await);
    }
    let before = stage.server.received().len();
    stage.server.always(inactive());
    for stream in streams {
        stream.ended().await;
    }
    // once for all, and once more where the answer no longer held when the last one's turn came
    let asked = stage.server.received().len() - before;
    assert!(asked <= 4, "{asked} questions about one token");
}
