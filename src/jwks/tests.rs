//! Fetching from scripted servers on loopback.

mod asking;
mod trust;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::config;
use crate::jwt::KeySet;
use crate::model::key_manager::KeyManager;
use crate::supervise::clock::SystemClock;

const KEY_ONE: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"one","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const KEY_TWO: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"two","x":"d75a980182b10ab7d54bfed3c964073a0ee172f3daa"}"#;
const KEY_THREE: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"three","x":"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"}"#;
const ODD_KEY: &str = r#"{"kty":"AKP","alg":"ML-DSA-65","kid":"odd","pub":"AAAA"}"#;

/// A server that gives every request the scripted answer, and counts.
struct Server {
    address: std::net::SocketAddr,
    answer: Arc<arc_swap::ArcSwap<String>>,
    asked: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start(answer: String) -> Server {
        Server::delayed(answer, Duration::ZERO).await
    }

    async fn delayed(answer: String, delay: Duration) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(arc_swap::ArcSwap::from_pointee(answer));
        let asked = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        let (told, count) = (Arc::clone(&answer), Arc::clone(&asked));
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = [0; 2048];
                let _ = stream.read(&mut buffer).await;
                count.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(delay).await;
                let _ = stream.write_all(told.load().as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Server { address, answer, asked, _tasks: tasks }
    }

    fn says(&self, answer: String) {
        self.answer.store(Arc::new(answer));
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn json(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn keys(keys: &[&str]) -> String {
    json(&format!("{{\"keys\":[{}]}}", keys.join(",")))
}

/// A key manager of these lines, as an operator would write it.
fn key_manager(folder: &Path, lines: &str) -> KeyManager {
    let path = folder.join("gateway.toml");
    std::fs::write(&path, format!("[[key_managers]]\nname = \"km\"\n{lines}\n")).unwrap();
    config::load(&path).unwrap_or_else(|report| panic!("{report}")).model.key_managers.remove(0)
}

struct Stage {
    folder: tempfile::TempDir,
    fetchers: KeySets,
}

impl Stage {
    fn new() -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let fetchers = KeySets::new(folder.path(), Arc::new(SystemClock));
        Stage { folder, fetchers }
    }

    fn run(&mut self, lines: &str) -> Arc<KeyManagerKeys> {
        let key_manager = key_manager(self.folder.path(), lines);
        self.fetchers.reconcile(&[key_manager]).remove(0)
    }

    fn jwks(&mut self, server: &Server, more: &str) -> Arc<KeyManagerKeys> {
        self.run(&format!(
            "issuer = \"https://i\"\ncertificates = {{ jwks = \"http://{}/jwks\" }}\n{more}",
            server.address
        ))
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(8), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn kids(keys: &KeyManagerKeys) -> Vec<String> {
    keys.current()
        .keys
        .as_ref()
        .map_or_else(Vec::new, |set: &Arc<KeySet>| set.key_ids().map(str::to_owned).collect())
}

#[tokio::test]
async fn each_key_by_itself() {
    let server = Server::start(keys(&[ODD_KEY, KEY_ONE, "17"])).await;
    let mut stage = Stage::new();
    let found = stage.jwks(&server, "");
    found.settled().await;
    assert_eq!(kids(&found), ["one"]);
    let skipped: u64 = found.status().skipped.iter().map(|(_, count)| count).sum();
    assert_eq!(skipped, 2);
}

#[tokio::test]
async fn each_failure_is_its_own_and_loses_nothing() {
    let server = Server::start(keys(&[KEY_ONE])).await;
    let mut stage = Stage::new();
    let found = stage.jwks(
        &server,
        "jwks_min_refetch = \"1ms\"\nmax_document_bytes = \"4KiB\"\nrequest_timeout = \"400ms\"",
    );
    found.settled().await;
    let generation = found.current().generation;
    for (answer, label, words) in [
        ("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_owned(), "status", "answered 500"),
        (
            "HTTP/1.1 302 Found\r\nlocation: https://elsewhere.example/x\r\ncontent-length: 0\r\n\r\n".to_owned(),
            "redirect",
            "elsewhere.example",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\n<>".to_owned(), "content_type", "text/html"),
        (keys(&[]), "no_usable_key", "no usable key"),
        (keys(&[ODD_KEY]), "no_usable_key", "no usable key"),
        (json("{\"keys\":"), "json", "cannot be read"),
        (json(&"x".repeat(5000)), "size", "max_document_bytes"),
        ("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{".to_owned(), "broken_off", "broke off"),
        ("SMTP\r\n".to_owned(), "broken_off", "broke off"),
    ] {
        server.says(answer.clone());
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(found.refetch(RefetchCause::UnknownKey).await, Refetched::Failed, "{answer}");
        let status = found.status();
        assert!(status.last_failure.as_ref().is_some_and(|failure| failure.contains(words)), "{words}: {:?}", status.last_failure);
        assert!(status.fetches.iter().any(|(found, _)| *found == label), "{label}: {:?}", status.fetches);
        assert_eq!((kids(&found), found.current().generation), (vec!["one".to_owned()], generation), "{answer}");
        assert!(found.current().last_attempt_failed);
    }
    server.says(keys(&[KEY_ONE]));
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(found.refetch(RefetchCause::UnknownKey).await, Refetched::Unchanged);
    assert!(!found.current().last_attempt_failed);
    server.says(keys(&[
        KEY_ONE,
        KEY_TWO
            .replace(
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa",
                "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw",
            )
            .as_str(),
    ]));
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(found.refetch(RefetchCause::UnknownKey).await, Refetched::Changed);
    assert_eq!(found.current().generation, generation + 1);
}

#[tokio::test]
async fn a_server_that_is_down_at_first_is_found_later() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut stage = Stage::new();
    let found = stage.run(&format!(
        "issuer = \"https://i\"\ncertificates = {{ jwks = \"http://{port}/jwks\" }}"
    ));
    found.settled().await;
    assert!(found.current().keys.is_none());
    assert!(found.status().fetches.iter().any(|(label, _)| *label == "connect"));
    let listener = TcpListener::bind(port).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 2048]).await;
            let _ = stream.write_all(keys(&[KEY_ONE]).as_bytes()).await;
        }
    });
    until("it is asked again by itself", || found.current().keys.is_some()).await;
}

