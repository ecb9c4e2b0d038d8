//! Tokens that only their server can read, and key managers that share an issuer.

use std::time::Duration;

use serde_json::json;

use crate::support::bank::{self, Bank};
use crate::support::config::{Config, api, application};
use crate::support::gateway::{Gateway, json};
use crate::support::idp::Idp;
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims};

/// One API whose key manager asks at this address.
fn config(backend: &Origin, endpoint: &str, client: &str, more: &str) -> Config {
    Config::new()
        .asking("opaque", endpoint, &format!("request_timeout = \"1s\"\n{more}"))
        .api(api("any:1").to(&backend.url()))
        .application(application("app").key("opaque", client))
}

async fn status(gateway: &Gateway, token: &str) -> u16 {
    gateway.status("/any/1/x", token).await
}

fn active(client: &str) -> Script {
    let now = jsonwebtoken::get_current_timestamp();
    let answer = json!({ "active": true, "client_id": client, "scope": "a b", "username": "u@org", "exp": now + 600, "iat": now, "aut": "APPLICATION" });
    Script::answer(200, &[("Content-Type", "application/json")], answer.to_string())
}

#[tokio::test]
async fn a_real_servers_opaque_tokens_are_asked_about() {
    let idp = Idp::shared().await;
    for preset in ["opaque", "wso2is-org1"] {
        let backend = Origin::start();
        let (endpoint, client) = (idp.introspection(preset), idp.consumer_key(preset));
        let kept = "introspection_cache = \"60s\"";
        let gateway = config(&backend, endpoint, client, kept).start().await;
        assert_eq!(gateway.management("GET", "/readyz").await.status(), 200, "no keys are needed");
        let token = idp.token(preset).await;
        assert!(!token.contains('.'), "{preset}");
        for _ in 0..3 {
            assert_eq!(status(&gateway, &token).await, 200, "{preset}");
        }
        assert_eq!(status(&gateway, "6f1e3f64-0000-4000-8000-000000000000").await, 401, "{preset}");
        let lines = gateway.log(4).await;
        assert!(lines.iter().any(|line| line["reason"] == "token_inactive"), "{lines:?}");
        assert_eq!(
            lines.iter().filter(|line| line["consumer_key"] == idp.consumer_key(preset)).count(),
            3,
            "{lines:?}"
        );
    }
}

