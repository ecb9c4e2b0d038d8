//! What trusted proxies say of a request is believed in the headers that `forwarded_headers` names, and in no others.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::json;

use crate::support::bank::{self, Bank};
use crate::support::config::Config;
use crate::support::gateway::json as body;
use crate::support::hand::{Hand, PATH};

async fn bank(settings: &str) -> Bank {
    Bank::of(|config| trusting(config, settings)).await
}

fn trusting(config: Config, settings: &str) -> Config {
    config.gateway("trusted_proxies = [\"127.0.0.1\"]").gateway(settings)
}

async fn change(bank: &Bank, settings: &str) {
    bank.reload(|_| {
        let config = bank::config(&bank.production.url(), &bank.sandbox.url(), &bank.signer);
        trusting(config, settings)
    })
    .await
    .unwrap();
}

async fn get(bank: &Bank, path: &str, fields: &[(&str, &str)]) -> Response<Bytes> {
    let mut request = Request::get(bank.gateway.url(path));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    bank.gateway.send(request.body(Bytes::new()).unwrap()).await
}

const TOLD: [(&str, &str); 6] = [
    ("x-forwarded-for", "203.0.113.9"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "shop.example"),
    ("x-forwarded-port", "8443"),
    ("x-forwarded-prefix", "/shop"),
    ("forwarded", "for=198.51.100.7;proto=https;host=other.example"),
];

#[tokio::test]
async fn by_default_address_and_protocol_are_believed() {
    let bank = bank("").await;
    assert_eq!(get(&bank, "/accounts/1.0.0/status", &TOLD).await.status(), 200);
    let received = bank.production.wait_for(1).await.remove(0);
    let own = bank.gateway.address().to_string();
    assert_eq!(received.values("x-forwarded-for"), ["203.0.113.9, 127.0.0.1"]);
    assert_eq!(received.values("x-forwarded-proto"), ["https"]);
    assert_eq!(received.values("x-forwarded-host"), [own.as_str()]);
    let forwarded = format!("for=203.0.113.9;host=\"{own}\";proto=https, for=127.0.0.1");
    assert_eq!(received.values("forwarded"), [forwarded.as_str()]);
    for name in ["x-forwarded-port", "x-forwarded-prefix"] {
        assert!(received.values(name).is_empty(), "{name}");
    }
    assert_eq!(bank.gateway.log(1).await[0]["client"], "203.0.113.9");
}

#[tokio::test]
async fn what_is_named_is_told_to_backends_and_clients() {
    let all = "forwarded_headers = [\"X-Forwarded-For\", \"x-forwarded-proto\", \"X-Forwarded-Host\", \"X-Forwarded-Port\", \
               \"X-Forwarded-Prefix\"]";
    let bank = bank(all).await;
    assert_eq!(get(&bank, "/accounts/1.0.0/status", &TOLD).await.status(), 200);
    let received = bank.production.wait_for(1).await.remove(0);
    assert_eq!(received.values("x-forwarded-host"), ["shop.example:8443"]);
    assert_eq!(received.values("x-forwarded-port"), ["8443"]);
    let refused = get(&bank, PATH, &TOLD).await;
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    let pointer = "resource_metadata=\"https://shop.example:8443/shop/.well-known/oauth-protected-resource/accounts/1.0.0\"";
    assert!(challenge.ends_with(pointer), "{challenge}");
    let document = get(&bank, "/.well-known/oauth-protected-resource/accounts/1.0.0", &TOLD).await;
    assert_eq!(body(&document)["resource"], "https://shop.example:8443/shop/accounts/1.0.0");
}

#[tokio::test]
async fn the_standard_header_tells_address_protocol_and_host() {
    let bank = bank("forwarded_headers = [\"Forwarded\"]").await;
    assert_eq!(get(&bank, "/accounts/1.0.0/status", &TOLD).await.status(), 200);
    let received = bank.production.wait_for(1).await.remove(0);
    assert_eq!(received.values("x-forwarded-for"), ["198.51.100.7, 127.0.0.1"]);
    assert_eq!(received.values("x-forwarded-proto"), ["https"]);
    assert_eq!(received.values("x-forwarded-host"), ["other.example"]);
    let forwarded = "for=198.51.100.7;host=other.example;proto=https, for=127.0.0.1";
    assert_eq!(received.values("forwarded"), [forwarded]);
}

/// A proof that the client made for the attacker's host is no proof for this one.
#[tokio::test]
async fn a_proof_is_for_the_address_that_is_believed() {
    let hand = Hand::new();
    let send = async |bank: &Bank, address: &str, fields: &[(&str, &str)]| {
        let token = bank.token_with(&json!({ "cnf": { "jkt": hand.thumbprint() } }));
        let proof = hand.proof(bank, &token, &json!({ "htu": address }));
        let authorization = format!("DPoP {token}");
        let mut all = vec![("authorization", authorization.as_str()), ("dpop", proof.as_str())];
        all.extend(fields);
        get(bank, PATH, &all).await.status().as_u16()
    };
    let elsewhere = format!("https://evil.example{PATH}");
    let told = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "for=1.1.1.1;proto=https;host=evil.example"),
    ];
    let bank = bank("").await;
    assert_eq!(send(&bank, &elsewhere, &told).await, 401, "a client wrote it");
    let own = bank.gateway.url(PATH).replace("http:", "https:");
    assert_eq!(send(&bank, &own, &told).await, 200);

    for (headers, told) in [
        ("[\"X-Forwarded-Proto\", \"X-Forwarded-Host\"]", &told[..2]),
        ("[\"Forwarded\"]", &told[2..]),
    ] {
        change(&bank, &format!("forwarded_headers = {headers}")).await;
        assert_eq!(send(&bank, &elsewhere, told).await, 200, "{headers}");
        let own = bank.gateway.url(PATH);
        assert_eq!(send(&bank, &own, told).await, 401, "{headers}");
    }
    change(&bank, "forwarded_headers = [\"X-Forwarded-Port\", \"X-Forwarded-Prefix\"]").await;
    let told = [("x-forwarded-port", "81"), ("x-forwarded-prefix", "/shop/")];
    assert_eq!(send(&bank, &format!("http://127.0.0.1:81/shop{PATH}"), &told).await, 200);
    assert_eq!(send(&bank, &format!("http://127.0.0.1:81{PATH}"), &told).await, 401);
}
