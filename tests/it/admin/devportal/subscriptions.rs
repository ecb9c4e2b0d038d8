//! Subscriptions: only what an API offers, once, in pages; a blocked one stays blocked.

use serde_json::{Value, json};

use super::{PORTAL, Portal, text};

fn wanted(application: &str, api: &str, policy: &str) -> Value {
    json!({ "applicationId": application, "apiId": api, "throttlingPolicy": policy })
}

#[tokio::test]
async fn the_first_rule_that_is_broken_is_told() {
    let portal = Portal::open().await;
    let id = portal.application("ann", "one").await;
    let api = portal.api("accounts").await;
    let nowhere = "11111111-2222-3333-4444-555555555555";
    let none = json!({ "applicationId": nowhere, "throttlingPolicy": "Gold" });
    let refused = portal.post("ann", "/subscriptions", &none).await;
    assert_eq!(refused.status, 400);
    assert!(refused.description().contains("`apiId`"), "{refused:?}");
    for (application, api, policy, code) in [
        (nowhere, nowhere, "Gold", (404, 900_308)),
        (nowhere, api.as_str(), "Gold", (404, 900_307)),
        ("no-id", api.as_str(), "Gold", (404, 900_307)),
        (&id, api.as_str(), "DefaultSubscriptionless", (400, 902_019)),
        (&id, api.as_str(), "Nothing", (403, 902_002)),
        (&id, api.as_str(), "Unauthenticated", (403, 902_002)),
        (&id, api.as_str(), "10PerMin", (403, 902_002)),
    ] {
        let refused = portal.post("ann", "/subscriptions", &wanted(application, api, policy)).await;
        assert_eq!(refused.code(), code, "{application} {api} {policy}: {refused:?}");
    }
    let body = wanted(&id, &api, "Gold");
    assert_eq!(portal.post("eve", "/subscriptions", &body).await.code(), (404, 900_307));
    let made = portal.post("ann", "/subscriptions", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert!(made.headers["location"].to_str().unwrap().contains("/subscriptions/"));
    for (field, value) in [
        ("applicationId", json!(id)),
        ("apiId", json!(api)),
        ("throttlingPolicy", json!("Gold")),
        ("requestedThrottlingPolicy", json!("Gold")),
        ("status", json!("UNBLOCKED")),
    ] {
        assert_eq!(made.body[field], value, "{field}");
    }
    assert_eq!(made.body["apiInfo"]["name"], "accounts");
    assert_eq!(made.body["applicationInfo"]["name"], "one");
    assert_eq!(portal.post("ann", "/subscriptions", &body).await.code(), (409, 900_336));
}

#[tokio::test]
async fn a_policy_changes_and_a_subscription_ends() {
    let portal = Portal::open().await;
    let id = portal.application("ann", "one").await;
    let api = portal.api("accounts").await;
    let made = portal.post("ann", "/subscriptions", &wanted(&id, &api, "Gold")).await;
    let path = format!("/subscriptions/{}", text(&made.body["subscriptionId"]));
    let read = portal.get("ann", &path).await;
    assert_eq!(read.body["subscriptionId"], made.body["subscriptionId"]);
    let mut change = read.body.clone();
    change["requestedThrottlingPolicy"] = json!("Silver");
    // the tags of answers to changes are those of the next change
    let tagged = async |tag: &str| {
        let full = format!("{PORTAL}{path}");
        portal.send("ann", "PUT", &full, &[("if-match", tag)], Some(&change)).await
    };
    let changed = tagged(made.tag()).await;
    assert_eq!((changed.status, &changed.body["throttlingPolicy"]), (200, &json!("Silver")));
    assert_eq!(tagged(made.tag()).await.status, 412);
    assert_eq!(tagged(changed.tag()).await.status, 200);
    change["requestedThrottlingPolicy"] = json!("10PerMin");
    assert_eq!(portal.put("ann", &path, &change).await.code(), (403, 902_002));
    change["requestedThrottlingPolicy"] = json!("Silver");
    for (field, value) in [
        ("status", json!("BLOCKED")),
        ("applicationId", json!("11111111-2222-3333-4444-555555555555")),
        ("apiId", json!("11111111-2222-3333-4444-555555555555")),
    ] {
        let mut odd = change.clone();
        odd[field] = value;
        let refused = portal.put("ann", &path, &odd).await;
        assert_eq!(refused.status, 400, "{field}");
        assert!(refused.description().contains(field), "{refused:?}");
    }
    for user in ["eve", "bob"] {
        assert_eq!(portal.get(user, &path).await.code(), (404, 900_310));
        assert_eq!(portal.put(user, &path, &change).await.code(), (404, 900_310));
        assert_eq!(portal.delete(user, &path).await.code(), (404, 900_310));
    }
    assert_eq!(portal.get("ann", &format!("{path}/usage")).await.status, 501);
    assert_eq!(portal.delete("ann", &path).await.status, 200);
    assert_eq!(portal.delete("ann", &path).await.code(), (404, 900_310));
}

#[tokio::test]
async fn several_are_made_at_once_and_lists_have_pages() {
    let portal = Portal::open().await;
    let api = portal.api("accounts").await;
    let mut bodies = Vec::new();
    for number in 0..5 {
        let id = portal.application("ann", &format!("app-{number}")).await;
        bodies.push(wanted(&id, &api, "Gold"));
    }
    bodies.push(wanted("no-id", &api, "Gold"));
    let made = portal.post("ann", "/subscriptions/multiple", &json!(bodies)).await;
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(made.body.as_array().unwrap().len(), 5, "only what worked");
    portal.application("eve", "of-eve").await;
    let list = portal.get("ann", &format!("/subscriptions?apiId={api}&limit=2&offset=1")).await;
    assert_eq!((&list.body["count"], &list.body["pagination"]["total"]), (&json!(2), &json!(5)));
    assert!(text(&list.body["pagination"]["next"]).contains("offset=3"), "{list:?}");
    let application = text(&bodies[0]["applicationId"]);
    let of_one = portal.get("ann", &format!("/subscriptions?applicationId={application}")).await;
    assert_eq!(of_one.body["pagination"]["total"], 1, "pages, where WSO2 has null");
    assert_eq!(of_one.body["list"][0]["apiInfo"]["name"], "accounts");
    let group = format!("/subscriptions?apiId={api}&groupId=team");
    assert_eq!(portal.get("ann", &group).await.body["count"], 0, "no application of the group");
    let others = portal.get("eve", &format!("/subscriptions?apiId={api}")).await;
    assert_eq!(others.body["count"], 0, "{others:?}");
    let more = portal.get("ann", &format!("/subscriptions/{api}/additionalInfo")).await;
    assert_eq!((&more.body["count"], more.status), (&json!(5), 200), "{more:?}");
    assert_eq!(portal.get("ann", "/subscriptions").await.status, 400);
    let many: Vec<_> = std::iter::repeat_n(wanted("x", &api, "Gold"), 101).collect();
    assert_eq!(portal.post("ann", "/subscriptions/multiple", &json!(many)).await.status, 400);
}
