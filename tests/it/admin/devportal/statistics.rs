//! What became of an application's requests: its owner, its group and administrators see it.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Answered, Portal};

const CALL: &str = "/accounts/1.0.0/accounts/42";
const STATISTICS: &str = "/api/portcullis/v1/statistics";

async fn statistics(portal: &Portal, user: &str, query: &str) -> Answered {
    portal.send(user, "GET", &format!("{STATISTICS}{query}"), &[], None).await
}

/// Waits until so many requests are counted: an exchange is counted after its answer has left.
async fn counted(portal: &Portal, user: &str, requests: u64) -> Value {
    for _ in 0..200 {
        let shown = statistics(portal, user, "").await;
        assert_eq!(shown.status, 200, "{shown:?}");
        if shown.body["list"][0]["hour"]["requests"] == json!(requests) {
            return shown.body;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{requests} requests were never counted");
}

#[tokio::test]
async fn an_owner_sees_what_became_of_the_requests() {
    let portal = Portal::open().await;
    let wanted = json!({ "name": "shop", "throttlingPolicy": "Unlimited", "groups": ["team"] });
    let made = portal.post("ann", "/applications", &wanted).await;
    let id = super::text(&made.body["applicationId"]);
    assert_eq!(portal.map("ann", &id, "client-1").await.status, 200);
    let token = portal.bank.token_of("client-1", "accounts:read");
    assert_eq!(portal.bank.gateway.status(CALL, &token).await, 403, "not subscribed");
    let api = portal.api("accounts").await;
    let wanted = json!({ "applicationId": id, "apiId": api, "throttlingPolicy": "Unlimited" });
    assert_eq!(portal.post("ann", "/subscriptions", &wanted).await.status, 201);
    for _ in 0..3 {
        assert_eq!(portal.bank.gateway.status(CALL, &token).await, 200);
    }
    let weak = portal.bank.token_of("client-1", "nothing");
    assert_eq!(portal.bank.gateway.status(CALL, &weak).await, 403);
    let shown = counted(&portal, "ann", 5).await;
    let entry = &shown["list"][0];
    assert_eq!((&entry["applicationId"], &entry["owner"]), (&json!(id), &json!("ann")));
    assert_eq!((&entry["api"], &entry["apiVersion"]), (&json!("accounts"), &json!("1.0.0")));
    for window in ["hour", "day"] {
        let window = &entry[window];
        assert_eq!(window["requests"], 5);
        assert_eq!(window["refusals"], json!({ "insufficient_scope": 1, "not_subscribed": 1 }));
        let latency = &window["latencyMilliseconds"];
        assert_eq!(latency["count"], 3);
        let of = |name: &str| latency[name].as_f64().unwrap();
        assert!(of("mean") > 0.0 && of("p50") <= of("p95") && of("p95") <= of("p99"), "{latency}");
    }
    assert_eq!(counted(&portal, "bob", 5).await, shown, "of the same group");
    assert_eq!(statistics(&portal, "eve", "").await.body["list"], json!([]));
    let one = format!("?applicationId={id}");
    assert_eq!(statistics(&portal, "eve", &one).await.code(), (404, 900_307));
    assert_eq!(statistics(&portal, "ann", &one).await.body["pagination"]["total"], 1);
    assert_eq!(statistics(&portal, "vic", "").await.status, 403);
    // another application, of the file, is for administrators
    let of_file = portal.bank.token();
    assert_eq!(portal.bank.gateway.status(CALL, &of_file).await, 200);
    let mut total = json!(0);
    for _ in 0..200 {
        total = statistics(&portal, "admin", "?limit=1").await.body["pagination"]["total"].clone();
        if total == json!(2) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(total, 2);
    let metrics = portal.bank.gateway.metrics().await;
    assert!(metrics.contains("\nportcullis_statistics_pairs 2\n"), "{metrics}");
}

#[tokio::test]
async fn without_a_store_nothing_is_kept() {
    let bank = crate::support::bank::Bank::of(|config| config).await;
    assert!(!bank.gateway.metrics().await.contains("portcullis_statistics_"));
}
