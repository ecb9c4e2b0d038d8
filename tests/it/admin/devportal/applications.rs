//! Applications: owners see and change their own, administrators all; a change is not lost.

use serde_json::{Value, json};

use super::{ADMINISTRATION, PORTAL, Portal, text};

#[tokio::test]
async fn a_developer_creates_finds_changes_and_deletes_an_application() {
    let portal = Portal::open().await;
    let body = json!({ "name": "Shop", "throttlingPolicy": "10PerMin", "description": "d",
                       "groups": ["team"], "tokenType": "OAUTH" });
    let created = portal.post("ann", "/applications", &body).await;
    assert_eq!(created.status, 201, "{created:?}");
    let id = text(&created.body["applicationId"]);
    let place = created.headers["location"].to_str().unwrap();
    assert_eq!(place, format!("{PORTAL}/applications/{id}"));
    assert!(created.headers.contains_key("portcullis-revision"));
    let shown = [
        ("name", json!("Shop")),
        ("throttlingPolicy", json!("10PerMin")),
        ("description", json!("d")),
        ("groups", json!(["team"])),
        ("attributes", json!({})),
        ("tokenType", json!("OAUTH")),
        ("owner", json!("ann")),
        ("status", json!("APPROVED")),
        ("subscriptionCount", json!(0)),
        ("keys", json!([])),
        ("hashEnabled", json!(false)),
        ("visibility", json!("PRIVATE")),
    ];
    for (field, value) in shown {
        assert_eq!(created.body[field], value, "{field}");
    }
    let read = portal.get("ann", &format!("/applications/{id}")).await;
    assert_eq!((read.status, &read.body), (200, &created.body));
    // what it got is what a client sends back, with its change
    let mut changed = read.body.clone();
    changed["name"] = json!("Shop 2");
    let stale = [("if-match", "\"999\"")];
    let path = format!("{PORTAL}/applications/{id}");
    let lost = portal.send("ann", "PUT", &path, &stale, Some(&changed)).await;
    assert_eq!(lost.status, 412, "{lost:?}");
    let fresh = [("if-match", read.tag())];
    let taken = portal.send("ann", "PUT", &path, &fresh, Some(&changed)).await;
    assert_eq!((taken.status, &taken.body["name"]), (200, &json!("Shop 2")), "{taken:?}");
    let again = portal.send("ann", "PUT", &path, &fresh, Some(&changed)).await;
    assert_eq!(again.status, 412, "the tag is of before");
    let known = [("if-none-match", taken.tag())];
    assert_eq!(portal.send("ann", "GET", &path, &known, None).await.status, 304);
    let deleted = portal.send("ann", "DELETE", &path, &stale, None).await;
    assert_eq!(deleted.status, 412);
    assert_eq!(portal.delete("ann", &format!("/applications/{id}")).await.status, 200);
    let gone = portal.get("ann", &format!("/applications/{id}")).await;
    assert_eq!(gone.code(), (404, 900_307));
}

