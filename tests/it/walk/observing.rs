//! `observe = true`: what rules refuse is forwarded and told; what is about identity never is.

use serde_json::{Value, json};

use crate::support::bank::{Bank, config};
use crate::support::config::api;
use crate::support::origin::Origin;

const ACCOUNT: &str = "/accounts/1.0.0/accounts/42";

/// The status of a call of the accounts with a token of this client and scope.
async fn status(bank: &Bank, client: &str, scope: &str) -> u16 {
    bank.gateway.status(ACCOUNT, &bank.token_of(client, scope)).await
}

async fn ready(bank: &Bank) -> Value {
    let answer = bank.gateway.management("GET", "/readyz").await;
    serde_json::from_slice(answer.body()).unwrap()
}

#[tokio::test]
async fn an_api_that_observes_forwards_what_its_rules_refuse() {
    let origin = Origin::start();
    let bound = api("bound:1.0.0")
        .without_subscription()
        .to(&origin.url())
        .lines("require_bound_token = true");
    let bank = Bank::of(|config| config.api(bound).each_api("observe = true")).await;
    for (client, scope, expected) in [
        ("good", "accounts:read", 200),
        ("good", "nothing", 200),
        ("unsubscribed", "accounts:read", 200),
        ("nobody", "nothing", 200),
        // somebody decided so about this application
        ("blocked", "accounts:read", 401),
    ] {
        assert_eq!(status(&bank, client, scope).await, expected, "{client} {scope}");
    }
    let audience = bank.gateway.status("/audience/1.0.0/x", &bank.token()).await;
    assert_eq!(audience, 200);
    assert_eq!(bank.gateway.status("/bound/1.0.0/x", &bank.token()).await, 200);
    let bound = bank.token_with(&json!({ "cnf": { "jkt": "A".repeat(43) } }));
    assert_eq!(bank.gateway.status("/bound/1.0.0/x", &bound).await, 401, "without its proof");
    let expired = bank.token_with(&json!({ "exp": 1 }));
    assert_eq!(bank.gateway.status(ACCOUNT, &expired).await, 401);
    let foreign = bank.token_with(&json!({ "iss": "https://nobody.example" }));
    assert_eq!(bank.gateway.status(ACCOUNT, &foreign).await, 401);
    let token = bank.token();
    let (head, signature) = token.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    assert_eq!(bank.gateway.status(ACCOUNT, &forged).await, 401);
    assert_eq!(bank.code(ACCOUNT, None).await.0, 401, "without a token");
    for (reason, api, count) in [
        ("insufficient_scope", "accounts", 1),
        ("not_subscribed", "accounts", 1),
        ("consumer_key_unknown", "accounts", 1),
        ("audience_refused", "audience", 1),
        ("token_not_bound", "bound", 1),
    ] {
        let labels = format!("api=\"{api}\",version=\"1.0.0\",reason=\"{reason}\"");
        let series = format!("portcullis_observed_refusals_total{{{labels}}}");
        bank.gateway.metric_becomes(&series, count).await;
    }
    let shown = ready(&bank).await;
    assert!(
        shown["observing"].as_array().unwrap().contains(&json!("API accounts 1.0.0")),
        "{shown}"
    );
    // one that is taken away refuses again
    let plain = config(&bank.production.url(), &bank.sandbox.url(), &bank.signer);
    bank.gateway.change(&plain).await.unwrap();
    assert_eq!(status(&bank, "good", "nothing").await, 403);
    assert_eq!(ready(&bank).await["observing"], Value::Null);
}

#[tokio::test]
async fn an_operation_observes_for_itself_alone() {
    let operation = "method = \"GET\", path = \"/new\", scopes = [\"new\"], observe = true";
    let api = api("trial:1.0.0")
        .operation(operation)
        .operation("method = \"GET\", path = \"/old\", scopes = [\"old\"]");
    let bank = Bank::of(|config| {
        let backend = "urls = [\"http://127.0.0.1:9\"]";
        config.api(api.production(backend))
    })
    .await;
    let token = bank.token();
    // nobody listens there: the gateway tried
    let observed = bank.gateway.status("/trial/1.0.0/new", &token).await;
    assert!(observed >= 500, "{observed}");
    assert_eq!(bank.gateway.status("/trial/1.0.0/old", &token).await, 403);
}

#[tokio::test]
async fn a_key_manager_observes_its_audiences_and_every_api() {
    let lines = |observe: bool| {
        format!(
            "issuer = \"https://trial.example\"\ncertificates = {{ jwks_file = \"keys.json\" }}\n\
             audiences = [\"https://bank.example\"]\nobserve = {observe}"
        )
    };
    let bank = Bank::of(|config| config.key_manager("trial-is", &lines(true))).await;
    let token = |audience: &str| {
        bank.token_with(&json!({ "iss": "https://trial.example", "aud": audience }))
    };
    let calls = [
        ("/open/1.0.0/x", "https://bank.example", None),
        ("/open/1.0.0/x", "https://elsewhere.example", Some("token_audience")),
        ("/production-only/1.0.0/x", "https://bank.example", Some("consumer_key_unknown")),
    ];
    for (position, (path, audience, reason)) in calls.into_iter().enumerate() {
        assert_eq!(bank.gateway.status(path, &token(audience)).await, 200, "{path} {audience}");
        let lines = bank.gateway.log(position + 1).await;
        let line = lines.last().unwrap();
        assert_eq!(line["observed"].as_str(), reason, "{line}");
        assert_eq!(line["message"].is_string(), reason.is_some(), "{line}");
    }
    let shown = ready(&bank).await;
    assert_eq!(shown["observing"], json!(["key manager trial-is"]), "{shown}");
    let metrics = bank.gateway.metrics().await;
    assert!(metrics.contains("\nportcullis_observing 1\n"), "{metrics}");
    // the tokens of others are refused as before
    assert_eq!(status(&bank, "unsubscribed", "accounts:read").await, 403);
}
