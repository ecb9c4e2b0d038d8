//! `WWW-Authenticate`: what the developer of a client learns from a refusal, and what a client must not be led to.

use serde_json::{Value, json};

use crate::support::bank::{Bank, ISSUER};
use crate::support::signer::{Signer, claims};

const PATH: &str = "/accounts/1.0.0/accounts/42";
const INVALID: &str =
    "Invalid Credentials. Make sure you have provided the correct security credentials";

async fn challenge(bank: &Bank, path: &str, token: &str) -> (u16, Option<String>, Value) {
    let answer = bank.gateway.get(path, Some(token)).await;
    let challenge = answer.headers().get("www-authenticate");
    let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
    let body = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
    (answer.status().as_u16(), challenge, body)
}

#[tokio::test]
async fn a_refused_token_tells_its_developer_why() {
    let bank = Bank::open().await;
    let now = jsonwebtoken::get_current_timestamp();
    let stranger = Signer::new("key-1").sign(&claims(ISSUER, "good", "accounts:read"));
    let unknown = Signer::new("key-2").sign(&claims(ISSUER, "good", "accounts:read"));
    for (token, words) in [
        (bank.token_with(&json!({ "exp": now - 12 * 60 - 5 })), "The token expired 12 minutes ago"),
        (bank.token_with(&json!({ "exp": now - 3 * 86_400 })), "The token expired 3 days ago"),
        (
            bank.token_with(&json!({ "nbf": now + 200 })),
            "The token is not valid for another 3 minutes",
        ),
        (
            bank.token_with(&json!({ "iss": "https://nobody.example" })),
            "The token's issuer is not known here",
        ),
        (
            bank.token_with(&json!({ "iss": "https://other.example/oauth2/token" })),
            "This API does not accept tokens of this issuer",
        ),
        (bank.token_with(&json!({ "exp": null })), "The token's claim exp is missing"),
        (bank.token_with(&json!({ "token_use": "refresh" })), "The token is a refresh token"),
        (stranger, "The token's signature is not valid"),
        (unknown, "The token is not signed with a key that its issuer publishes"),
        ("a.b.c".to_owned(), "The token cannot be read as a JSON Web Token"),
    ] {
        let (status, challenge, body) = challenge(&bank, PATH, &token).await;
        let challenge = challenge.unwrap();
        assert_eq!(status, 401, "{words}");
        assert!(
            challenge.contains("error=\"invalid_token\"")
                && challenge.contains(&format!("error_description=\"{words}")),
            "{words}: {challenge}"
        );
        // the body keeps WSO2's words
        assert_eq!(body["code"], "900901", "{words}");
        assert!(body["description"].as_str().unwrap().ends_with(INVALID), "{body}");
    }
}

#[tokio::test]
async fn nothing_of_a_token_is_ever_repeated() {
    let bank = Bank::open().await;
    for change in [
        json!({ "iss": "https://secret-issuer.example" }),
        json!({ "token_use": "secret-kind" }),
        json!({ "typ": "secret-refresh" }),
        json!({ "aud": 7, "sub": "secret-subject" }),
        json!({ "exp": "secret-time" }),
    ] {
        let (status, challenge, body) = challenge(&bank, PATH, &bank.token_with(&change)).await;
        let said = format!("{} {body}", challenge.unwrap());
        assert!(status == 401 && !said.contains("secret"), "{change}: {said}");
    }
}

#[tokio::test]
async fn problem_details_tell_it_too() {
    let bank = Bank::open().await;
    let now = jsonwebtoken::get_current_timestamp();
    let token = bank.token_with(&json!({ "exp": now - 7300 }));
    let request = http::Request::get(bank.gateway.url(PATH))
        .header("authorization", format!("Bearer {token}"))
        .header("accept", "application/problem+json");
    let answer = bank.gateway.send(request.body(bytes::Bytes::new()).unwrap()).await;
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(body["detail"], "The token expired 2 hours ago", "{body}");
}

#[tokio::test]
async fn a_client_asks_for_more_scopes_only_where_these_help() {
    let bank = Bank::open().await;
    for (what, path, token) in [
        ("nobody's key", PATH, bank.token_of("nobody", "accounts:read")),
        ("no key", PATH, bank.token_with(&json!({ "azp": null }))),
        ("no subscription", PATH, bank.token_of("unsubscribed", "accounts:read")),
        ("another audience", "/audience/1.0.0/x", bank.token()),
        ("no backend", "/production-only/1.0.0/x", bank.token_of("good-sandbox", "accounts:read")),
    ] {
        let (status, challenge, _) = challenge(&bank, path, &token).await;
        assert_eq!(status, 403, "{what}");
        assert_eq!(challenge, None, "{what}");
    }
    let (status, challenge, _) = challenge(&bank, PATH, &bank.token_of("good", "other")).await;
    let challenge = challenge.unwrap();
    assert_eq!(status, 403);
    assert!(
        challenge.contains("error=\"insufficient_scope\"")
            && challenge.contains("scope=\"accounts:read\""),
        "{challenge}"
    );
    // RFC 9110 wants a challenge with each 401; it says that no other token would help
    for client in ["blocked", "on-hold"] {
        let (status, challenge, _) =
            self::challenge(&bank, PATH, &bank.token_of(client, "accounts:read")).await;
        assert!(status == 401 && challenge.unwrap().contains("The token is good"), "{client}");
    }
}

#[tokio::test]
async fn without_subscriptions_a_token_needs_no_client() {
    let bank = Bank::open().await;
    for change in [
        json!({ "azp": null, "client_id": null }),
        json!({ "azp": "" }),
        json!({ "azp": ["one", "two"] }),
        json!({ "azp": 7 }),
    ] {
        let token = bank.token_with(&change);
        assert_eq!(bank.code("/open/1.0.0/x", Some(&token)).await.0, 200, "{change}");
        let (status, body) = bank.code(PATH, Some(&token)).await;
        assert_eq!((status, &body["code"]), (403, &json!("900908")), "{change}");
    }
    // what is not good stays refused
    let expired = bank.token_with(&json!({ "azp": null, "exp": 1 }));
    assert_eq!(bank.code("/open/1.0.0/x", Some(&expired)).await.0, 401);
}
