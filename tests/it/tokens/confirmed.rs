//! JWTs that are verified here and confirmed by their server now and then (`token_validation = "both"`).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::config::{Config, api, application};
use crate::support::gateway::{Gateway, json};
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims};
use crate::support::until;

const ISSUER: &str = "https://as.example";

struct Stage {
    gateway: Gateway,
    server: Origin,
    signer: Signer,
    _backend: Origin,
}

fn config(backend: &str, server: &str, more: &str) -> Config {
    let lines = format!(
        r#"issuer = "{ISSUER}"
certificates = {{ jwks_file = "keys.json" }}
token_validation = "both"
introspection_endpoint = "{server}/introspect"
credentials = {{ username = "gateway", password = "secret" }}
request_timeout = "1s"
{more}"#
    );
    Config::new()
        .key_manager("km", &lines)
        .api(api("any:1").to(backend))
        .application(application("app").key("km", "app-key"))
}

fn active(active: bool) -> Script {
    let body = json!({ "active": active, "client_id": "app-key" }).to_string();
    Script::answer(200, &[("Content-Type", "application/json")], body)
}

impl Stage {
    async fn of(more: &str) -> Stage {
        let (backend, server, signer) =
            (Origin::start(), Origin::serving(active(true)), Signer::new("k"));
        let config = config(&backend.url(), &server.url(), more);
        let gateway = config.beside("keys.json", signer.jwks()).start().await;
        Stage { gateway, server, signer, _backend: backend }
    }

    fn token(&self, id: &str) -> String {
        let mut claims = claims(ISSUER, "app-key", "");
        claims["jti"] = json!(id);
        self.signer.sign(&claims)
    }

    async fn status(&self, token: &str) -> u16 {
        self.gateway.status("/any/1/x", token).await
    }

    /// Asks until the answer changes to this one.
    async fn becomes(&self, token: &str, wanted: u16) {
        until("another answer", async || self.status(token).await, |seen| *seen == wanted).await;
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
    let inactive =
        |lines: &Vec<_>| lines.iter().any(|line: &Value| line["reason"] == "token_inactive");
    until("its reason", async || stage.gateway.log(2).await, inactive).await;
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
    let ask = async || {
        assert_eq!(stage.status(&withdrawn).await, 401);
        stage.server.received().len()
    };
    until("it is asked again", ask, |seen| *seen > asked).await;
    assert_eq!(stage.status(&withdrawn).await, 401);
}

#[tokio::test]
async fn what_does_nothing_is_told_and_what_opens_is_warned_of() {
    let stage = Stage::of("").await;
    let good = config("http://127.0.0.1:1", "http://127.0.0.1:2", "").to_string();
    let wrong = [
        ("\"both\"", "\"introspection\"\nintrospect_every = \"2m\""),
        ("\"both\"", "\"self_validate_jwt\"\non_introspection_failure = \"allow\""),
        ("credentials = { username = \"gateway\", password = \"secret\" }\n", ""),
        ("introspection_endpoint = \"http://127.0.0.1:2/introspect\"\n", ""),
        ("certificates = { jwks_file = \"keys.json\" }\n", ""),
    ];
    let files = wrong.map(|(from, to)| good.replacen(from, to, 1));
    insta::assert_snapshot!(stage.gateway.reports(files).await);
    let path = stage.gateway.folder().join("gateway.toml");
    let allowed = good.replacen("\"both\"", "\"both\"\non_introspection_failure = \"allow\"", 1);
    std::fs::write(&path, allowed).unwrap();
    let loaded = portcullis::config::load(&path).unwrap();
    let warnings = loaded.warnings.render(portcullis::config::ReportStyle::Plain);
    assert!(
        warnings.contains("a revoked token is accepted while its server cannot be reached"),
        "{warnings}"
    );
}
