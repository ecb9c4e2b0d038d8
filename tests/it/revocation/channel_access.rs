//! The way to the channel: passwords, users, databases, certificates.

use std::time::Duration;

use portcullis::demo::certificates;
use portcullis::supervise::clock::SystemClock;
use serde_json::json;

use super::gateways::{Bank, SET, channel, refused, revoke, status, up};
use crate::support::redis::Redis;

#[tokio::test]
async fn a_password_a_user_and_a_database() {
    let bank = Bank::new();
    // what the manual says that such a user needs, and nothing else
    let manual = include_str!("../../../docs/operations.md");
    let rules =
        manual.split("`~{portcullis}:* ").nth(1).and_then(|rest| rest.split('`').next()).unwrap();
    let mut options = vec![
        "--requirepass",
        "tests-own",
        "--user",
        "gateway",
        "on",
        ">s3cret/%",
        "~{portcullis}:*",
    ];
    options.extend(rules.split(' '));
    let redis = Redis::with(&options, ":tests-own@");
    let wrong = channel(&redis.address("gateway:wrong@"));
    let gateway = bank.gateway(&wrong).await;
    gateway.metric_reaches("portcullis_revocation_channel_failures_total", 1).await;
    assert_eq!(gateway.management("GET", "/readyz").await.status(), 200);
    let token = bank.token("locked out");
    assert_eq!(revoke(&gateway, &json!({ "token": token })).await, 200);
    assert_eq!(status(&gateway, &token).await, 401);
    // the right one, from a file, on a database of its own, without a restart
    std::fs::write(
        gateway.folder().join("channel"),
        format!("{}/3\n", redis.address("gateway:s3cret%2F%25@")),
    )
    .unwrap();
    gateway.change(&bank.config("channel = { file = \"channel\" }")).await.unwrap();
    up(&gateway).await;
    let held: u64 = redis::cmd("ZCARD").arg(SET).query(&mut redis.connection(3)).unwrap();
    assert_eq!(held, 1);
    // and without a channel again
    gateway.change(&bank.config("channel = \"none\"")).await.unwrap();
    assert!(!gateway.metrics().await.contains("portcullis_revocation_channel_up"));
    assert_eq!(status(&gateway, &token).await, 401);
}

#[tokio::test]
async fn over_tls_the_server_is_known_by_its_certificate() {
    let bank = Bank::new();
    let made = tempfile::tempdir().unwrap();
    certificates::make(made.path(), &SystemClock).unwrap();
    let file = |name: &str| made.path().join(name).display().to_string();
    let (certificate, key, ca) = (file("gateway.crt"), file("gateway.key"), file("dev-ca.crt"));
    let options = [
        "--tls-port",
        "PORT",
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "no",
    ];
    let redis = Redis::with(&options, "");
    assert!(redis.folder().exists());
    let address = format!("rediss://localhost:{}", redis.port());
    let stranger = bank.gateway(&channel(&address)).await;
    stranger.metric_reaches("portcullis_revocation_channel_failures_total", 1).await;
    let text = format!("{}\nca = \"{ca}\"", channel(&address));
    let (first, second) = (bank.gateway(&text).await, bank.gateway(&text).await);
    up(&first).await;
    up(&second).await;
    let token = bank.token("sealed");
    assert_eq!(revoke(&first, &json!({ "token": token })).await, 200);
    refused(&second, &token, Duration::from_secs(1)).await;
    assert_eq!(stranger.metric("portcullis_revocation_channel_up").await, 0);
    assert_eq!(status(&stranger, &token).await, 200);
}
