//! Floods of tokens that no server knows: their senders pay, servers are spared, and good tokens go on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::config::{Config, api, application};
use crate::support::gateway::{Gateway, json};
use crate::support::origin::Origin;
use crate::support::script::Script;

fn config(server: &str, backend: &str, limits: &str) -> Config {
    let lines = "request_timeout = \"2s\"\nintrospection_cache = \"60s\"";
    Config::new()
        .asking("opaque", server, lines)
        .api(api("any:1").to(backend))
        .application(application("app").key("opaque", "app-key"))
        .tables(&format!("[limits]\n{limits}"))
}

struct Stage {
    server: Origin,
    _backend: Origin,
    gateway: Gateway,
}

impl Stage {
    /// Loopback is a trusted proxy, so that a request can come from anywhere.
    async fn of(limits: &str) -> Arc<Stage> {
        let (server, backend) = (Origin::serving(inactive()), Origin::start());
        let gateway = config(&server.url(), &backend.url(), limits)
            .gateway("trusted_proxies = [\"127.0.0.1\"]")
            .start()
            .await;
        Arc::new(Stage { server, _backend: backend, gateway })
    }

    async fn ask(&self, from: &str, token: &str) -> Response<Bytes> {
        let request = Request::get(self.gateway.url("/any/1/x"))
            .header("authorization", format!("Bearer {token}"))
            .header("x-forwarded-for", from);
        self.gateway.send(request.body(Bytes::new()).unwrap()).await
    }

    async fn status(&self, from: &str, token: &str) -> u16 {
        self.ask(from, token).await.status().as_u16()
    }
}

/// So many requests at once, each with a token of its own.
async fn together(stage: &Arc<Stage>, count: usize) -> Vec<u16> {
    let mut asking = JoinSet::new();
    for number in 0..count {
        let stage = Arc::clone(stage);
        asking.spawn(async move { stage.status(LIAR, &format!("together-{number}")).await });
    }
    asking.join_all().await
}

fn inactive() -> Script {
    Script::answer(200, &[("Content-Type", "application/json")], r#"{"active":false}"#)
}

fn active() -> Script {
    let exp = jsonwebtoken::get_current_timestamp() + 600;
    let answer = json!({ "active": true, "client_id": "app-key", "exp": exp });
    Script::answer(200, &[("Content-Type", "application/json")], answer.to_string())
}

const LIAR: &str = "192.0.2.1";
const OTHER: &str = "198.51.100.7";

#[tokio::test]
async fn garbage_is_paid_for_and_known_tokens_go_on() {
    let stage = Stage::of("unknown_tokens = { requests = 5, per = \"1h\" }").await;
    stage.server.always(active());
    assert_eq!(stage.status(LIAR, "known").await, 200);
    stage.server.always(inactive());
    let mut answers = Vec::new();
    for number in 0..20 {
        answers.push(stage.status(LIAR, &format!("garbage-{number}")).await);
    }
    assert_eq!(answers[..5], [401; 5], "{answers:?}");
    assert_eq!(answers[5..], [429; 15], "{answers:?}");
    assert_eq!(stage.server.received().len(), 6);
    let refused = stage.ask(LIAR, "another").await;
    assert_eq!((refused.status().as_u16(), &json(&refused)["code"]), (429, &json!("429")));
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((700..=720).contains(&wait), "a fifth of an hour: {wait}");
    assert!(!refused.headers().contains_key("www-authenticate"));
    stage.server.always(active());
    for _ in 0..12 {
        assert_eq!(stage.status(LIAR, "known").await, 200, "a known token goes on");
    }
    assert_eq!(stage.status(OTHER, "new").await, 200, "others are not concerned");
    let log = stage.gateway.log(30).await;
    assert!(log.iter().any(|line| line["reason"] == "unknown_tokens" && line["client"] == LIAR));
    let refused = "portcullis_budget_refused_total{budget=\"unknown_tokens\"}";
    assert_eq!(stage.gateway.metric(refused).await, 16);
}

#[tokio::test]
async fn tokens_that_a_server_vouches_for_are_free() {
    let stage = Stage::of("unknown_tokens = { requests = 3, per = \"1h\" }").await;
    stage.server.always(active());
    for number in 0..30 {
        assert_eq!(stage.status(LIAR, &format!("good-{number}")).await, 200, "{number}");
    }
    // also a burst of them
    stage.server.always(active().after(Duration::from_millis(20)));
    let answers = together(&stage, 40).await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
}

#[tokio::test]
async fn a_flood_behind_a_slow_server_leaves_others_their_places() {
    let stage = Stage::of("unknown_tokens = { requests = 1000, per = \"1s\" }").await;
    stage.server.always(inactive().after(Duration::from_millis(700)));
    let flood = together(&stage, 200);
    let good = async {
        // the flood has begun
        stage.server.wait_for(1).await;
        let began = Instant::now();
        assert_eq!(stage.status(OTHER, "new").await, 401);
        began.elapsed()
    };
    let (answers, took) = tokio::join!(flood, good);
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(answers.contains(&429), "{answers:?}");
    assert!(stage.server.received().len() < 100, "{}", stage.server.received().len());
}

#[tokio::test]
async fn the_budget_is_only_written_right() {
    let gateway = Config::least().start().await;
    let wrong = [
        "unknown_tokens = { requests = 0, per = \"1s\" }",
        "unknown_tokens = { requests = 1, per = \"0s\" }",
        "unknown_tokens = { requests = 1, per = \"2h\" }",
        "unknown_tokens = 5",
        "unknown_tokens = { request = 5 }",
    ];
    let nowhere = "http://127.0.0.1:1";
    let files = wrong.map(|limits| config(nowhere, nowhere, limits).to_string());
    insta::assert_snapshot!(gateway.reports(files).await);
}
