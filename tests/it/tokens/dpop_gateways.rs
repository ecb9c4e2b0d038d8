//! DPoP behind several gateways: one key makes everybody's nonces, and the channel says which proofs were used.

use bytes::Bytes;
use http::Request;
use serde_json::json;

use crate::support::bank::Bank;
use crate::support::config::Config;
use crate::support::gateway::Gateway;
use crate::support::hand::{Hand, PATH};
use crate::support::redis::Redis;

/// What a balancer in front calls all of them.
const HOST: &str = "api.example";
const KEY: &str = "dpop_nonce_key = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n";

/// Another gateway for the bank's tokens and backends; its own nonces unless there is a key.
async fn another(bank: &Bank, key: &str, revocation: &str) -> Gateway {
    config(bank, key, revocation).start().await
}

fn config(bank: &Bank, key: &str, revocation: &str) -> Config {
    let config = bank.config.clone().gateway(key).tables(revocation);
    if revocation.is_empty() { config.each_api("dpop_nonce = true") } else { config }
}

async fn ask(gateway: &Gateway, token: &str, proof: &str) -> (u16, Option<String>) {
    let request = Request::get(gateway.url(PATH))
        .header("host", HOST)
        .header("authorization", format!("DPoP {token}"))
        .header("dpop", proof);
    let answer = gateway.send(request.body(Bytes::new()).unwrap()).await;
    let nonce = answer.headers().get("dpop-nonce").map(|nonce| nonce.to_str().unwrap().to_owned());
    (answer.status().as_u16(), nonce)
}

fn address() -> String {
    format!("http://{HOST}{PATH}")
}

#[tokio::test]
async fn gateways_with_one_key_take_each_others_nonces() {
    let bank = Bank::open().await;
    bank.gateway.change(&config(&bank, KEY, "")).await.unwrap();
    let (same, stranger) = (another(&bank, KEY, "").await, another(&bank, "", "").await);
    let hand = Hand::new();
    let token = bank.token_with(&json!({ "cnf": { "jkt": hand.thumbprint() } }));
    let proof = |nonce: Option<&str>| {
        let mut changes = json!({ "htu": address() });
        if let Some(nonce) = nonce {
            changes["nonce"] = json!(nonce);
        }
        hand.proof(&bank, &token, &changes)
    };
    let (status, nonce) = ask(&bank.gateway, &token, &proof(None)).await;
    assert_eq!(status, 401);
    let nonce = nonce.expect("a nonce");
    assert_eq!(ask(&same, &token, &proof(Some(&nonce))).await.0, 200, "of the same key");
    let (status, own) = ask(&stranger, &token, &proof(Some(&nonce))).await;
    assert_eq!((status, own.as_ref() == Some(&nonce)), (401, false), "each has its own");
    assert_eq!(ask(&stranger, &token, &proof(own.as_deref())).await.0, 200);
    assert_eq!(ask(&same, &token, &proof(own.as_deref())).await.0, 401);
    // a restart, or a reload that brings the key, makes no difference
    drop(same);
    let again = another(&bank, KEY, "").await;
    assert_eq!(ask(&again, &token, &proof(Some(&nonce))).await.0, 200);
    stranger.change(&config(&bank, KEY, "")).await.unwrap();
    assert_eq!(ask(&stranger, &token, &proof(Some(&nonce))).await.0, 200);
}

#[tokio::test]
async fn a_key_that_is_no_key_is_refused_and_not_shown() {
    let bank = Bank::open().await;
    let files = ["c2hvcnQ=", "not base64!", ""]
        .map(|key| config(&bank, &format!("dpop_nonce_key = \"{key}\""), "").to_string());
    insta::assert_snapshot!(bank.gateway.reports(files).await);
}

/// Waits until the channel has answered a claim: proofs that were not used before say so.
async fn shares(bank: &Bank, gateway: &Gateway, hand: &Hand, token: &str) {
    for _ in 0..200 {
        let proof = hand.proof(bank, token, &json!({ "htu": address() }));
        assert_eq!(ask(gateway, token, &proof).await.0, 200);
        if claims(gateway, "first").await > 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the channel never answers");
}

async fn claims(gateway: &Gateway, result: &str) -> u64 {
    let metrics = gateway.metrics().await;
    let name = format!("portcullis_dpop_proof_claims_total{{result=\"{result}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name)).expect("the metric");
    line.parse().unwrap()
}

#[tokio::test]
async fn a_proof_is_used_once_over_all_gateways_that_share_a_channel() {
    let mut redis = Redis::start();
    let revocation = format!("\n[revocation]\nchannel = \"{}\"\n", redis.address(""));
    let bank = Bank::open().await;
    let (one, two) = (another(&bank, "", &revocation).await, another(&bank, "", &revocation).await);
    let hand = Hand::new();
    let token = bank.token_with(&json!({ "cnf": { "jkt": hand.thumbprint() } }));
    shares(&bank, &one, &hand, &token).await;
    shares(&bank, &two, &hand, &token).await;
    let proof = || hand.proof(&bank, &token, &json!({ "htu": address() }));

    let used = proof();
    assert_eq!(ask(&one, &token, &used).await.0, 200);
    assert_eq!(ask(&two, &token, &used).await.0, 401, "another gateway has seen it");
    assert_eq!(ask(&one, &token, &used).await.0, 401);
    assert_eq!(claims(&two, "taken").await, 1);
    let line = two.log(2).await.into_iter().find(|line| line["status"] == 401).expect("a refusal");
    assert_eq!(line["reason"], "proof_invalid");
    // a restart forgets nothing
    drop(one);
    let one = another(&bank, "", &revocation).await;
    shares(&bank, &one, &hand, &token).await;
    assert_eq!(ask(&one, &token, &used).await.0, 401);

    // without the server each remembers its own
    redis.kill();
    let used = proof();
    assert_eq!(ask(&one, &token, &used).await.0, 200);
    assert_eq!(ask(&one, &token, &used).await.0, 401);
    assert_eq!(ask(&two, &token, &used).await.0, 200);
    assert!(claims(&two, "unanswered").await > 0);
}
