//! The authorization server rotates its keys while anybody sends tokens with kids that nobody knows: no good token is ever
//! called bad, and the server is asked no more often than `jwks_min_refetch` says, three times in a row apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::Response;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::DEADLINE;
use crate::support::config::{Config, api, application};
use crate::support::gateway::json as body;
use crate::support::idp::Idp;
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims, key_set};

const PATH: &str = "/orders/1.0.0/1";
const ISSUER: &str = "https://as.example";

fn config(issuer: &str, jwks: &str, client: &str, lines: &str, backend: &Origin) -> Config {
    let source = format!("issuer = \"{issuer}\"\ncertificates = {{ jwks = \"{jwks}\" }}");
    Config::new()
        .key_manager("as", &format!("type = \"Okta\"\n{source}\n{lines}"))
        .api(api("orders:1.0.0").to(&backend.url()))
        .application(application("app").key("as", client))
}

/// Tokens of a key manager, each with a kid that nobody has heard of.
struct Noise {
    signer: Signer,
    issuer: String,
    sent: u32,
}

impl Noise {
    fn new(issuer: &str) -> Noise {
        Noise { signer: Signer::new("noise"), issuer: issuer.to_owned(), sent: 0 }
    }

    fn token(&mut self) -> String {
        self.sent += 1;
        let header =
            Header { kid: Some(format!("unknown-{}", self.sent)), ..Header::new(Algorithm::ES256) };
        self.signer.sign_with(&header, &claims(&self.issuer, "somebody", ""))
    }
}

fn of(signer: &Signer) -> String {
    let mut claims = claims(ISSUER, "client", "");
    claims["cid"] = json!("client");
    signer.sign(&claims)
}

fn keys(signers: &[&Signer]) -> Script {
    Script::answer(200, &[("Content-Type", "application/jwk-set+json")], key_set(signers))
}

fn seconds(answer: &Response<bytes::Bytes>) -> u64 {
    answer.headers()["retry-after"].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn no_good_token_is_refused_while_keys_rotate_under_noise() {
    let idp = Idp::start(&["okta"]).await;
    let backend = Origin::start();
    let config = config(
        idp.issuer("okta"),
        idp.jwks("okta"),
        idp.consumer_key("okta"),
        "jwks_min_refetch = \"500ms\"",
        &backend,
    );
    let gateway = Arc::new(config.start().await);
    gateway.ready().await;
    assert_eq!(gateway.get(PATH, Some(&idp.token("okta").await)).await.status(), 200);
    let (before, begun) = (idp.stats("okta").await["jwks"], Instant::now());

    let over = Arc::new(AtomicBool::new(false));
    let mut noises = JoinSet::new();
    for _ in 0..2 {
        let (gateway, over) = (Arc::clone(&gateway), Arc::clone(&over));
        let mut noise = Noise::new(idp.issuer("okta"));
        noises.spawn(async move {
            let mut answers = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let status = gateway.get(PATH, Some(&noise.token())).await.status().as_u16();
                answers.push(status);
            }
            answers
        });
    }
    // the noise has used up what may be asked in a row
    while idp.stats("okta").await["jwks"] < before + 4 {
        assert!(begun.elapsed() < DEADLINE, "the noise makes the gateway look");
    }
    for round in 0..3 {
        idp.rotate("okta", if round == 1 { "replace" } else { "overlap" }).await;
        for _ in 0..4 {
            let answer = gateway.get(PATH, Some(&idp.token("okta").await)).await;
            assert_eq!(answer.status(), 200, "round {round}: {:?}", answer.body());
        }
    }
    over.store(true, Ordering::Relaxed);
    for answers in noises.join_all().await {
        assert!(answers.iter().all(|status| matches!(status, 401 | 503)), "{answers:?}");
    }
    let asked = u128::from(idp.stats("okta").await["jwks"] - before);
    let allowed = 3 + begun.elapsed().as_millis() / 500 + 1;
    assert!(asked <= allowed, "{asked} fetches, {allowed} are allowed");
}

#[tokio::test]
async fn what_cannot_be_looked_up_in_time_is_not_called_bad() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let (server, backend) = (Origin::serving(keys(&[&old])), Origin::start());
    let jwks = format!("{}/jwks", server.url());
    let gateway = config(ISSUER, &jwks, "client", "", &backend).start().await;
    gateway.ready().await;
    let mut noise = Noise::new(ISSUER);
    // three in a row: it is known of each that it is bad
    for _ in 0..3 {
        assert_eq!(gateway.get(PATH, Some(&noise.token())).await.status(), 401);
    }
    assert_eq!(server.received().len(), 4);
    server.always(keys(&[&old, &new]));
    for token in [noise.token(), of(&new), noise.token(), of(&new)] {
        let begun = Instant::now();
        let answer = gateway.get(PATH, Some(&token)).await;
        assert_eq!((answer.status().as_u16(), &body(&answer)["code"]), (503, &json!("900900")));
        assert!((1..=10).contains(&seconds(&answer)), "{}", seconds(&answer));
        assert!(begun.elapsed() < Duration::from_secs(3), "nobody waits for what cannot come");
    }
    assert_eq!(gateway.get(PATH, Some(&of(&old))).await.status(), 200);
    assert_eq!(server.received().len(), 4, "whatever clients send");
    let metrics = gateway.metrics().await;
    let too_late = "portcullis_key_set_waits_total{key_manager=\"as\",result=\"too_late\"} 4";
    assert!(metrics.contains(too_late), "{metrics}");
    assert!(metrics.contains("portcullis_key_set_waiting_requests{key_manager=\"as\"} 0"));

    // an operator who knows of the rotation does not wait
    let refreshed = gateway.management("POST", "/key-managers/as/refresh").await;
    assert_eq!(
        (refreshed.status().as_u16(), &body(&refreshed)["status"]),
        (200, &json!("changed"))
    );
    assert_eq!(gateway.get(PATH, Some(&of(&new))).await.status(), 200);
}

