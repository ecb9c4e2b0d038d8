//! Subscriptions as publishers see them, shared scopes, and the lists to choose from.

use serde_json::json;

use super::super::devportal::{Portal, text};
use super::pay;
use crate::support::script::Script;

const ORDER: &str = "/pay/1.0.0/orders/7";

#[tokio::test]
async fn a_subscription_is_blocked_unblocked_and_given_another_plan() {
    let portal = Portal::open().await;
    portal.bank.production.always(Script::answer(200, &[], "ok"));
    let id = portal.create_api(&pay(&portal)).await;
    portal.transition(&id, "Publish").await;
    let subscription = portal.subscribed_application(&id).await;
    let token = portal.bank.token_of("pay-client", "accounts:read");
    let list = portal.publisher("GET", &format!("/subscriptions?apiId={id}"), None).await;
    assert_eq!(list.body["pagination"]["total"], 1, "{list:?}");
    let own = &list.body["list"][0];
    assert_eq!(
        (&own["subscriptionId"], &own["subscriptionStatus"]),
        (&json!(subscription), &json!("UNBLOCKED"))
    );
    assert_eq!(
        (&own["applicationInfo"]["name"], &own["applicationInfo"]["subscriber"]),
        (&json!("payer"), &json!("ann"))
    );
    let path = |action: &str, more: &str| {
        format!("/subscriptions/{action}?subscriptionId={subscription}{more}")
    };
    for (action, more, state, status) in [
        ("block-subscription", "&blockState=BLOCKED", "BLOCKED", 401),
        ("block-subscription", "&blockState=PROD_ONLY_BLOCKED", "PROD_ONLY_BLOCKED", 401),
        ("unblock-subscription", "", "UNBLOCKED", 200),
    ] {
        let changed = portal.publisher("POST", &path(action, more), None).await;
        assert_eq!(
            (changed.status, &changed.body["subscriptionStatus"]),
            (200, &json!(state)),
            "{changed:?}"
        );
        assert_eq!(portal.bank.gateway.status(ORDER, &token).await, status, "{state}");
    }
    let plan = |name: &str| path("change-business-plan", &format!("&businessPlan={name}"));
    let changed = portal.publisher("POST", &plan("Silver"), None).await;
    assert_eq!((changed.status, &changed.body["throttlingPolicy"]), (200, &json!("Silver")));
    assert_eq!(portal.publisher("POST", &plan("Bronze"), None).await.code(), (403, 902_002));
    for odd in [
        path("block-subscription", "&blockState=x"),
        path("block-subscription", ""),
        path("change-business-plan", ""),
        "/subscriptions/unblock-subscription".to_owned(),
    ] {
        assert_eq!(portal.publisher("POST", &odd, None).await.status, 400, "{odd}");
    }
    let unknown = "/subscriptions/unblock-subscription?subscriptionId=x";
    assert_eq!(portal.publisher("POST", unknown, None).await.code(), (404, 900_310));
    let stale = [("if-match", "\"1\"")];
    let full = format!("{}{}", super::PUBLISHER, path("unblock-subscription", ""));
    assert_eq!(portal.send("pat", "POST", &full, &stale, None).await.status, 412);
    assert_eq!(portal.send("vic", "POST", &full, &[], None).await.status, 403);
    let info = format!("/subscriptions/{subscription}/subscriber-info");
    assert_eq!(portal.publisher("GET", &info, None).await.body["name"], "ann");
    // what a file declares is changed there
    let accounts = portal.publisher("GET", "/apis?query=name:accounts", None).await;
    let accounts = text(&accounts.body["list"][0]["id"]);
    let list = portal.publisher("GET", &format!("/subscriptions?apiId={accounts}"), None).await;
    let declared = text(&list.body["list"][0]["subscriptionId"]);
    let path = format!("/subscriptions/unblock-subscription?subscriptionId={declared}");
    assert_eq!(portal.publisher("POST", &path, None).await.status, 409);
}

