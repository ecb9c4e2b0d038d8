//! APIs: created, published, subscribed to, called, changed and deleted.

use serde_json::json;

use super::super::devportal::{Portal, text};
use super::{PUBLISHER, pay};
use crate::support::script::Script;

const ORDER: &str = "/pay/1.0.0/orders/7";

#[tokio::test]
async fn an_api_is_created_published_subscribed_to_and_called() {
    let portal = Portal::open().await;
    portal.bank.production.always(Script::answer(200, &[], "paid"));
    let gateway = &portal.bank.gateway;
    let token = portal.bank.token_of("pay-client", "accounts:read");
    let created = portal.publisher("POST", "/apis", Some(&pay(&portal))).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert!(created.headers.contains_key("portcullis-revision"));
    let id = text(&created.body["id"]);
    let place = created.headers["location"].to_str().unwrap();
    assert_eq!(place, format!("{PUBLISHER}/apis/{id}"));
    assert_eq!(
        (&created.body["lifeCycleStatus"], &created.body["provider"]),
        (&json!("CREATED"), &json!("pat"))
    );
    // one that is not published is nobody's
    assert_eq!(gateway.status("/pay/1.0.0/status", "").await, 404);
    assert_eq!(portal.get("ann", &format!("/apis/{id}")).await.code(), (404, 900_308));
    let published = portal.transition(&id, "Publish").await;
    assert_eq!(published.status, 200, "{published:?}");
    assert_eq!(published.body["workflowStatus"], "APPROVED");
    assert_eq!(published.body["lifecycleState"]["state"], "Published");
    portal.subscribed_application(&id).await;
    assert_eq!(gateway.status(ORDER, &token).await, 200);
    let others = portal.bank.token_of("good", "accounts:read");
    assert_eq!(gateway.status(ORDER, &others).await, 403, "no subscription");
    let other_scope = portal.bank.token_of("pay-client", "accounts:write");
    assert_eq!(gateway.status(ORDER, &other_scope).await, 403, "no scope");
    let open = gateway.get("/pay/1.0.0/status", None).await;
    assert_eq!(open.status(), 200, "{open:?}");
    assert_eq!(gateway.status("/pay/1.0.0/other", &token).await, 404);
    // each state at once, and with WSO2's answer
    for (action, status) in
        [("Block", 503), ("Re-Publish", 200), ("Deprecate", 200), ("Retire", 404)]
    {
        let changed = portal.transition(&id, action).await;
        assert_eq!(changed.status, 200, "{action}: {changed:?}");
        assert_eq!(gateway.status(ORDER, &token).await, status, "{action}");
    }
    assert_eq!(portal.transition(&id, "Publish").await.code(), (400, 900_381));
    let history = portal.publisher("GET", &format!("/apis/{id}/lifecycle-history"), None).await;
    let states: Vec<_> = history.body["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|own| text(&own["postState"]))
        .collect();
    assert_eq!(states, ["Created", "Published", "Blocked", "Published", "Deprecated", "Retired"]);
    assert_eq!(history.body["list"][1]["user"], "pat");
}

#[tokio::test]
async fn an_api_is_given_back_changed_and_deleted() {
    let portal = Portal::open().await;
    let id = portal.create_api(&pay(&portal)).await;
    let path = format!("/apis/{id}");
    let read = portal.publisher("GET", &path, None).await;
    for (field, value) in pay(&portal).as_object().unwrap() {
        if field != "operations" {
            assert_eq!(read.body[field], *value, "{field}");
        }
    }
    assert_eq!(read.body["operations"][0]["target"], "/orders/{id}");
    assert_eq!(read.body["operations"][1]["authType"], "None");
    assert_eq!(read.body["keyManagers"], json!(["all"]));
    assert_eq!(read.body["scopes"][0]["scope"]["name"], "accounts:read");
    let known = [("if-none-match", read.tag())];
    let again = portal.send("pat", "GET", &format!("{PUBLISHER}{path}"), &known, None).await;
    assert_eq!(again.status, 304);
    // what was read can be sent again
    let mut body = read.body.clone();
    body["description"] = json!("Payments");
    body["policies"] = json!(["DefaultSubscriptionless"]);
    let expected = [("if-match", read.tag())];
    let full = format!("{PUBLISHER}{path}");
    let changed = portal.send("pat", "PUT", &full, &expected, Some(&body)).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.body["description"], "Payments");
    assert_eq!(changed.body["policies"], json!(["DefaultSubscriptionless"]));
    let late = portal.send("pat", "PUT", &full, &expected, Some(&body)).await;
    assert_eq!(late.status, 412, "{late:?}");
    assert_eq!(portal.transition(&id, "Publish").await.status, 200);
    let anybody = portal.bank.token_of("good", "accounts:read");
    assert_eq!(portal.bank.gateway.status(ORDER, &anybody).await, 200, "no subscription is needed");
    let found =
        portal.publisher("GET", "/apis?query=name:%22Pay%22%20status:published", None).await;
    assert_eq!((found.names(), &found.body["pagination"]["total"]), (vec!["Pay"], &json!(1)));
    let all = portal.publisher("GET", "/apis?limit=2&offset=1", None).await;
    assert_eq!((all.body["count"].as_u64(), all.names().len()), (Some(2), 2));
    assert_eq!(portal.publisher("DELETE", &path, None).await.status, 200);
    assert_eq!(portal.publisher("DELETE", &path, None).await.code(), (404, 900_308));
    assert_eq!(portal.bank.gateway.status(ORDER, &anybody).await, 404);
}

