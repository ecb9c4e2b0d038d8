//! The catalog: what developers may see of APIs, policies and key managers.

use serde_json::json;

use super::{Portal, text};

#[tokio::test]
async fn apis_are_shown_while_they_can_be_subscribed_to() {
    let portal = Portal::open().await;
    let list = portal.get("ann", "/apis?limit=1000").await;
    let names = list.names();
    assert!(names.contains(&"accounts"), "{names:?}");
    assert!(!names.contains(&"retired") && !names.contains(&"blocked"), "{names:?}");
    let id = portal.api("accounts").await;
    let api = portal.get("ann", &format!("/apis/{id}")).await;
    assert_eq!(api.body["context"], "/accounts/1.0.0", "{api:?}");
    assert_eq!(api.body["lifeCycleStatus"], "PUBLISHED");
    assert_eq!(api.body["keyManagers"], json!(["bank-is"]));
    let backend = portal.bank.production.url();
    assert!(!api.body.to_string().contains(&backend), "a backend is nobody's business");
    let policies = portal.get("ann", &format!("/apis/{id}/subscription-policies")).await;
    let names: Vec<_> =
        policies.body.as_array().unwrap().iter().map(|policy| text(&policy["name"])).collect();
    assert!(names.contains(&"Gold".to_owned()) && names.contains(&"Unlimited".to_owned()));
    assert!(!names.contains(&"DefaultSubscriptionless".to_owned()), "{names:?}");
    for odd in ["11111111-2222-3333-4444-555555555555", "x", "%2e%2e", "'%20OR%201=1"] {
        assert_eq!(portal.get("ann", &format!("/apis/{odd}")).await.code(), (404, 900_308));
    }
    // as WSO2's command line tool asks
    let exactly = "/apis?query=name:%22accounts%22%20version:%221.0.0%22";
    assert_eq!(portal.get("ann", exactly).await.names(), ["accounts"]);
    assert_eq!(portal.get("ann", "/apis?query=name:%22account%22").await.body["count"], 0);
    assert_eq!(portal.get("ann", "/apis?query=tag:x").await.body["count"], 0);
    assert_eq!(portal.get("ann", "/apis?query=secret:x").await.status, 400);
}

#[tokio::test]
async fn policies_key_managers_and_settings_are_shown() {
    let portal = Portal::open().await;
    let policies = portal.get("ann", "/throttling-policies/application").await;
    assert_eq!(policies.names(), ["10PerMin", "20PerMin", "50PerMin", "Unlimited"]);
    let one = portal.get("ann", "/throttling-policies/application/10PerMin").await;
    assert_eq!((&one.body["requestCount"], &one.body["unitTime"]), (&json!(10), &json!(60_000)));
    assert_eq!(portal.get("ann", "/throttling-policies/advanced").await.status, 404);
    assert_eq!(portal.get("ann", "/throttling-policies/application/x").await.status, 404);
    let key_managers = portal.get("ann", "/key-managers").await;
    // "closed-is" is switched off, and "operators-is" is not for developers
    assert_eq!(key_managers.names(), ["bank-is", "other-is", "sealed-is"]);
    assert_eq!(key_managers.body["list"][2]["enableMapOAuthConsumerApps"], false);
    assert_eq!(key_managers.body["list"][0]["enableMapOAuthConsumerApps"], true);
    assert_eq!(key_managers.body["list"][0]["type"], "WSO2-IS-7");
    let form = &key_managers.body["list"][0]["applicationConfiguration"];
    let fields: Vec<_> = form.as_array().unwrap().iter().map(|own| text(&own["name"])).collect();
    assert!(fields.contains(&"pkceMandatory".to_owned()), "{fields:?}");
    assert!(!fields.contains(&"regulatory".to_owned()), "{fields:?}");
    let settings = portal.get("ann", "/settings").await;
    assert_eq!((settings.status, &settings.body["mapExistingAuthApps"]), (200, &json!(true)));
    let attributes = portal.get("ann", "/settings/application-attributes").await;
    assert_eq!(attributes.body, json!({ "count": 0, "list": [] }));
}

#[tokio::test]
async fn older_prefixes_are_answered_by_the_same_operations() {
    let portal = Portal::open().await;
    for version in ["v2", "v2.1", "v3"] {
        let path = format!("/api/am/devportal/{version}/apis?limit=1");
        assert_eq!(portal.send("ann", "GET", &path, &[], None).await.status, 200, "{version}");
    }
    assert_eq!(portal.get("ann", "/nothing").await.status, 404);
    assert_eq!(
        portal.send("ann", "PATCH", "/api/am/devportal/v3/apis", &[], None).await.status,
        405
    );
}