#[tokio::test]
async fn scopes_are_shared_by_apis() {
    let portal = Portal::open().await;
    let scope = json!({ "name": "accounts:read", "displayName": "Read", "bindings": ["staff"] });
    let mut body = pay(&portal);
    body["scopes"] = json!([{ "scope": scope, "shared": true }]);
    let early = portal.publisher("POST", "/apis", Some(&body)).await;
    assert_eq!(early.status, 400, "{early:?}");
    assert!(early.description().contains("`scopes`"), "{early:?}");
    let made = portal.publisher("POST", "/scopes", Some(&scope)).await;
    assert_eq!((made.status, &made.body["bindings"]), (201, &json!(["staff"])), "{made:?}");
    assert_eq!(portal.publisher("POST", "/scopes", Some(&scope)).await.status, 409);
    let path = format!("/scopes/{}", text(&made.body["id"]));
    assert!(made.headers["location"].to_str().unwrap().ends_with(&path), "{made:?}");
    let api = portal.create_api(&body).await;
    let read = portal.publisher("GET", &path, None).await;
    assert_eq!(read.body["usageCount"], 1, "{read:?}");
    let usage = portal.publisher("GET", &format!("{path}/usage"), None).await;
    assert_eq!(usage.body["usedApiList"][0]["usedResourceList"][0]["target"], "/orders/{id}");
    assert_eq!(portal.publisher("DELETE", &path, None).await.status, 409);
    assert_eq!(portal.publisher("HEAD", "/scopes/accounts:read", None).await.status, 200);
    // WSO2's clients send the name in Base64
    let encoded = "/scopes/YWNjb3VudHM6cmVhZA";
    assert_eq!(portal.publisher("HEAD", encoded, None).await.status, 200);
    assert_eq!(portal.publisher("HEAD", &format!("{encoded}=="), None).await.status, 200);
    assert_eq!(portal.publisher("HEAD", "/scopes/nothing", None).await.status, 404);
    let mut changed = scope.clone();
    changed["description"] = json!("Reads accounts");
    assert_eq!(portal.publisher("PUT", &path, Some(&changed)).await.body["usageCount"], 1);
    changed["name"] = json!("other");
    assert_eq!(portal.publisher("PUT", &path, Some(&changed)).await.status, 400);
    assert_eq!(portal.publisher("DELETE", &format!("/apis/{api}"), None).await.status, 200);
    assert_eq!(portal.publisher("DELETE", &path, None).await.status, 200);
    assert_eq!(portal.publisher("GET", &path, None).await.status, 404);
    for odd in [
        json!({}),
        json!({ "name": "a b" }),
        json!({ "name": "x".repeat(256) }),
        json!({ "name": "a", "odd": 1 }),
        json!({ "name": "a", "bindings": "b" }),
    ] {
        assert_eq!(portal.publisher("POST", "/scopes", Some(&odd)).await.status, 400, "{odd}");
    }
}

#[tokio::test]
async fn what_a_publisher_chooses_from_is_listed() {
    let portal = Portal::open().await;
    let plans = portal.publisher("GET", "/throttling-policies/subscription", None).await;
    assert!(plans.names().contains(&"Gold"), "{plans:?}");
    let advanced = portal.publisher("GET", "/throttling-policies/api", None).await;
    assert!(advanced.names().contains(&"10KPerMin"), "{advanced:?}");
    assert_eq!(advanced.body["list"][0]["policyLevel"], "api");
    let one = portal.publisher("GET", "/throttling-policies/api/10KPerMin", None).await;
    assert_eq!(one.body["requestCount"], 10_000, "{one:?}");
    assert_eq!(portal.publisher("GET", "/throttling-policies/custom", None).await.status, 404);
    let id = portal.create_api(&pay(&portal)).await;
    let offered = portal.publisher("GET", &format!("/apis/{id}/subscription-policies"), None).await;
    assert_eq!(offered.body.as_array().unwrap().len(), 2, "{offered:?}");
    let key_managers = portal.publisher("GET", "/key-managers", None).await;
    assert!(key_managers.names().contains(&"closed-is"), "{key_managers:?}");
    let settings = portal.publisher("GET", "/settings", None).await;
    assert_eq!(settings.body["environment"][0]["name"], "Default");
    for (method, path) in [
        ("GET", "/endpoint-certificates"),
        ("GET", "/apis/export"),
        ("POST", "/apis/import"),
        ("GET", "/api-products"),
        ("POST", "/apis/validate-endpoint"),
    ] {
        assert_eq!(portal.publisher(method, path, None).await.status, 501, "{path}");
    }
}
