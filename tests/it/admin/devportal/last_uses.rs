//! The last day on which an application used an API: its owner sees it, for applications of files too.

use std::sync::Arc;

use portcullis::store::{LastUse, SqliteStore, Store};
use portcullis::supervise::clock::SystemClock;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answered, Portal};

async fn last_uses(portal: &Portal, user: &str, id: &str) -> Answered {
    let path = format!("/api/portcullis/v1/applications/{id}/last-use?limit=2");
    portal.send(user, "GET", &path, &[], None).await
}

#[tokio::test]
async fn an_owner_sees_when_an_application_used_each_api_last() {
    let portal = Portal::open().await;
    let own = portal.application("ann", "shop").await;
    let of_file = portal.get("admin", "/applications?query=good").await;
    let of_file = super::text(&of_file.body["list"][0]["applicationId"]);
    let store = portal.bank.gateway.folder().join("state/portcullis.db");
    let store = SqliteStore::open(&store, Arc::new(SystemClock)).unwrap();
    let note = async |application: &str, api: &str, day: u32| {
        let application: Uuid = application.parse().unwrap();
        store.note_uses(&[LastUse { application, api: api.to_owned(), day }]).await.unwrap();
    };
    note(&own, "accounts:1.0.0", 20_420).await;
    note(&own, "open:1.0.0", 20_421).await;
    note(&own, "blocked:1.0.0", 20_419).await;
    note(&of_file, "accounts:1.0.0", 20_420).await;

    let shown = last_uses(&portal, "ann", &own).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    let last = |api: &str, day: &str| json!({ "api": api, "apiVersion": "1.0.0", "lastUse": day });
    let list = json!([last("open", "2025-11-29"), last("accounts", "2025-11-28")]);
    assert_eq!((&shown.body["list"], &shown.body["pagination"]["total"]), (&list, &json!(3)));
    assert_eq!(last_uses(&portal, "eve", &own).await.code(), (404, 900_307));
    assert_eq!(last_uses(&portal, "vic", &own).await.status, 403);
    let shown = last_uses(&portal, "admin", &of_file).await;
    assert_eq!(shown.body["list"], Value::Array(vec![last("accounts", "2025-11-28")]));
}
