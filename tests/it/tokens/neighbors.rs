//! Clients that share an address: one that forges tokens does not lock out the others, where they can be told apart.

use bytes::Bytes;
use http::Request;
use serde_json::json;

use crate::support::bank::{Bank, ISSUER};
use crate::support::gateway::Gateway;
use crate::support::signer::{Signer, claims};

const PATH: &str = "/accounts/1.0.0/accounts/42";
const ME: &str = "203.0.113.66";
const NEIGHBOR: &str = "203.0.113.7";

async fn status(gateway: &Gateway, behind: Option<&str>, token: &str) -> u16 {
    let mut request =
        Request::get(gateway.url(PATH)).header("authorization", format!("Bearer {token}"));
    if let Some(behind) = behind {
        request = request.header("x-forwarded-for", format!("10.9.9.9, {behind}"));
    }
    gateway.send(request.body(Bytes::new()).unwrap()).await.status().as_u16()
}

fn forged(forger: &Signer, id: &str) -> String {
    let mut claims = claims(ISSUER, "good", "accounts:read");
    claims["jti"] = json!(id);
    forger.sign(&claims)
}

#[tokio::test]
async fn a_forger_behind_an_unlisted_balancer_does_not_lock_its_neighbors_out() {
    let bank = Bank::with("[limits]\nmax_forged_tokens = 20").await;
    let (gateway, forger) = (&bank.gateway, Signer::new("key-1"));
    let mut answers = Vec::new();
    for number in 0..40 {
        answers.push(status(gateway, Some(ME), &forged(&forger, &number.to_string())).await);
    }
    assert!(answers[..20].iter().all(|status| *status == 401), "{answers:?}");
    assert!(answers.iter().filter(|status| **status == 429).count() >= 18, "{answers:?}");
    for number in 0..30 {
        let fresh = bank.token_with(&json!({ "jti": format!("neighbor-{number}") }));
        assert_eq!(status(gateway, Some(NEIGHBOR), &fresh).await, 200, "{number}");
    }
    // who invents neighbors has a quarter more, and no more
    let mut invented = Vec::new();
    for number in 0..20 {
        let token = forged(&forger, &format!("invented-{number}"));
        invented.push(status(gateway, Some(&format!("198.51.100.{number}")), &token).await);
    }
    let verified = invented.iter().filter(|status| **status == 401).count();
    assert!((5..=9).contains(&verified), "{invented:?}");
    assert_eq!(status(gateway, None, &bank.token_with(&json!({ "jti": "plain" }))).await, 429);
    assert!(gateway.metric("portcullis_unlisted_proxy_refused_total").await > 0);
    let budget = "portcullis_budget_refused_total{budget=\"invalid_tokens\"}";
    assert!(gateway.metric(budget).await > 0);
}