#[tokio::test]
async fn an_api_with_subscriptions_stays() {
    let portal = Portal::open().await;
    let id = portal.create_api(&pay(&portal)).await;
    portal.transition(&id, "Publish").await;
    let subscription = portal.subscribed_application(&id).await;
    let path = format!("/apis/{id}");
    assert_eq!(portal.publisher("DELETE", &path, None).await.status, 409);
    assert_eq!(portal.delete("ann", &format!("/subscriptions/{subscription}")).await.status, 200);
    let preview = portal.publisher("DELETE", &format!("{path}?dryRun=true"), None).await;
    assert_eq!(preview.status, 200, "{preview:?}");
    assert_eq!(portal.publisher("GET", &path, None).await.status, 200, "only a preview");
    assert_eq!(portal.publisher("DELETE", &path, None).await.status, 200);
}

#[tokio::test]
async fn apis_of_files_are_shown_and_not_changed() {
    let portal = Portal::open().await;
    let list = portal.publisher("GET", "/apis?query=name:accounts", None).await;
    assert_eq!(list.names(), ["accounts"]);
    let id = text(&list.body["list"][0]["id"]);
    let api = portal.publisher("GET", &format!("/apis/{id}"), None).await;
    assert_eq!((api.status, &api.body["context"]), (200, &json!("/accounts")), "{api:?}");
    assert_eq!(api.body["lifeCycleStatus"], "PUBLISHED");
    let url = format!("{}/base", portal.bank.production.url());
    assert_eq!(api.body["endpointConfig"]["production_endpoints"]["url"], url);
    let put = portal.publisher("PUT", &format!("/apis/{id}"), Some(&api.body)).await;
    let delete = portal.publisher("DELETE", &format!("/apis/{id}"), None).await;
    let block = portal.transition(&id, "Block").await;
    for refused in [put, delete, block] {
        assert_eq!(refused.status, 409, "{refused:?}");
        assert!(refused.description().contains("gateway.toml:"), "{refused:?}");
    }
    // the name and the place of a file's API are taken
    let mut body = pay(&portal);
    body["name"] = json!("accounts");
    let taken = portal.publisher("POST", "/apis", Some(&body)).await;
    assert_eq!(taken.code(), (409, 900_300));
    let mut body = pay(&portal);
    body["context"] = json!("accounts/");
    assert_eq!(portal.publisher("POST", "/apis", Some(&body)).await.code(), (409, 900_251));
}

#[tokio::test]
async fn each_role_does_what_it_may() {
    let portal = Portal::open().await;
    let id = portal.create_api(&pay(&portal)).await;
    let one = format!("{PUBLISHER}/apis/{id}");
    for (user, method, path, status) in [
        ("vic", "GET", format!("{PUBLISHER}/apis"), 200),
        ("vic", "GET", one.clone(), 200),
        ("vic", "DELETE", one.clone(), 403),
        ("ann", "GET", format!("{PUBLISHER}/apis"), 403),
        ("ann", "GET", one.clone(), 403),
        (
            "vic",
            "POST",
            format!("{PUBLISHER}/apis/change-lifecycle?apiId={id}&action=Publish"),
            403,
        ),
        (
            "admin",
            "POST",
            format!("{PUBLISHER}/apis/change-lifecycle?apiId={id}&action=Publish"),
            200,
        ),
        ("pat", "GET", one.replace("v4", "v3"), 200),
    ] {
        let answer = portal.send(user, method, &path, &[], None).await;
        assert_eq!(answer.status, status, "{user} {method} {path}: {answer:?}");
    }
    let body = pay(&portal);
    let path = format!("{PUBLISHER}/apis");
    assert_eq!(portal.send("vic", "POST", &path, &[], Some(&body)).await.status, 403);
}