#[tokio::test]
async fn a_bad_signature_spends_less_and_waits_for_nothing() {
    let (old, forger) = (Signer::new("same"), Signer::new("same"));
    let (server, backend) = (Origin::serving(keys(&[&old])), Origin::start());
    let jwks = format!("{}/jwks", server.url());
    let gateway = config(ISSUER, &jwks, "client", "", &backend).start().await;
    gateway.ready().await;
    for _ in 0..6 {
        assert_eq!(gateway.get(PATH, Some(&of(&forger))).await.status(), 401);
    }
    assert_eq!(server.received().len(), 3, "the start, and two looks");
    let new = Signer::new("new");
    server.always(keys(&[&old, &new]));
    assert_eq!(gateway.get(PATH, Some(&of(&new))).await.status(), 200, "the third is spared");
}

#[tokio::test]
async fn who_waits_for_keys_is_not_forgotten_by_a_reload() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let (server, backend) = (Origin::serving(keys(&[&old])), Origin::start());
    let jwks = format!("{}/jwks", server.url());
    let config = |lines: &str| config(ISSUER, &jwks, "client", lines, &backend);
    let gateway = Arc::new(config("").start().await);
    gateway.ready().await;
    server.once(Script::hang());
    server.always(keys(&[&old, &new]));
    let (asking, token) = (Arc::clone(&gateway), of(&new));
    let mut waiting = JoinSet::new();
    waiting.spawn(async move { asking.get(PATH, Some(&token)).await.status() });
    server.wait_for(2).await;
    gateway.change(&config("jwks_refresh = \"5m\"")).await.unwrap();
    assert_eq!(
        waiting.join_next().await.unwrap().unwrap(),
        200,
        "the keys of the next configuration are asked"
    );
}

#[tokio::test]
async fn operators_refresh_keys_and_are_told_what_was_read() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let (server, backend) = (Origin::serving(keys(&[&old])), Origin::start());
    let jwks = format!("{}/jwks", server.url());
    let gateway = config(ISSUER, &jwks, "client", "", &backend)
        .signed_by("my file", "https://f", &old, "")
        .start()
        .await;
    gateway.ready().await;
    let call = async |method: &str, path: &str| {
        let answer = gateway.management(method, path).await;
        (answer.status().as_u16(), body(&answer))
    };
    let refresh = async || call("POST", "/key-managers/as/refresh").await;

    let (status, told) = refresh().await;
    assert_eq!((status, &told["status"], &told["keys"]), (200, &json!("unchanged"), &json!(1)));
    server.always(keys(&[&old, &new]));
    let (status, told) = refresh().await;
    assert_eq!((status, &told["status"], &told["keys"]), (200, &json!("changed"), &json!(2)));
    server.always(Script::answer(500, &[], ""));
    let (status, told) = refresh().await;
    assert_eq!((status, &told["status"], &told["keys"]), (502, &json!("failed"), &json!(2)));
    assert!(told["detail"].as_str().unwrap().contains("answered 500"), "{told}");

    assert_eq!(call("POST", "/key-managers/nobody/refresh").await.0, 404);
    assert_eq!(call("POST", "/key-managers/my%20file/refresh").await.0, 409);
    assert_eq!(call("GET", "/key-managers/as/refresh").await.0, 405);
    assert_eq!(call("POST", "/reload?refresh_keys=perhaps").await.0, 400);

    server.always(keys(&[&new]));
    let before = server.received().len();
    let (status, told) = call("POST", "/reload?refresh_keys=true").await;
    assert_eq!((status, &told["status"]), (200, &json!("reloaded")));
    let read = &told["key_managers"];
    assert_eq!(read.as_array().unwrap().len(), 1, "{told}");
    assert_eq!((&read[0]["key_manager"], &read[0]["status"]), (&json!("as"), &json!("changed")));
    assert_eq!(server.received().len(), before + 1);
    assert_eq!(gateway.get(PATH, Some(&of(&old))).await.status(), 401, "withdrawn");
    assert_eq!(call("POST", "/reload").await.1["key_managers"], Value::Null);
}

#[tokio::test]
async fn a_refresh_asks_for_credentials_where_there_are_users() {
    // the hash of "secret"
    let hash = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$zXjmL1CoczLKsvDVz4XyTw";
    let users = format!(
        "users = [{{ name = \"admin\", password_hash = \"{hash}\", roles = [\"admin\"] }}]"
    );
    let (old, backend) = (Signer::new("old"), Origin::start());
    let server = Origin::serving(keys(&[&old]));
    let jwks = format!("{}/jwks", server.url());
    let config = config(ISSUER, &jwks, "client", "", &backend);
    let gateway = config.management(&users).start().await;
    gateway.ready().await;
    let before = server.received().len();
    let answer = gateway.management("POST", "/key-managers/as/refresh").await;
    assert_eq!(answer.status(), 401);
    assert_eq!(server.received().len(), before);
}