#[tokio::test]
async fn owners_and_their_groups_see_an_application_and_nobody_else() {
    let portal = Portal::open().await;
    let own = portal.application("ann", "own").await;
    let shared = json!({ "name": "shared", "throttlingPolicy": "Unlimited", "groups": ["team"] });
    let shared = text(&portal.post("ann", "/applications", &shared).await.body["applicationId"]);
    portal.map("ann", &own, "client-1").await;
    for (user, sees_own, sees_shared) in
        [("ann", true, true), ("bob", false, true), ("eve", false, false), ("admin", true, true)]
    {
        for (id, sees) in [(&own, sees_own), (&shared, sees_shared)] {
            let expected = if sees { 200 } else { 404 };
            for path in ["", "/oauth-keys", "/keys"] {
                let path = format!("/applications/{id}{path}");
                let answer = portal.get(user, &path).await;
                assert_eq!(answer.status, expected, "{user} {path}");
            }
        }
        let list = portal.get(user, "/applications?limit=1000").await;
        assert_eq!(list.names().contains(&"own"), sees_own, "{user}");
        assert_eq!(list.names().contains(&"shared"), sees_shared, "{user}");
        let mine = portal.get(user, "/applications?consumerKey=client-1").await;
        assert_eq!(mine.body["count"], u8::from(sees_own), "{user}");
        let group = portal.get(user, "/applications?groupId=team").await;
        assert_eq!(group.names() == ["shared"], sees_shared, "{user}");
    }
    // nobody changes what belongs to others, by any path
    let change = json!({ "name": "stolen", "throttlingPolicy": "Unlimited" });
    let path = format!("/applications/{own}");
    assert_eq!(portal.put("eve", &path, &change).await.code(), (404, 900_307));
    assert_eq!(portal.delete("eve", &path).await.code(), (404, 900_307));
    assert_eq!(portal.map("eve", &own, "client-2").await.code(), (404, 900_307));
    let keys = portal.get("ann", &format!("{path}/oauth-keys")).await;
    let key = format!("{path}/oauth-keys/{}", text(&keys.body["list"][0]["keyMappingId"]));
    for (method, path) in [
        ("GET", key.clone()),
        ("PUT", key.clone()),
        ("DELETE", key.clone()),
        ("POST", format!("{key}/clean-up")),
        ("POST", format!("{key}/regenerate-secret")),
        ("POST", format!("{key}/generate-token")),
        ("POST", format!("{path}/reset-throttle-policy")),
    ] {
        let answer =
            portal.send("eve", method, &format!("{PORTAL}{path}"), &[], Some(&json!({}))).await;
        assert_eq!(answer.code(), (404, 900_307), "{method} {path}");
    }
    assert_eq!(portal.get("vic", "/applications").await.code(), (403, 900_910));
}

#[tokio::test]
async fn lists_have_pages_prefixes_and_an_order() {
    let portal = Portal::open().await;
    for number in 0..7 {
        portal.application("ann", &format!("app-{number}")).await;
    }
    portal.application("ann", "other").await;
    let page = portal.get("ann", "/applications?query=app-&limit=3&offset=3").await;
    assert_eq!(page.names(), ["app-3", "app-4", "app-5"]);
    let pagination = &page.body["pagination"];
    assert_eq!((&pagination["total"], &page.body["count"]), (&json!(7), &json!(3)));
    let next = text(&pagination["next"]);
    let rest = portal.send("ann", "GET", &next, &[], None).await;
    assert_eq!((rest.names(), &rest.body["pagination"]["next"]), (vec!["app-6"], &json!("")));
    let before = portal.send("ann", "GET", &text(&pagination["previous"]), &[], None).await;
    assert_eq!(before.names(), ["app-0", "app-1", "app-2"]);
    let last = portal.get("ann", "/applications?sortBy=name&sortOrder=desc&limit=2").await;
    assert_eq!(last.names(), ["other", "app-6"]);
    let newest = portal.get("ann", "/applications?sortBy=createdTime&limit=1").await;
    assert_eq!(newest.names(), ["app-0"]);
    // a prefix is no substring
    assert_eq!(portal.get("ann", "/applications?query=pp-").await.body["count"], 0);
    assert_eq!(portal.get("ann", "/applications?limit=0").await.body["count"], 0);
}

#[tokio::test]
async fn a_name_is_unique_and_a_policy_exists() {
    let portal = Portal::open().await;
    portal.application("ann", "one").await;
    let create = async |user: &str, name: &str, policy: &str| {
        let body = json!({ "name": name, "throttlingPolicy": policy });
        portal.post(user, "/applications", &body).await
    };
    let own = create("ann", "one", "Unlimited").await;
    assert_eq!(own.code(), (409, 900_301));
    assert!(own.description().contains("ann"), "{own:?}");
    let others = create("eve", "one", "Unlimited").await;
    assert_eq!(others.code(), (409, 900_301));
    assert!(!others.description().contains("ann"), "{others:?}");
    // "good" is an application of the file
    assert_eq!(create("ann", "good", "Unlimited").await.code(), (409, 900_301));
    assert_eq!(create("ann", "two", "Gold").await.code(), (400, 900_305), "of subscriptions");
    assert_eq!(create("ann", "two", "").await.code(), (400, 900_304));
}