#[tokio::test]
async fn questions_are_asked_once_and_answers_kept() {
    let server = Origin::serving(active("app-key").after(Duration::from_millis(300)));
    let backend = Origin::start();
    let gateway = config(&backend, &server.url(), "app-key", "").start().await;
    let together = tokio::join!(
        status(&gateway, "t-1"),
        status(&gateway, "t-1"),
        status(&gateway, "t-1"),
        status(&gateway, "t-1")
    );
    assert_eq!(together, (200, 200, 200, 200));
    assert_eq!(server.received().len(), 1, "one question for all");
    let asked = &server.received()[0];
    assert_eq!(asked.body, b"token=t-1&token_type_hint=access_token");
    assert_eq!(asked.values("authorization"), ["Basic Z2F0ZXdheTpnYXRld2F5LXNlY3JldA=="]);
    server.always(Script::answer(200, &[], r#"{"active":false}"#));
    assert_eq!(status(&gateway, "t-1").await, 200, "kept");
    for _ in 0..4 {
        assert_eq!(status(&gateway, "t-2").await, 401);
    }
    assert_eq!(server.received().len(), 2, "no is kept too, for a moment");
    server.always(Script::answer(500, &[], "no"));
    assert_eq!(status(&gateway, "t-3").await, 503);
    for (series, count) in [
        ("portcullis_introspections_total{key_manager=\"opaque\",result=\"active\"}", 1),
        ("portcullis_introspections_total{key_manager=\"opaque\",result=\"inactive\"}", 1),
        ("portcullis_introspections_total{key_manager=\"opaque\",result=\"unavailable\"}", 1),
        ("portcullis_introspections_in_flight{key_manager=\"opaque\"}", 0),
        ("portcullis_introspection_duration_seconds_count{key_manager=\"opaque\"}", 3),
        ("portcullis_introspection_duration_seconds_bucket{key_manager=\"opaque\",le=\"0.25\"}", 2),
    ] {
        assert_eq!(gateway.metric(series).await, count, "{series}");
    }
    let hits = "portcullis_introspection_cache_hits_total{key_manager=\"opaque\"}";
    assert!(gateway.metric(hits).await >= 3);
}

#[tokio::test]
async fn without_a_cache_each_request_asks() {
    let server = Origin::serving(active("app-key"));
    let backend = Origin::start();
    let gateway =
        config(&backend, &server.url(), "app-key", "introspection_cache = \"0s\"").start().await;
    assert_eq!((status(&gateway, "t").await, status(&gateway, "t").await), (200, 200));
    server.always(Script::answer(200, &[], r#"{"active":false}"#));
    assert_eq!(status(&gateway, "t").await, 401);
    assert_eq!(server.received().len(), 3);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_our_trouble() {
    let server = Origin::serving(Script::hang());
    let backend = Origin::start();
    let gateway = config(&backend, &server.url(), "app-key", "").start().await;
    for script in [
        Script::hang(),
        Script::answer(500, &[], "no"),
        Script::bytes("garbage\r\n\r\n"),
        Script::answer(200, &[], "[]"),
    ] {
        server.always(script);
        let answer = gateway.get("/any/1/x", Some("t")).await;
        assert_eq!((answer.status().as_u16(), &json(&answer)["code"]), (503, &json!("900900")));
        assert!(answer.headers().contains_key("retry-after"));
    }
    assert_eq!(gateway.log(1).await[0]["reason"], "introspection_unavailable");
    server.always(active("app-key"));
    assert_eq!(status(&gateway, "t").await, 200, "no failure is kept");
}

#[tokio::test]
async fn what_a_server_says_is_believed_within_its_bounds() {
    let now = jsonwebtoken::get_current_timestamp();
    let backend = Origin::start();
    let server = Origin::start();
    let gateway =
        config(&backend, &server.url(), "app-key", "issuer = \"https://is.example\"").start().await;
    for (token, answer, wanted) in [
        ("expired", json!({ "active": true, "client_id": "app-key", "exp": now - 100 }), 401),
        ("future", json!({ "active": true, "client_id": "app-key", "nbf": now + 100 }), 401),
        (
            "elsewhere",
            json!({ "active": true, "client_id": "app-key", "iss": "https://other.example" }),
            401,
        ),
        (
            "refresh",
            json!({ "active": true, "client_id": "app-key", "token_type": "Refresh" }),
            401,
        ),
        ("nobody", json!({ "active": true, "client_id": "another" }), 403),
        ("nameless", json!({ "active": true }), 403),
        ("text", json!({ "active": "true", "client_id": "app-key" }), 503),
        (
            "good",
            json!({ "active": true, "client_id": "app-key", "iss": "https://is.example" }),
            200,
        ),
    ] {
        server.always(Script::answer(200, &[], answer.to_string()));
        assert_eq!(status(&gateway, token).await, wanted, "{token}");
    }
}

#[tokio::test]
async fn a_jwt_is_asked_about_too_where_its_key_manager_says_so() {
    let signer = Signer::new("key-1");
    let server = Origin::serving(active("app-key"));
    let backend = Origin::start();
    let gateway =
        config(&backend, &server.url(), "app-key", "issuer = \"https://is.example\"").start().await;
    let token = signer.sign(&claims("https://is.example", "app-key", "a"));
    assert_eq!(status(&gateway, &token).await, 200, "nobody has its key");
    let other = signer.sign(&claims("https://other.example", "app-key", "a"));
    assert_eq!(status(&gateway, &other).await, 401);
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn key_managers_of_one_issuer_pick_their_own_tokens() {
    let bank = Bank::open().await;
    let text = bank.config.to_string();
    let shared = |first: &str, second: &str| {
        text.replacen(
            "[[key_managers]]\nname = \"bank-is\"",
            &format!("[[key_managers]]\nname = \"bank-is\"\n{first}"),
            1,
        )
        .replacen("name = \"other-is\"", &format!("name = \"other-is\"\n{second}"), 1)
        .replace("https://other.example/oauth2/token", bank::ISSUER)
    };
    let org = |pattern: &str| {
        format!("token_handling = [{{ type = \"jwt\", claims = {{ org_id = \"{pattern}\" }} }}]")
    };
    for (first, second) in [("", ""), (&*org("^a$"), ""), (&*org("^a$"), &*org("^a$"))] {
        let report = bank.gateway.reload(&shared(first, second)).await.unwrap_err();
        assert!(report.contains("which of them validates"), "{report}");
    }
    bank.gateway.reload(&shared(&org("^a$"), &org("^b$"))).await.unwrap();
    let path = "/accounts/1.0.0/accounts/42";
    let of = |organization: serde_json::Value| bank.token_with(&json!({ "org_id": organization }));
    assert_eq!(bank.code(path, Some(&of(json!("a")))).await.0, 200);
    assert_eq!(
        bank.code(path, Some(&of(json!("b")))).await.0,
        401,
        "the API does not take the other key manager's"
    );
    assert_eq!(bank.code(path, Some(&of(json!("c")))).await.0, 401);
    assert_eq!(bank.code(path, Some(&bank.token())).await.0, 401, "nobody's own");
    let lines = bank.gateway.log(4).await;
    let count = |reason: &str| lines.iter().filter(|line| line["reason"] == reason).count();
    assert_eq!((count("key_manager_not_allowed"), count("unknown_issuer")), (1, 2));
}
