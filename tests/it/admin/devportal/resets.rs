//! Counts of an application are set back: whose, by whom, and under which conditions.

use serde_json::{Value, json};

use super::{Answered, PORTAL, Portal, text};

const TWO_EACH: &str = "[[throttling_policies]]\nname = \"TwoEach\"\nlevel = \"application\"\n\
                        requests = 2\nper = \"1h\"\nper_user = true\n";

/// The application "Shop" of ann, each of whose users has two requests.
struct Shop {
    portal: Portal,
    path: String,
}

impl Shop {
    async fn open() -> Shop {
        let portal = Portal::of(|config| config.tables(TWO_EACH)).await;
        let body = json!({ "name": "Shop", "throttlingPolicy": "TwoEach" });
        let id = text(&portal.post("ann", "/applications", &body).await.body["applicationId"]);
        assert_eq!(portal.map("ann", &id, "shop").await.status, 200);
        let api = portal.api("accounts").await;
        let body = json!({ "applicationId": id, "apiId": api, "throttlingPolicy": "Unlimited" });
        assert_eq!(portal.post("ann", "/subscriptions", &body).await.status, 201);
        Shop { portal, path: format!("{PORTAL}/applications/{id}") }
    }

    async fn statuses(&self, user: &str, count: usize) -> Vec<u16> {
        let token = self.portal.bank.token_with(&json!({
            "azp": "shop", "client_id": "shop", "sub": user
        }));
        let mut statuses = Vec::new();
        for _ in 0..count {
            let path = "/accounts/1.0.0/accounts/42";
            statuses.push(self.portal.bank.gateway.status(path, &token).await);
        }
        statuses
    }

    async fn reset(&self, user: &str, query: &str, tag: &str, body: &Value) -> Answered {
        let path = format!("{}/reset-throttle-policy{query}", self.path);
        let headers = [("if-match", tag)];
        let headers = if tag.is_empty() { &headers[..0] } else { &headers };
        self.portal.send(user, "POST", &path, headers, Some(body)).await
    }

    async fn tag(&self) -> String {
        self.portal.send("ann", "GET", &self.path, &[], None).await.tag().to_owned()
    }
}

#[tokio::test]
async fn one_user_or_all_of_them_begin_anew() {
    let shop = Shop::open().await;
    for user in ["alice", "bob"] {
        assert_eq!(shop.statuses(user, 3).await, [200, 200, 429]);
    }
    assert_eq!(shop.reset("ann", "", "", &json!({ "userName": "alice" })).await.status, 200);
    assert_eq!(shop.statuses("alice", 3).await, [200, 200, 429]);
    assert_eq!(shop.statuses("bob", 1).await, [429]);
    // a later change of the application leaves the counts alone
    let body = json!({ "name": "Shop", "throttlingPolicy": "TwoEach", "description": "d" });
    let changed = shop.portal.send("ann", "PUT", &shop.path, &[], Some(&body)).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(shop.statuses("alice", 1).await, [429]);
    assert_eq!(shop.reset("admin", "", "", &json!({})).await.status, 200);
    for user in ["alice", "bob"] {
        assert_eq!(shop.statuses(user, 3).await, [200, 200, 429]);
    }
    let null = json!({ "userName": null });
    assert_eq!(shop.reset("ann", "", "", &null).await.status, 200);
    assert_eq!(shop.statuses("bob", 1).await, [200]);
}

#[tokio::test]
async fn it_is_a_write_like_any_other() {
    let shop = Shop::open().await;
    assert_eq!(shop.statuses("alice", 3).await, [200, 200, 429]);
    let (alice, before) = (json!({ "userName": "alice" }), shop.tag().await);
    let planned = shop.reset("ann", "?dryRun=true", "", &alice).await;
    assert_eq!((planned.status, &planned.body["dryRun"]), (200, &json!(true)), "{planned:?}");
    assert_eq!((shop.tag().await, shop.statuses("alice", 1).await), (before.clone(), vec![429]));
    assert_eq!(shop.reset("ann", "", "\"99\"", &alice).await.code(), (412, 412));
    let done = shop.reset("ann", "", &before, &alice).await;
    assert_eq!(done.status, 200, "{done:?}");
    let revision: u64 = done.headers["portcullis-revision"].to_str().unwrap().parse().unwrap();
    assert_ne!(shop.tag().await, before);
    let path = "/api/portcullis/v1/audit?limit=1";
    let audit = shop.portal.send("admin", "GET", path, &[], None).await;
    let entry = &audit.body["list"][0];
    assert_eq!(entry["revision"], json!(revision), "{entry}");
    assert_eq!(
        (&entry["action"], &entry["author"]),
        (&json!("reset-throttle-policy"), &json!("ann"))
    );
    assert!(entry.to_string().contains("quota_resets.users.alice"), "{entry}");
}

#[tokio::test]
async fn bad_calls_are_refused_by_name() {
    let shop = Shop::open().await;
    let body = json!({ "userName": "alice" });
    assert_eq!(shop.reset("eve", "", "", &json!({ "x": 1 })).await.code(), (404, 900_307));
    assert_eq!(shop.reset("vic", "", "", &body).await.code(), (403, 900_910));
    for bad in [
        json!({ "userName": "" }),
        json!({ "userName": "a\u{0}b" }),
        json!({ "userName": 1 }),
        json!({ "userName": "x".repeat(256) }),
        json!({ "username": "alice" }),
    ] {
        let refused = shop.reset("ann", "", "", &bad).await;
        assert_eq!(refused.status, 400, "{bad}: {refused:?}");
        assert!(refused.description().to_lowercase().contains("username"), "{refused:?}");
    }
    assert_eq!(shop.statuses("alice", 3).await, [200, 200, 429], "nothing was done");
    // an application that a file declares is not the API's to change
    let found = shop.portal.get("admin", "/applications?query=good").await;
    let id = text(&found.body["list"][0]["applicationId"]);
    let path = format!("/applications/{id}/reset-throttle-policy");
    assert_eq!(shop.portal.post("admin", &path, &json!({})).await.status, 409);
}
