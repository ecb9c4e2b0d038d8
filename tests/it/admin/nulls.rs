//! No answer of WSO2's APIs has a member without a value, because their definitions know no `null`.

use serde_json::{Value, json};

use super::devportal::{Portal, text};

const ADMIN: &str = "/api/am/admin/v4";
const PUBLISHER: &str = "/api/am/publisher/v4";
const DEVELOPER: &str = "/api/am/devportal/v3";

/// The paths of the members that are `null`.
fn nulls(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Null => found.push(place.to_owned()),
        Value::Array(list) => list.iter().for_each(|own| nulls(own, place, found)),
        Value::Object(members) => {
            members.iter().for_each(|(name, own)| nulls(own, &format!("{place}/{name}"), found));
        }
        _ => {}
    }
}

async fn shown(portal: &Portal, path: &str) -> Value {
    let answer = portal.send("admin", "GET", path, &[], None).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    let mut found = Vec::new();
    nulls(&answer.body, path, &mut found);
    assert!(found.is_empty(), "{found:?}");
    answer.body
}

/// Looks at a list, and at each object in it by this member.
async fn list(portal: &Portal, path: &str, id: &str) {
    let listed = shown(portal, &format!("{path}?limit=1000")).await;
    for own in listed["list"].as_array().unwrap() {
        if !id.is_empty() {
            shown(portal, &format!("{path}/{}", text(&own[id]))).await;
        }
    }
}

#[tokio::test]
async fn a_member_without_a_value_is_left_out() {
    let portal = Portal::open().await;
    let id = portal.application("ann", "one").await;
    let mapped = portal.map("ann", &id, "client-1").await;
    assert_eq!(mapped.status, 200, "{mapped:?}");
    let api = portal.api("accounts").await;
    let wanted = json!({ "applicationId": id, "apiId": api, "throttlingPolicy": "Unlimited" });
    let made = portal.post("ann", "/subscriptions", &wanted).await;
    for body in [&mapped.body, &made.body] {
        let mut found = Vec::new();
        nulls(body, "", &mut found);
        assert!(found.is_empty(), "{found:?}");
    }
    for (path, id) in [
        ("applications", "applicationId"),
        ("apis", "id"),
        ("key-managers", ""),
        ("throttling-policies/application", "name"),
        ("throttling-policies/subscription", "name"),
        (&format!("applications/{id}/oauth-keys"), "keyMappingId"),
    ] {
        list(&portal, &format!("{DEVELOPER}/{path}"), id).await;
    }
    for (path, id) in [
        ("apis", "id"),
        ("subscriptions", ""),
        ("scopes", "id"),
        ("key-managers", ""),
        ("throttling-policies/api", "name"),
    ] {
        list(&portal, &format!("{PUBLISHER}/{path}"), id).await;
    }
    for (path, id) in [
        ("key-managers", "id"),
        ("throttling/policies/application", "policyId"),
        ("throttling/policies/subscription", "policyId"),
        ("throttling/policies/advanced", "policyId"),
        ("throttling/deny-policies", ""),
        ("applications", "applicationId"),
    ] {
        list(&portal, &format!("{ADMIN}/{path}"), id).await;
    }
    let subscriptions = format!("{DEVELOPER}/subscriptions?applicationId={id}");
    let subscription = text(&shown(&portal, &subscriptions).await["list"][0]["subscriptionId"]);
    for path in [
        format!("{DEVELOPER}/subscriptions/{subscription}"),
        format!("{DEVELOPER}/subscriptions/{api}/additionalInfo"),
        format!("{DEVELOPER}/apis/{api}/subscription-policies"),
        format!("{DEVELOPER}/settings"),
        format!("{PUBLISHER}/apis/{api}/lifecycle-history"),
        format!("{PUBLISHER}/apis/{api}/revisions"),
        format!("{PUBLISHER}/subscriptions/{subscription}/subscriber-info"),
        format!("{PUBLISHER}/settings"),
        format!("{ADMIN}/settings"),
    ] {
        shown(&portal, &path).await;
    }
}
