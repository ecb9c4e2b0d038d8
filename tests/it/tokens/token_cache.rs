//! Verdicts of tokens seen before: bounded in bytes, counted, and worth at each use what they are worth then.

use bytes::Bytes;
use http::Request;
use serde_json::json;

use crate::support::bank::{Bank, ISSUER};
use crate::support::config::{Config, api, application};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims, soon};
use crate::support::until;

const PATH: &str = "/accounts/1.0.0/accounts/42";

/// One worker, so that a token seen before was seen by the same one.
async fn bank(settings: &str) -> Bank {
    Bank::of(|config| config.gateway("workers = 1").gateway(settings)).await
}

/// What the scrape says of the cache: "hits_total", "entries".
async fn count(gateway: &Gateway, what: &str) -> u64 {
    gateway.metric(&format!("portcullis_token_cache_{what}")).await
}

/// Asks twice, and sees that the second answer came out of the cache.
async fn remembered(gateway: &Gateway, token: &str) {
    assert_eq!(gateway.status(PATH, token).await, 200);
    let before = count(gateway, "hits_total").await;
    assert_eq!(gateway.status(PATH, token).await, 200);
    assert_eq!(count(gateway, "hits_total").await, before + 1, "the verdict is remembered");
}

#[tokio::test]
async fn a_token_seen_before_is_looked_up_and_counted() {
    let bank = bank("").await;
    let token = bank.token();
    for _ in 0..5 {
        assert_eq!(bank.gateway.status(PATH, &token).await, 200);
    }
    let gateway = &bank.gateway;
    let counts = (
        count(gateway, "hits_total").await,
        count(gateway, "misses_total").await,
        count(gateway, "entries").await,
    );
    assert_eq!(counts, (4, 1, 1));
    let bytes = count(gateway, "bytes").await;
    assert!((token.len() as u64..16 * 1024).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn each_hit_looks_at_the_time() {
    let leeway = "[key_manager_defaults]\nleeway = \"0s\"\n";
    let bank = Bank::of(|config| config.gateway("workers = 1").tables(leeway)).await;
    let token = bank.token_with(&soon(2));
    remembered(&bank.gateway, &token).await;
    let ask = async || bank.gateway.status(PATH, &token).await;
    until("the token expires", ask, |status| *status == 401).await;
    bank.gateway.logged("token_expired").await;
}

#[tokio::test]
async fn each_hit_looks_at_revocations() {
    let bank = bank("").await;
    let token = bank.token();
    remembered(&bank.gateway, &token).await;
    let call = Request::post(bank.gateway.management_url("/revocations"))
        .body(Bytes::from(json!({ "token": token }).to_string()));
    assert_eq!(bank.gateway.send(call.unwrap()).await.status(), 200);
    assert_eq!(bank.gateway.status(PATH, &token).await, 401);
    assert!(bank.gateway.log(3).await.iter().any(|line| line["reason"] == "token_revoked"));
}

#[tokio::test]
async fn each_hit_looks_whether_its_key_manager_is_still_the_same() {
    let bank = bank("").await;
    let text = bank.config.to_string();
    let token = bank.token();
    let named = "name = \"bank-is\"";
    for (change, wanted) in [
        (format!("{named}\naudiences = [\"somebody-else\"]"), 401),
        (format!("{named}\nenabled = false"), 401),
        (format!("{named}\nconsumer_key_claim = \"nothing\""), 403),
    ] {
        bank.gateway.reload(&text).await.unwrap();
        remembered(&bank.gateway, &token).await;
        bank.gateway.reload(&text.replacen(named, &change, 1)).await.unwrap();
        assert_eq!(bank.gateway.status(PATH, &token).await, wanted, "{change}");
    }
    bank.gateway.reload(&text).await.unwrap();
    remembered(&bank.gateway, &token).await;
    let before = count(&bank.gateway, "hits_total").await;
    bank.gateway.reload(&format!("# nothing of the key managers\n{text}")).await.unwrap();
    assert_eq!(bank.gateway.status(PATH, &token).await, 200);
    assert_eq!(
        count(&bank.gateway, "hits_total").await,
        before + 1,
        "what did not change is still known"
    );
}

#[tokio::test]
async fn each_hit_looks_whether_its_key_is_still_in_the_set() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let serving = |signer: &Signer| {
        Script::answer(200, &[("Content-Type", "application/json")], signer.jwks())
    };
    let (server, backend) = (Origin::serving(serving(&old)), Origin::start());
    let lines = format!(
        "issuer = \"{ISSUER}\"\ncertificates = {{ jwks = \"{}/jwks\" }}\njwks_min_refetch = \"1ms\"",
        server.url()
    );
    let gateway = Config::new()
        .gateway("workers = 1")
        .key_manager("as", &lines)
        .api(api("accounts:1.0.0").to(&backend.url()))
        .application(application("good").key("as", "good"))
        .start()
        .await;
    gateway.ready().await;
    let of = |signer: &Signer| signer.sign(&claims(ISSUER, "good", "accounts:read"));
    remembered(&gateway, &of(&old)).await;
    let token = of(&old);
    remembered(&gateway, &token).await;
    server.always(serving(&new));
    assert_eq!(gateway.status(PATH, &token).await, 200, "nobody has looked yet");
    assert_eq!(gateway.status(PATH, &of(&new)).await, 200, "a new key makes the gateway look");
    assert_eq!(gateway.status(PATH, &token).await, 401, "and the old one has gone");
    assert!(gateway.log(7).await.iter().any(|line| line["reason"] == "unknown_key"));
}

#[tokio::test]
async fn what_is_remembered_is_bounded_in_bytes() {
    let bank = bank("token_cache_bytes = \"64KiB\"").await;
    for number in 0..150 {
        let token =
            bank.token_with(&json!({ "jti": number.to_string(), "filling": "x".repeat(500) }));
        assert_eq!(bank.gateway.status(PATH, &token).await, 200);
    }
    let gateway = &bank.gateway;
    let (bytes, entries, evicted) = (
        count(gateway, "bytes").await,
        count(gateway, "entries").await,
        count(gateway, "evictions_total").await,
    );
    assert!(bytes <= 64 * 1024 && bytes > 32 * 1024, "{bytes}");
    assert_eq!(entries + evicted, 150);
    assert!(evicted > 100, "{evicted}");
}

#[tokio::test]
async fn the_cache_can_be_turned_off() {
    let bank = bank("token_cache_bytes = 0").await;
    let token = bank.token();
    for _ in 0..3 {
        assert_eq!(bank.gateway.status(PATH, &token).await, 200);
    }
    for what in ["hits_total", "entries", "bytes", "evictions_total"] {
        assert_eq!(count(&bank.gateway, what).await, 0, "{what}");
    }
}
