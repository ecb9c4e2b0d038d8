//! A test for each row of the codes table: what a client sees, to the letter.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::support::bank::{Bank, ISSUER};
use crate::support::gateway::json;
use crate::support::signer::{Signer, claims};

const PATH: &str = "/accounts/1.0.0/accounts/42";
const INVALID: &str =
    "Invalid Credentials. Make sure you have provided the correct security credentials";
const SUBSCRIPTION: &str =
    "User is NOT authorized to access the Resource. API Subscription validation failed.";

fn body(code: &str, message: &str, description: &str) -> Value {
    json!({ "code": code, "message": message, "description": description })
}

#[tokio::test]
async fn no_token() {
    let bank = Bank::open().await;
    let answer = bank.gateway.get(PATH, None).await;
    assert_eq!(answer.status(), 401);
    assert_eq!(
        json(&answer),
        body(
            "900902",
            "Missing Credentials",
            "Invalid Credentials. Make sure your API invocation call has a header: 'Authorization : Bearer ACCESS_TOKEN' or \
             'Authorization : Basic ACCESS_TOKEN' or 'ApiKey : API_KEY'"
        )
    );
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Bearer realm="), "{challenge}");
    assert!(
        !challenge.contains("error="),
        "RFC 6750 section 3.1: no error when nothing was sent: {challenge}"
    );
}

#[tokio::test]
async fn tokens_that_are_refused_look_alike() {
    let bank = Bank::open().await;
    let stranger = Signer::new("key-1");
    let now = jsonwebtoken::get_current_timestamp();
    let tokens = [
        ("another key under the same kid", stranger.sign(&claims(ISSUER, "good", "accounts:read"))),
        ("an unknown kid", Signer::new("key-2").sign(&claims(ISSUER, "good", "accounts:read"))),
        ("expired", bank.token_with(&json!({ "exp": now - 600 }))),
        ("not yet valid", bank.token_with(&json!({ "nbf": now + 600 }))),
        ("no exp", bank.token_with(&json!({ "exp": null }))),
        ("exp as text", bank.token_with(&json!({ "exp": "9999999999" }))),
        ("bound to a certificate", bank.token_with(&json!({ "cnf": { "x5t#S256": "abc" } }))),
        (
            "a key manager that the API does not take",
            bank.token_with(&json!({ "iss": "https://other.example/oauth2/token" })),
        ),
    ];
    for (what, token) in tokens {
        let answer = bank.gateway.get(PATH, Some(&token)).await;
        assert_eq!(answer.status(), 401, "{what}");
        assert_eq!(json(&answer), body("900901", "Invalid Credentials", INVALID), "{what}");
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
        assert!(challenge.contains("error=\"invalid_token\""), "{what}: {challenge}");
    }
    assert!(bank.production.received().is_empty());
}

#[tokio::test]
async fn an_unknown_issuer_is_told_as_wso2_tells_it() {
    let bank = Bank::open().await;
    for issuer in [
        "https://nobody.example",
        "https://closed.example/oauth2/token",
        "https://issuer.example/oauth2/token/",
    ] {
        let (status, found) =
            bank.code(PATH, Some(&bank.token_with(&json!({ "iss": issuer })))).await;
        assert_eq!(status, 401, "{issuer}");
        let description = format!(
            "Access failure for API: /accounts/1.0.0, version: 1.0.0 status: (900901) - {INVALID}"
        );
        assert_eq!(found, body("900901", "Invalid Credentials", &description), "{issuer}");
    }
}

#[tokio::test]
async fn subscriptions() {
    let bank = Bank::open().await;
    let rows = [
        ("nobody", 403, "900908", "Resource forbidden ", SUBSCRIPTION),
        ("elsewhere", 403, "900908", "Resource forbidden ", SUBSCRIPTION),
        ("unsubscribed", 403, "900908", "Resource forbidden ", SUBSCRIPTION),
        ("blocked", 401, "900907", "The requested API is temporarily blocked", SUBSCRIPTION),
        ("half-blocked", 401, "900907", "The requested API is temporarily blocked", SUBSCRIPTION),
        ("on-hold", 401, "900909", "The subscription to the API is inactive", SUBSCRIPTION),
        ("rejected", 401, "900909", "The subscription to the API is inactive", SUBSCRIPTION),
    ];
    for (client, status, code, message, description) in rows {
        // with a wrong scope, so that the order shows: the subscription comes first
        let found = bank.code(PATH, Some(&bank.token_of(client, "wrong"))).await;
        assert_eq!(found, (status, body(code, message, description)), "{client}");
    }
    let sandbox = bank.token_of("half-blocked-sandbox", "accounts:read");
    assert_eq!(
        bank.gateway.get(PATH, Some(&sandbox)).await.status(),
        200,
        "only production is blocked"
    );
    let (status, found) = bank.code(PATH, Some(&bank.token_with(&json!({ "azp": null })))).await;
    assert_eq!((status, &found["code"]), (403, &json!("900908")), "no consumer key");
}