#[tokio::test]
async fn what_a_file_declares_is_shown_and_not_changed() {
    let portal = Portal::open().await;
    let list = portal.get("admin", "/applications?query=good&limit=1").await;
    let id = text(&list.body["list"][0]["applicationId"]);
    let shown = portal.get("admin", &format!("/applications/{id}")).await;
    assert_eq!(shown.body["name"], "good", "{shown:?}");
    assert!(shown.body["keys"].as_array().is_some_and(|keys| !keys.is_empty()), "{shown:?}");
    let change = json!({ "name": "good", "throttlingPolicy": "Unlimited" });
    let refused = portal.put("admin", &format!("/applications/{id}"), &change).await;
    assert_eq!(refused.status, 409);
    assert!(refused.description().contains("gateway.toml"), "{refused:?}");
    assert_eq!(portal.delete("admin", &format!("/applications/{id}")).await.status, 409);
    assert_eq!(portal.map("admin", &id, "client-9").await.status, 409);
}

#[tokio::test]
async fn an_application_goes_with_its_keys_and_subscriptions() {
    let portal = Portal::open().await;
    let id = portal.application("ann", "one").await;
    assert_eq!(portal.map("ann", &id, "client-1").await.status, 200);
    let api = portal.api("accounts").await;
    let body = json!({ "applicationId": id, "apiId": api, "throttlingPolicy": "Unlimited" });
    assert_eq!(portal.post("ann", "/subscriptions", &body).await.status, 201);
    let token = portal.bank.token_of("client-1", "accounts:read");
    assert_eq!(portal.bank.gateway.status("/accounts/1.0.0/accounts/42", &token).await, 200);
    assert_eq!(portal.delete("ann", &format!("/applications/{id}")).await.status, 200);
    assert_eq!(portal.bank.gateway.status("/accounts/1.0.0/accounts/42", &token).await, 403);
    // the client is free for another application
    let other = portal.application("eve", "two").await;
    assert_eq!(portal.map("eve", &other, "client-1").await.status, 200);
}

#[tokio::test]
async fn an_administrator_finds_by_owner_and_gives_applications_away() {
    let portal = Portal::open().await;
    let id = portal.application("ann", "one").await;
    portal.application("ann", "two").await;
    let admin = async |method: &str, path: &str, body: Option<&Value>| {
        portal.send("admin", method, &format!("{ADMINISTRATION}{path}"), &[], body).await
    };
    let found = admin("GET", "/applications?user=ann&name=on", None).await;
    assert_eq!((found.status, found.names()), (200, vec!["one"]), "{found:?}");
    // neither a part of a user's name nor of an application's
    assert_eq!(admin("GET", "/applications?user=an", None).await.body["count"], 0);
    assert_eq!(admin("GET", "/applications?user=ann&name=ne", None).await.body["count"], 0);
    assert_eq!(admin("GET", &format!("/applications/{id}"), None).await.body["owner"], "ann");
    let path = format!("/applications/{id}/change-owner");
    assert_eq!(admin("POST", &path, None).await.status, 400);
    let nobody = admin("POST", &format!("{path}?owner=nobody"), None).await;
    assert_eq!((nobody.status, nobody.description()), (400, "`owner` is no user"));
    assert_eq!(admin("POST", &format!("{path}?owner=eve"), None).await.status, 200);
    assert_eq!(portal.get("ann", &format!("/applications/{id}")).await.status, 404);
    assert_eq!(portal.get("eve", &format!("/applications/{id}")).await.body["owner"], "eve");
    let settings = json!({ "owner": "ann", "tokenType": "OAUTH" });
    let path = format!("/applications/{id}/change-settings");
    let changed = admin("POST", &path, Some(&settings)).await;
    assert_eq!((changed.status, &changed.body["tokenType"]), (200, &json!("OAUTH")), "{changed:?}");
    let refused =
        portal.send("ann", "GET", &format!("{ADMINISTRATION}/applications/{id}"), &[], None).await;
    assert_eq!(refused.code(), (403, 900_910));
    assert_eq!(admin("DELETE", &format!("/applications/{id}"), None).await.status, 200);
}