#[tokio::test]
async fn a_configuration_that_is_not_used_leaves_the_tasks_as_they_were() {
    let server = Server::start(keys(&[KEY_ONE])).await;
    let mut stage = Stage::new();
    let found = stage.jwks(&server, "");
    found.settled().await;
    let next = stage.jwks(&server, "jwks_refresh = \"5m\"");
    next.settled().await;
    stage.fetchers.take_back();
    server.says(keys(&[KEY_ONE, KEY_THREE]));
    assert_eq!(found.refetch(RefetchCause::UnknownKey).await, Refetched::Changed);
    assert!(Arc::ptr_eq(&found, &stage.jwks(&server, "")));
    assert_eq!(next.refetch(RefetchCause::UnknownKey).await, Refetched::TooLate);
}

#[tokio::test]
async fn a_set_that_must_not_be_kept_is_read_again_every_minute() {
    let answer =
        keys(&[KEY_ONE]).replace("\r\n\r\n", "\r\ncache-control: no-store, no-cache\r\n\r\n");
    let server = Server::start(answer).await;
    let mut stage = Stage::new();
    let found = stage.jwks(&server, "");
    found.settled().await;
    let next = found.next_background();
    assert!(next > Duration::from_secs(50) && next <= Duration::from_mins(1), "{next:?}");
}

