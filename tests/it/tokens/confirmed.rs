//! JWTs that are verified here and confirmed by their server now and then (`token_validation = "both"`).

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::DEADLINE;
use crate::support::gateway::{FRONT, Gateway, json};
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims};

const ISSUER: &str = "https://as.example";

struct Stage {
    gateway: Gateway,
    server: Origin,
    signer: Signer,
    _backend: Origin,
}

fn file(backend: &str, server: &str, more: &str) -> String {
    format!(
        r#"
[[key_managers]]
name = "km"
issuer = "{ISSUER}"
certificates = {{ jwks_file = "keys.json" }}
token_validation = "both"
introspection_endpoint = "{server}/introspect"
credentials = {{ username = "gateway", password = "secret" }}
request_timeout = "1s"
{more}
[[apis]]
name = "any"
version = "1"
context = "/any"
production = {{ urls = ["{backend}"] }}
operations = [{{ method = "GET", path = "/*" }}]
[[applications]]
name = "app"
keys = [{{ type = "production", key_manager = "km", consumer_key = "app-key" }}]
subscriptions = [{{ api = "any:1" }}]
"#
    )
}

fn active(active: bool) -> Script {
    let body = json!({ "active": active, "client_id": "app-key" }).to_string();
    Script::answer(200, &[("Content-Type", "application/json")], body)
}

impl Stage {
    async fn of(more: &str) -> Stage {
        let (backend, server, signer) =
            (Origin::start(), Origin::serving(active(true)), Signer::new("k"));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("keys.json"), signer.jwks()).unwrap();
        let text = file(&backend.url(), &server.url(), more);
        std::fs::write(folder.path().join("gateway.toml"), format!("{FRONT}{text}")).unwrap();
        let path = folder.path().to_owned();
        let gateway = Gateway::start_in(&path, Some(folder)).await;
        Stage { gateway, server, signer, _backend: backend }
    }

    fn token(&self, id: &str) -> String {
        let mut claims = claims(ISSUER, "app-key", "");
        claims["jti"] = json!(id);
        self.signer.sign(&claims)
    }

    async fn status(&self, token: &str) -> u16 {
        self.gateway.get("/any/1/x", Some(token)).await.status().as_u16()
    }

    /// Asks until the answer changes to this one.
    async fn becomes(&self, token: &str, wanted: u16) {
        let started = Instant::now();
        while self.status(token).await != wanted {
            assert!(started.elapsed() < DEADLINE, "never {wanted}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn a_token_is_asked_about_once_in_each_interval() {
    let stage = Stage::of("introspect_every = \"1h\"").await;
    let token = stage.token("1");
    for _ in 0..8 {
        assert_eq!(stage.status(&token).await, 200);
    }
    assert_eq!(stage.server.received().len(), 1, "remembered with the verdict");
    assert_eq!(stage.server.received()[0].target, "/introspect");
    // a server that is slow, or down, slows no request within the interval
    stage.server.always(Script::hang());
    let began = Instant::now();
    assert_eq!(stage.status(&token).await, 200);
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    // a forged token costs no question
    let forged = Signer::new("k").sign(&claims(ISSUER, "app-key", ""));
    assert_eq!(stage.status(&forged).await, 401);
    assert_eq!(stage.server.received().len(), 1);
}

#[tokio::test]
async fn a_token_that_its_server_withdrew_is_refused() {
    let stage = Stage::of("introspect_every = \"1s\"").await;
    let token = stage.token("1");
    assert_eq!(stage.status(&token).await, 200);
    stage.server.always(active(false));
    stage.becomes(&token, 401).await;
    let started = Instant::now();
    loop {
        let lines = stage.gateway.log(2).await;
        if lines.iter().any(|line| line["reason"] == "token_inactive") {
            break;
        }
        assert!(started.elapsed() < DEADLINE, "{lines:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn no_is_asked_once_in_each_interval_too() {
    let stage = Stage::of("introspect_every = \"1h\"").await;
    stage.server.always(active(false));
    let token = stage.token("1");
    for _ in 0..5 {
        assert_eq!(stage.status(&token).await, 401);
    }
    assert_eq!(stage.server.received().len(), 1);
}

#[tokio::test]
async fn while_the_server_is_down_tokens_are_refused_unless_it_is_allowed() {
    let stage = Stage::of("").await;
    stage.server.always(Script::answer(500, &[], "no"));
    let token = stage.token("1");
    let answer = stage.gateway.get("/any/1/x", Some(&token)).await;
    assert_eq!((answer.status().as_u16(), &json(&answer)["code"]), (503, &json!("900900")));
    assert!(answer.headers().contains_key("retry-after"));

    let stage = Stage::of("introspect_every = \"1s\"\non_introspection_failure = \"allow\"").await;
    let (passing, withdrawn) = (stage.token("1"), stage.token("2"));
    stage.server.always(active(false));
    assert_eq!(stage.status(&withdrawn).await, 401);
    stage.server.always(Script::answer(500, &[], "no"));
    assert_eq!(stage.status(&passing).await, 200);
    let asked = stage.server.received().len();
    for _ in 0..4 {
        assert_eq!(stage.status(&passing).await, 200);
    }
    assert_eq!(stage.server.received().len(), asked, "that it is down is remembered too");
    // what it has called inactive stays so: wait until it was asked again, and could not be
    let started = Instant::now();
    while stage.server.received().len() == asked {
        assert_eq!(stage.status(&withdrawn).await, 401);
        assert!(started.elapsed() < DEADLINE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(stage.status(&withdrawn).await, 401);
}

#[tokio::test]
async fn what_does_nothing_is_told_and_what_opens_is_warned_of() {
    let stage = Stage::of("").await;
    let good = file("http://127.0.0.1:1", "http://127.0.0.1:2", "");
    for (from, to, words) in [
        ("\"both\"", "\"introspection\"\nintrospect_every = \"1m\"", "does nothing without"),
        ("\"both\"", "\"self_validate_jwt\"\non_introspection_failure = \"allow\"", "does nothing"),
        ("credentials = { username = \"gateway\", password = \"secret\" }\n", "", "credentials"),
        ("introspection_endpoint = \"http://127.0.0.1:2/introspect\"\n", "", "needs an endpoint"),
        ("certificates = { jwks_file = \"keys.json\" }\n", "", "where this key manager's keys are"),
    ] {
        let report = stage.gateway.reload(&good.replacen(from, to, 1)).await.unwrap_err();
        assert!(report.contains(words), "{to}: {report}");
    }
    let path = stage.gateway.folder().join("gateway.toml");
    let allowed = good.replacen("\"both\"", "\"both\"\non_introspection_failure = \"allow\"", 1);
    std::fs::write(&path, format!("{FRONT}{allowed}")).unwrap();
    let loaded = portcullis::config::load(&path).unwrap();
    let warnings = loaded.warnings.render(false);
    assert!(warnings.contains("passes while that server cannot be asked"), "{warnings}");
}
