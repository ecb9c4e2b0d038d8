//! Tokens bound to a certificate (RFC 8705) or a key (RFC 9449): good in the right hand, refused in any other.

use bytes::Bytes;
use http::{Request, Response};
use portcullis::model::clock::Clock;
use portcullis::supervise::clock::SystemClock;
use serde_json::json;

use crate::support::bank::Bank;
use crate::support::hand::{Hand, PATH, encoded};

async fn send(bank: &Bank, authorization: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
    let mut request = Request::get(bank.gateway.url(PATH)).header("authorization", authorization);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    bank.gateway.send(request.body(Bytes::new()).unwrap()).await
}

async fn last_reason(bank: &Bank, lines: usize) -> String {
    bank.gateway.log(lines).await[lines - 1]["reason"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_proof_opens_once_and_only_for_its_request() {
    let bank = Bank::open().await;
    let hand = Hand::new();
    let token = bank.token_with(&json!({ "cnf": { "jkt": hand.thumbprint() } }));
    let dpop = format!("DPoP {token}");
    let proof = hand.proof(&bank, &token, &json!({}));
    assert_eq!(send(&bank, &dpop, &[("dpop", &proof)]).await.status(), 200);
    let seen = &bank.production.received()[0];
    assert!(
        seen.values("dpop").is_empty() && seen.values("authorization").is_empty(),
        "the proof ends here"
    );
    assert_eq!(send(&bank, &dpop, &[("dpop", &proof)]).await.status(), 401, "used before");

    let now = SystemClock.now().0;
    for (what, changes) in [
        ("method", json!({ "htm": "POST" })),
        ("address", json!({ "htu": bank.gateway.url("/accounts/1.0.0/accounts/43") })),
        ("host", json!({ "htu": format!("http://other{PATH}") })),
        ("scheme", json!({ "htu": bank.gateway.url(PATH).replace("http:", "https:") })),
        ("token", json!({ "ath": encoded("other") })),
        ("age", json!({ "iat": now - 300 })),
        ("future", json!({ "iat": now + 300 })),
        ("no id", json!({ "jti": "" })),
        ("time as text", json!({ "iat": "now" })),
    ] {
        let proof = hand.proof(&bank, &token, &changes);
        let answer = send(&bank, &dpop, &[("dpop", &proof)]).await;
        assert_eq!(answer.status(), 401, "{what}");
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
        assert!(
            challenge.starts_with("DPoP ") && challenge.contains("invalid_dpop_proof"),
            "{what}: {challenge}"
        );
    }
    let query =
        hand.proof(&bank, &token, &json!({ "htu": format!("{}?a=b#c", bank.gateway.url(PATH)) }));
    assert_eq!(
        send(&bank, &dpop, &[("dpop", &query)]).await.status(),
        200,
        "query and fragment do not count"
    );
}

#[tokio::test]
async fn another_hand_or_an_open_one_is_refused() {
    let bank = Bank::open().await;
    let (hand, other) = (Hand::new(), Hand::new());
    let token = bank.token_with(&json!({ "cnf": { "jkt": hand.thumbprint() } }));
    let (dpop, bearer) = (format!("DPoP {token}"), format!("Bearer {token}"));
    let stolen = other.proof(&bank, &token, &json!({}));
    assert_eq!(send(&bank, &dpop, &[("dpop", &stolen)]).await.status(), 401);
    assert_eq!(last_reason(&bank, 1).await, "proof_invalid");
    assert_eq!(send(&bank, &dpop, &[]).await.status(), 401, "no proof");
    let proof = hand.proof(&bank, &token, &json!({}));
    assert_eq!(send(&bank, &bearer, &[("dpop", &proof)]).await.status(), 401, "as a bearer token");
    assert_eq!(
        send(&bank, &dpop, &[("dpop", &proof), ("dpop", &proof)]).await.status(),
        401,
        "two proofs"
    );
    let plain = bank.token();
    let proof = hand.proof(&bank, &plain, &json!({}));
    assert_eq!(
        send(&bank, &format!("DPoP {plain}"), &[("dpop", &proof)]).await.status(),
        401,
        "a token that is bound to no key"
    );
    for cnf in [
        json!({ "kid": "x" }),
        json!("x"),
        json!({}),
        json!({ "jkt": "short" }),
        json!({ "x5t#S256": 5 }),
    ] {
        let token = bank.token_with(&json!({ "cnf": cnf }));
        assert_eq!(send(&bank, &format!("Bearer {token}"), &[]).await.status(), 401, "{cnf}");
    }
    assert!(bank.production.received().is_empty());
}

#[tokio::test]
async fn a_nonce_is_asked_for_and_then_taken() {
    let bank = Bank::open().await;
    bank.reload(|config| config.each_api("dpop_nonce = true")).await.unwrap();
    let hand = Hand::new();
    let token = bank.token_with(&json!({ "cnf": { "jkt": hand.thumbprint() } }));
    let dpop = format!("DPoP {token}");
    let answer = send(&bank, &dpop, &[("dpop", &hand.proof(&bank, &token, &json!({})))]).await;
    let nonce = answer.headers()["dpop-nonce"].to_str().unwrap().to_owned();
    assert!(answer.headers()["www-authenticate"].to_str().unwrap().contains("use_dpop_nonce"));
    let proof = hand.proof(&bank, &token, &json!({ "nonce": nonce }));
    assert_eq!(send(&bank, &dpop, &[("dpop", &proof)]).await.status(), 200);
    let proof = hand.proof(&bank, &token, &json!({ "nonce": "mine" }));
    assert_eq!(send(&bank, &dpop, &[("dpop", &proof)]).await.status(), 401);
}

#[tokio::test]
async fn an_api_may_ask_for_bound_tokens() {
    let bank = Bank::open().await;
    bank.reload(|config| config.each_api("require_bound_token = true")).await.unwrap();
    assert_eq!(send(&bank, &format!("Bearer {}", bank.token()), &[]).await.status(), 401);
    assert_eq!(last_reason(&bank, 1).await, "token_not_bound");
    let hand = Hand::new();
    let token = bank.token_with(&json!({ "cnf": { "jkt": hand.thumbprint() } }));
    let proof = hand.proof(&bank, &token, &json!({}));
    assert_eq!(send(&bank, &format!("DPoP {token}"), &[("dpop", &proof)]).await.status(), 200);
}