#[tokio::test]
async fn scopes() {
    let bank = Bank::open().await;
    let answer = bank.gateway.request("DELETE", PATH, Some(&bank.token()), Bytes::new()).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(
        json(&answer),
        body(
            "900910",
            "The access token does not allow you to access the requested resource",
            "User is NOT authorized to access the Resource: /accounts/{id}. Scope validation failed."
        )
    );
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains("error=\"insufficient_scope\"")
            && challenge.contains("scope=\"accounts:write\""),
        "{challenge}"
    );
    // any one of the scopes will do
    let answer = bank
        .gateway
        .request("POST", "/accounts/1.0.0/accounts", Some(&bank.token()), Bytes::new())
        .await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn audience() {
    let bank = Bank::open().await;
    let (status, found) = bank.code("/audience/1.0.0/x", Some(&bank.token())).await;
    assert_eq!((status, &found["code"]), (403, &json!("900914")));
    let token = bank.token_with(&json!({ "aud": ["other", "https://api.bank.example"] }));
    assert_eq!(bank.code("/audience/1.0.0/x", Some(&token)).await.0, 200);
}

#[tokio::test]
async fn keys_without_a_backend_of_their_type() {
    let bank = Bank::open().await;
    let status = |code: &str, description: &str| json!({ "code": code, "type": "Status report", "message": "Runtime Error", "description": description });
    let sandbox = bank.token_of("good-sandbox", "");
    assert_eq!(
        bank.code("/production-only/1.0.0/x", Some(&sandbox)).await,
        (403, status("900901", "Sandbox key offered to the API with no sandbox endpoint"))
    );
    assert_eq!(
        bank.code("/sandbox-only/1.0.0/x", Some(&bank.token())).await,
        (403, status("900901", "Production key offered to the API with no production endpoint"))
    );
}

#[tokio::test]
async fn routing_and_lifecycle() {
    let bank = Bank::open().await;
    let not_found = json!({ "code": "404", "type": "Status report", "message": "Not Found", "description": "The requested resource is not available." });
    for path in [
        "/",
        "/nothing",
        "/accounts",
        "/accounts/2.0.0/accounts/42",
        "/accounts/1.0.00/accounts/42",
        "/retired/1.0.0/x",
    ] {
        assert_eq!(bank.code(path, Some(&bank.token())).await, (404, not_found.clone()), "{path}");
    }
    let (status, found) = bank.code("/accounts/1.0.0/nothing", None).await;
    assert_eq!(
        (status, &found["description"]),
        (404, &json!("No matching resource found for given API Request"))
    );
    let answer = bank.gateway.request("PUT", PATH, None, Bytes::new()).await;
    assert_eq!(answer.status(), 405);
    assert_eq!(json(&answer)["description"], "Method not allowed for given API resource");
    let allow = answer.headers()["allow"].to_str().unwrap();
    assert!(allow.contains("GET") && allow.contains("DELETE"), "{allow}");
    let (status, found) = bank.code("/blocked/1.0.0/x", Some(&bank.token())).await;
    assert_eq!(
        (status, &found["code"], &found["message"]),
        (503, &json!("700700"), &json!("API blocked"))
    );
}

#[tokio::test]
async fn one_refusal_in_three_tongues() {
    let bank = Bank::open().await;
    for (accept, content_type, part) in [
        ("application/json", "application/json", "\"code\":\"900902\""),
        ("*/*", "application/json", "\"code\":\"900902\""),
        ("application/xml", "application/xml", "<ams:code>900902</ams:code>"),
        ("text/xml", "text/xml", "<ams:code>900902</ams:code>"),
        ("application/problem+json", "application/problem+json", "\"status\":401"),
    ] {
        let request = Request::get(bank.gateway.url(PATH))
            .header("accept", accept)
            .body(Bytes::new())
            .unwrap();
        let answer = bank.gateway.send(request).await;
        assert_eq!(answer.status(), 401, "{accept}");
        assert_eq!(answer.headers()["content-type"], content_type, "{accept}");
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        assert!(text.contains(part), "{accept}: {text}");
    }
}

#[tokio::test]
async fn two_credentials_are_a_bad_request() {
    let bank = Bank::open().await;
    let token = format!("Bearer {}", bank.token());
    let request = Request::get(bank.gateway.url(PATH))
        .header("authorization", &token)
        .header("authorization", &token);
    let answer = bank.gateway.send(request.body(Bytes::new()).unwrap()).await;
    assert_eq!(answer.status(), 400);
    assert!(
        answer.headers()["www-authenticate"]
            .to_str()
            .unwrap()
            .contains("error=\"invalid_request\"")
    );
}

#[tokio::test]
async fn an_api_without_subscriptions_takes_any_good_token() {
    let bank = Bank::open().await;
    assert_eq!(bank.code("/open/1.0.0/x", Some(&bank.token_of("nobody", ""))).await.0, 200);
    assert_eq!(bank.code("/open/1.0.0/x", None).await.0, 401);
}

#[tokio::test]
async fn every_refusal_has_an_id_that_the_log_repeats() {
    let bank = Bank::open().await;
    let answer = bank.gateway.get(PATH, None).await;
    let id = answer.headers()["portcullis-denial"].to_str().unwrap().to_owned();
    let line = bank.gateway.log(1).await.remove(0);
    assert_eq!(line["denial"], json!(id));
    assert_eq!(line["reason"], "missing_credentials");
    assert_eq!(
        (&line["api"], &line["version"], &line["operation"]),
        (&json!("accounts"), &json!("1.0.0"), &json!("/accounts/{id}"))
    );
}
