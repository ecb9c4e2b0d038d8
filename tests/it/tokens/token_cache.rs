//! Verdicts of tokens seen before: bounded in bytes, counted, and worth at each use what they are worth then.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde_json::json;

use crate::support::bank::{self, Bank, ISSUER};
use crate::support::gateway::{FRONT, Gateway};
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims, soon};

const PATH: &str = "/accounts/1.0.0/accounts/42";

/// One worker, so that a token seen before was seen by the same one.
fn front(setting: &str) -> String {
    FRONT.replace("workers = 2", &format!("workers = 1\n{setting}"))
}

/// What the scrape says of the cache.
async fn count(gateway: &Gateway, what: &str) -> u64 {
    let scrape = gateway.management("GET", "/metrics").await;
    let text = String::from_utf8_lossy(scrape.body()).into_owned();
    let name = format!("portcullis_token_cache_{what} ");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&*name))
        .unwrap_or_else(|| panic!("{name}: {text}"));
    line.parse().expect("a number")
}

async fn status(gateway: &Gateway, path: &str, token: &str) -> u16 {
    gateway.get(path, Some(token)).await.status().as_u16()
}

/// Asks twice, and sees that the second answer came out of the cache.
async fn remembered(gateway: &Gateway, path: &str, token: &str) {
    assert_eq!(status(gateway, path, token).await, 200);
    let before = count(gateway, "hits_total").await;
    assert_eq!(status(gateway, path, token).await, 200);
    assert_eq!(count(gateway, "hits_total").await, before + 1, "the verdict is remembered");
}

#[tokio::test]
async fn a_token_seen_before_is_looked_up_and_counted() {
    let bank = Bank::of(&front(""), "").await;
    let token = bank.token();
    for _ in 0..5 {
        assert_eq!(status(&bank.gateway, PATH, &token).await, 200);
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
    let bank = Bank::of(&front(""), "[key_manager_defaults]\nleeway = \"0s\"\n").await;
    let token = bank.token_with(&soon(3));
    remembered(&bank.gateway, PATH, &token).await;
    tokio::time::sleep(Duration::from_millis(3100)).await;
    assert_eq!(status(&bank.gateway, PATH, &token).await, 401);
    assert!(bank.gateway.log(3).await.iter().any(|line| line["reason"] == "token_expired"));
}

#[tokio::test]
async fn each_hit_looks_at_revocations() {
    let bank = Bank::of(&front(""), "").await;
    let token = bank.token();
    remembered(&bank.gateway, PATH, &token).await;
    let call = Request::post(bank.gateway.management_url("/revocations"))
        .body(Bytes::from(json!({ "token": token }).to_string()));
    assert_eq!(bank.gateway.send(call.unwrap()).await.status(), 200);
    assert_eq!(status(&bank.gateway, PATH, &token).await, 401);
    assert!(bank.gateway.log(3).await.iter().any(|line| line["reason"] == "token_revoked"));
}

#[tokio::test]
async fn each_hit_looks_whether_its_key_manager_is_still_the_same() {
    let bank = Bank::of(&front(""), "").await;
    let text = bank::file(&bank.production.url(), &bank.sandbox.url());
    let token = bank.token();
    let named = "name = \"bank-is\"";
    for (change, wanted) in [
        (format!("{named}\naudiences = [\"somebody-else\"]"), 401),
        (format!("{named}\nenabled = false"), 401),
        (format!("{named}\nconsumer_key_claim = \"nothing\""), 403),
    ] {
        bank.gateway.reload(&text).await.unwrap();
        remembered(&bank.gateway, PATH, &token).await;
        bank.gateway.reload(&text.replacen(named, &change, 1)).await.unwrap();
        assert_eq!(status(&bank.gateway, PATH, &token).await, wanted, "{change}");
    }
    bank.gateway.reload(&text).await.unwrap();
    remembered(&bank.gateway, PATH, &token).await;
    let before = count(&bank.gateway, "hits_total").await;
    bank.gateway.reload(&format!("# nothing of the key managers\n{text}")).await.unwrap();
    assert_eq!(status(&bank.gateway, PATH, &token).await, 200);
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
    let text = bank::file(&backend.url(), &backend.url()).replacen(
        "certificates = { jwks_file = \"keys.json\" }",
        &format!(
            "certificates = {{ jwks = \"{}/jwks\" }}\njwks_min_refetch = \"1ms\"",
            server.url()
        ),
        1,
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keys.json"), new.jwks()).unwrap();
    std::fs::write(folder.path().join("gateway.toml"), format!("{}{text}", front(""))).unwrap();
    let path = folder.path().to_owned();
    let gateway = Gateway::start_in(&path, Some(folder)).await;
    gateway.ready().await;
    let of = |signer: &Signer| signer.sign(&claims(ISSUER, "good", "accounts:read"));
    remembered(&gateway, PATH, &of(&old)).await;
    let token = of(&old);
    remembered(&gateway, PATH, &token).await;
    server.always(serving(&new));
    assert_eq!(status(&gateway, PATH, &token).await, 200, "nobody has looked yet");
    assert_eq!(status(&gateway, PATH, &of(&new)).await, 200, "a new key makes the gateway look");
    assert_eq!(status(&gateway, PATH, &token).await, 401, "and the old one has gone");
    assert!(gateway.log(7).await.iter().any(|line| line["reason"] == "unknown_key"));
}

#[tokio::test]
async fn what_is_remembered_is_bounded_in_bytes() {
    let bank = Bank::of(&front("token_cache_bytes = \"64KiB\""), "").await;
    for number in 0..150 {
        let token =
            bank.token_with(&json!({ "jti": number.to_string(), "filling": "x".repeat(500) }));
        assert_eq!(status(&bank.gateway, PATH, &token).await, 200);
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
    let bank = Bank::of(&front("token_cache_bytes = 0"), "").await;
    let token = bank.token();
    for _ in 0..3 {
        assert_eq!(status(&bank.gateway, PATH, &token).await, 200);
    }
    for what in ["hits_total", "entries", "bytes", "evictions_total"] {
        assert_eq!(count(&bank.gateway, what).await, 0, "{what}");
    }
}
