//! The authorization server is down, slow or lies: known keys go on, nothing unverified gets in, and it heals by itself.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::config::{Config, api, application};
use crate::support::gateway::{Gateway, json};
use crate::support::idp::Idp;
use crate::support::origin::Origin;

const PATH: &str = "/orders/1.0.0/1";

/// One API behind one preset's key manager.
fn config(idp: &Idp, preset: &str, kind: &str, origin: &Origin) -> Config {
    refetching(idp, preset, kind, origin, "100ms")
}

fn refetching(idp: &Idp, preset: &str, kind: &str, origin: &Origin, least: &str) -> Config {
    let limits = format!(
        "jwks_min_refetch = \"{least}\"\nrequest_timeout = \"500ms\"\nmax_document_bytes = \"64KiB\""
    );
    let (issuer, jwks) = (idp.issuer(preset), idp.jwks(preset));
    let source = format!("issuer = \"{issuer}\"\ncertificates = {{ jwks = \"{jwks}\" }}");
    let orders = api("orders:1.0.0")
        .to(&origin.url())
        .operation("method = \"GET\", path = \"/*\"")
        .operation("method = \"GET\", path = \"/open\", auth = \"none\"");
    Config::new()
        .key_manager(preset, &format!("type = \"{kind}\"\n{source}\n{limits}"))
        .api(orders)
        .application(application("app").key(preset, idp.consumer_key(preset)))
}

async fn status(gateway: &Gateway, token: &str) -> u16 {
    gateway.status(PATH, token).await
}

#[tokio::test]
async fn a_gateway_starts_without_its_authorization_server() {
    let idp = Idp::start(&["okta"]).await;
    let origin = Origin::start();
    idp.fault("okta", json!({ "route": "jwks", "status": 503 })).await;
    let gateway = config(&idp, "okta", "Okta", &origin).start().await;
    let token = idp.token("okta").await;

    assert_eq!(
        gateway.get("/orders/1.0.0/open", None).await.status(),
        200,
        "what needs no key works"
    );
    let answer = gateway.get(PATH, Some(&token)).await;
    assert_eq!(answer.status(), 503, "our trouble is not the client's 401");
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(json(&answer)["code"], "900900");
    let ready = gateway.management("GET", "/readyz").await;
    assert_eq!(ready.status(), 503);
    assert!(
        String::from_utf8_lossy(ready.body()).contains("key manager \\\"okta\\\" has no keys"),
        "{:?}",
        ready.body()
    );
    assert_eq!(gateway.management("GET", "/livez").await.status(), 200);

    idp.heal("okta", "jwks").await;
    gateway.ready().await;
    assert_eq!(status(&gateway, &token).await, 200);
}

#[tokio::test]
async fn known_keys_go_on_whatever_the_server_says() {
    let idp = Idp::start(&["okta"]).await;
    let origin = Origin::start();
    let gateway = config(&idp, "okta", "Okta", &origin).start().await;
    gateway.ready().await;
    let known = idp.token("okta").await;
    assert_eq!(status(&gateway, &known).await, 200);
    idp.rotate("okta", "overlap").await;
    let unknown = idp.token("okta").await;
    for fault in [
        json!({ "route": "jwks", "status": 500 }),
        json!({ "route": "jwks", "body": "<html>sorry</html>", "headers": { "content-type": "text/html" } }),
        json!({ "route": "jwks", "body": { "keys": [] } }),
        json!({ "route": "jwks", "body": "not json" }),
        json!({ "route": "jwks", "drop": true }),
        json!({ "route": "jwks", "delay_ms": 2000 }),
        json!({ "route": "jwks", "size": 1_000_000 }),
        json!({ "route": "jwks", "status": 302, "headers": { "location": "https://elsewhere.example/jwks" } }),
    ] {
        idp.fault("okta", fault.clone()).await;
        tokio::time::sleep(Duration::from_millis(110)).await;
        assert_eq!(
            status(&gateway, &unknown).await,
            503,
            "an unknown kid that cannot be looked up: {fault}"
        );
        assert_eq!(status(&gateway, &known).await, 200, "{fault}");
        idp.heal("okta", "jwks").await;
    }
    tokio::time::sleep(Duration::from_millis(110)).await;
    assert_eq!(status(&gateway, &unknown).await, 200, "healed without a restart");
}

#[tokio::test]
async fn a_key_under_an_old_kid_is_noticed() {
    let idp = Idp::start(&["okta"]).await;
    let origin = Origin::start();
    let gateway = config(&idp, "okta", "Okta", &origin).start().await;
    gateway.ready().await;
    let old = idp.token("okta").await;
    assert_eq!(status(&gateway, &old).await, 200);
    idp.rotate("okta", "same-kid").await;
    tokio::time::sleep(Duration::from_millis(110)).await;
    let new = idp.token("okta").await;
    assert_eq!(status(&gateway, &new).await, 200);
    assert_eq!(status(&gateway, &old).await, 401);
}

#[tokio::test]
async fn a_restart_during_an_outage_works_with_the_last_good_keys() {
    let idp = Idp::start(&["okta"]).await;
    let origin = Origin::start();
    let folder = tempfile::tempdir().unwrap();
    config(&idp, "okta", "Okta", &origin).write_to(folder.path());
    let token = idp.token("okta").await;
    {
        let gateway = Gateway::start_in(folder.path(), None).await;
        gateway.ready().await;
        assert_eq!(status(&gateway, &token).await, 200);
    }
    idp.fault("okta", json!({ "route": "jwks", "drop": true })).await;
    let gateway = Gateway::start_in(folder.path(), None).await;
    assert_eq!(status(&gateway, &token).await, 200);
    gateway.ready().await;
}

#[tokio::test]
async fn a_flood_of_unknown_kids_is_three_fetches() {
    let idp = Idp::start(&["okta"]).await;
    let origin = Origin::start();
    let gateway = refetching(&idp, "okta", "Okta", &origin, "30s").start().await;
    gateway.ready().await;
    let before = idp.stats("okta").await["jwks"];
    let forged: Vec<String> = (0..50)
        .map(|_| {
            crate::support::signer::Signer::new("nobody").sign(&crate::support::signer::claims(
                idp.issuer("okta"),
                "x",
                "read",
            ))
        })
        .collect();
    let started = Instant::now();
    let mut answers = Vec::new();
    for token in &forged {
        answers.push(status(&gateway, token).await);
    }
    // of three it is known that there is no such key; of the others nobody can say it yet
    assert_eq!(answers[..3], [401; 3]);
    assert_eq!(answers[3..], [503; 47]);
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(idp.stats("okta").await["jwks"] - before, 3);
}

#[tokio::test]
async fn one_servers_trouble_is_not_anothers() {
    let idp = Idp::start(&["okta", "keycloak"]).await;
    let origin = Origin::start();
    idp.fault("keycloak", json!({ "route": "jwks", "hang": true })).await;
    let (issuer, jwks) = (idp.issuer("keycloak"), idp.jwks("keycloak"));
    let hanging = format!(
        "type = \"KeyCloak\"\nissuer = \"{issuer}\"\ncertificates = {{ jwks = \"{jwks}\" }}"
    );
    let config = config(&idp, "okta", "Okta", &origin).key_manager("keycloak", &hanging);
    let gateway = config.start().await;
    let token = idp.token("okta").await;
    assert_eq!(status(&gateway, &token).await, 200);
}