#[tokio::test]
async fn what_stands_before_a_document_is_passed_over_or_named() {
    let mut stage = Stage::new();
    let body = format!("{{\"keys\":[{KEY_ONE}]}}");
    let server = Server::start(json(&format!("\u{feff}\r\n {body}"))).await;
    let found = stage.jwks(&server, "jwks_min_refetch = \"1ms\"");
    found.settled().await;
    assert_eq!(kids(&found), ["one"], "a byte order mark and white space");
    let zipped = json(&body).replace("\r\n\r\n", "\r\ncontent-encoding: gzip\r\n\r\n");
    for (answer, word) in [(zipped, "gzip"), (json("while(1);{}"), "cannot be read")] {
        server.says(answer);
        assert_eq!(found.refetch(RefetchCause::UnknownKey).await, Refetched::Failed);
        let failure = found.status().last_failure.unwrap();
        assert!(failure.contains(word), "{failure}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_issuer_with_braces_is_no_issuer() {
    let server = Server::start(String::new()).await;
    let base = format!("http://{}", server.address);
    server.says(json(&format!(
        "{{\"issuer\":\"https://login.microsoftonline.com/{{tenantid}}/v2.0\",\"jwks_uri\":\"{base}/jwks\"}}"
    )));
    let mut stage = Stage::new();
    let found = stage.run(&format!("well_known_url = \"{base}/common/v2.0/known\""));
    found.settled().await;
    let failure = found.status().last_failure.unwrap();
    assert!(
        failure.contains("{tenantid}") && failure.contains("/<tenant id>/v2.0/known"),
        "{failure}"
    );
    assert!(found.current().keys.is_none(), "never ready");
}

#[tokio::test]
async fn discovery_fills_what_is_not_written_and_must_agree() {
    let server = Server::start(String::new()).await;
    let base = format!("http://{}", server.address);
    server.says(json(&format!("{{\"issuer\":\"https://found\",\"jwks_uri\":\"{base}/jwks\"}}")));
    let mut stage = Stage::new();
    let other = stage.run(&format!("issuer = \"https://written\"\nwell_known_url = \"{base}/d\""));
    other.settled().await;
    let failure = other.status().last_failure.unwrap();
    assert!(
        failure.contains("\"https://found\"") && failure.contains("\"https://written\""),
        "{failure}"
    );
    server.says(json(r#"{"issuer":"https://found","jwks_uri":"http://192.0.2.1/jwks"}"#));
    let insecure = stage.run(&format!("issuer = \"https://found\"\nwell_known_url = \"{base}/d\""));
    insecure.settled().await;
    assert!(
        insecure.status().fetches.iter().any(|(label, _)| *label == "insecure"),
        "{:?}",
        insecure.status()
    );
    // one document that is a discovery document and a key set
    let both = format!(
        "{{\"issuer\":\"https://found\",\"jwks_uri\":\"{base}/jwks\",\"keys\":[{KEY_ONE}]}}"
    );
    server.says(json(&both));
    let learned = stage.run(&format!("well_known_url = \"{base}/d\""));
    learned.settled().await;
    assert_eq!(
        learned.current().issuer.as_ref().map(ToString::to_string).as_deref(),
        Some("https://found")
    );
    assert_eq!(kids(&learned), ["one"]);
}

#[tokio::test]
async fn good_keys_end_after_keep_stale() {
    let server = Server::start(keys(&[KEY_ONE])).await;
    let mut stage = Stage::new();
    let found = stage.jwks(&server, "jwks_keep_stale = \"300ms\"\njwks_refresh = \"100ms\"");
    found.settled().await;
    assert!(found.current().keys.is_some());
    server.says("HTTP/1.1 503 no\r\ncontent-length: 0\r\n\r\n".to_owned());
    until("the keys end", || found.current().keys.is_none()).await;
    server.says(keys(&[KEY_ONE]));
    until("and come back", || found.current().keys.is_some()).await;
}

#[tokio::test]
async fn last_good_keys_are_taken_up_for_the_same_server_only() {
    let server = Server::start(keys(&[KEY_ONE])).await;
    let mut stage = Stage::new();
    stage.jwks(&server, "").settled().await;
    let kept: Vec<_> = std::fs::read_dir(stage.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let kept = kept
        .iter()
        .find(|path| path.to_string_lossy().contains("keys-"))
        .expect("a kept key set")
        .clone();
    server.says("HTTP/1.1 503 no\r\ncontent-length: 0\r\n\r\n".to_owned());

    let folder = std::mem::replace(&mut stage, Stage::new()).folder;
    stage.folder = folder;
    stage.fetchers = KeySets::new(stage.folder.path(), Arc::new(SystemClock));
    assert_eq!(kids(&stage.jwks(&server, "")), ["one"], "before anything was fetched");

    stage.fetchers = KeySets::new(stage.folder.path(), Arc::new(SystemClock));
    let other = stage.run(&format!(
        "issuer = \"https://other\"\ncertificates = {{ jwks = \"http://{}/jwks\" }}",
        server.address
    ));
    assert!(kids(&other).is_empty(), "kept for another issuer");

    std::fs::write(kept, "half a docu").unwrap();
    stage.fetchers = KeySets::new(stage.folder.path(), Arc::new(SystemClock));
    assert!(kids(&stage.jwks(&server, "")).is_empty(), "a broken file is no key set");
}

#[tokio::test]
async fn reconciling_leaves_alone_what_did_not_change() {
    let server = Server::start(keys(&[KEY_ONE])).await;
    let mut stage = Stage::new();
    let first = stage.jwks(&server, "");
    first.settled().await;
    let same = stage.jwks(&server, "display_name = \"another name\"");
    assert!(Arc::ptr_eq(&first, &same));
    let changed = stage.jwks(&server, "jwks_refresh = \"5m\"");
    assert!(!Arc::ptr_eq(&first, &changed));
    assert_eq!(kids(&changed), ["one"], "good keys go on while only the way of asking changes");
    let disabled = stage.jwks(&server, "enabled = false");
    assert!(kids(&disabled).is_empty());
    assert_eq!(disabled.refetch(RefetchCause::NoKeys).await, Refetched::NotAllowed);
}
