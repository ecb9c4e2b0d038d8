//! A dry run tells who would gain or lose which operations, and changes nothing.

use serde_json::{Value, json};

use super::{PORTAL, Portal, text};

async fn dry(portal: &Portal, method: &str, path: &str, body: Option<&Value>) -> Value {
    let answer = portal.send("ann", method, &format!("{PORTAL}{path}"), &[], body).await;
    assert_eq!((answer.status, &answer.body["dryRun"]), (200, &json!(true)), "{answer:?}");
    assert!(!answer.headers.contains_key("portcullis-revision"), "{answer:?}");
    answer.body
}

fn access(planned: &Value) -> Vec<String> {
    planned["access"].as_array().unwrap().iter().map(text).collect()
}

#[tokio::test]
async fn a_dry_run_tells_whose_access_changes() {
    let portal = Portal::open().await;
    let shop = portal.application("ann", "Shop").await;
    let api = portal.api("accounts").await;
    let body = json!({ "applicationId": shop, "apiId": api, "throttlingPolicy": "Gold" });
    let planned = dry(&portal, "POST", "/subscriptions?dryRun=true", Some(&body)).await;
    assert_eq!(access(&planned), [""; 0], "an application without a key calls nothing");
    assert_eq!(planned["result"]["applicationId"], json!(shop));
    assert_eq!(portal.map("ann", &shop, "client-1").await.status, 200);
    let planned = dry(&portal, "POST", "/subscriptions?dryRun=true", Some(&body)).await;
    let gains = access(&planned);
    assert_eq!(gains.len(), 1, "{gains:?}");
    assert!(gains[0].starts_with("Shop (ann) gains all of accounts:1.0.0 ("), "{gains:?}");
    let count = portal.get("ann", &format!("/subscriptions?applicationId={shop}")).await;
    assert_eq!(count.body["pagination"]["total"], 0);

    let made = portal.post("ann", "/subscriptions", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let one = format!("/subscriptions/{}?dryRun=true", text(&made.body["subscriptionId"]));
    let loses = access(&dry(&portal, "DELETE", &one, None).await);
    let lost = gains[0].replace("gains", "loses");
    assert_eq!(loses, [lost.as_str()], "a deleted part is its application's");
    let keys = portal.get("ann", &format!("/applications/{shop}/oauth-keys")).await;
    let key = text(&keys.body["list"][0]["keyMappingId"]);
    let key = format!("/applications/{shop}/oauth-keys/{key}?dryRun=true");
    assert_eq!(access(&dry(&portal, "DELETE", &key, None).await), [lost.as_str()]);
    let all = format!("/applications/{shop}?dryRun=true");
    assert_eq!(access(&dry(&portal, "DELETE", &all, None).await), [lost.as_str()]);
}
