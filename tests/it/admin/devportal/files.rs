//! Applications of `application_files`: shown like those of `gateway.toml`, in one order with those of the store, and changed in
//! their file only.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{ADMINISTRATION, Answered, PORTAL, Portal, text};
use crate::support::program::command;

const ANNS: &str = r#"{"name":"lines-a","owner":"ann","policy":"10PerMin","attributes":{"unit":"x"},"keys":[{"type":"production","key_manager":"bank-is","consumer_key":"line-client"},{"type":"sandbox","key_manager":"bank-is","consumer_key":"line-sandbox"}],"subscriptions":[{"api":"accounts:1.0.0","policy":"Gold","status":"blocked"},{"api":"open:1.0.0"}]}"#;
const EVES: &str = r#"{"name":"lines-e","owner":"eve","keys":[{"type":"production","key_manager":"bank-is","consumer_key":"eves-client"}],"subscriptions":[{"api":"accounts:1.0.0"}]}"#;

async fn with_lines(lines: &str) -> Portal {
    let lines = lines.to_owned();
    Portal::of(|config| {
        config.top("application_files = [\"apps.jsonl\"]").beside("apps.jsonl", lines)
    })
    .await
}

async fn id_of(portal: &Portal, user: &str, name: &str) -> String {
    let found = portal.get(user, &format!("/applications?query={name}")).await;
    assert_eq!(found.names(), [name], "{found:?}");
    text(&found.body["list"][0]["applicationId"])
}

fn is_of_line(refused: &Answered, line: usize) {
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.description().contains(&format!("apps.jsonl:{line}")), "{refused:?}");
}

#[tokio::test]
async fn an_application_of_a_file_is_shown_with_its_keys_and_subscriptions() {
    let portal = with_lines(&format!("{ANNS}\n{EVES}\n")).await;
    let id = id_of(&portal, "ann", "lines-a").await;
    let path = format!("/applications/{id}");
    let shown = portal.get("ann", &path).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    for (field, value) in [
        ("name", json!("lines-a")),
        ("owner", json!("ann")),
        ("throttlingPolicy", json!("10PerMin")),
        ("attributes", json!({ "unit": "x" })),
        ("subscriptionCount", json!(2)),
    ] {
        assert_eq!(shown.body[field], value, "{field}");
    }
    let keys = portal.get("ann", &format!("{path}/oauth-keys")).await;
    assert_eq!(keys.body["list"], shown.body["keys"]);
    let clients: Vec<_> = keys.body["list"].as_array().unwrap().iter().collect();
    assert_eq!(
        (&clients[0]["consumerKey"], &clients[1]["keyType"]),
        (&json!("line-client"), &json!("SANDBOX"))
    );
    for key in clients {
        let one =
            portal.get("ann", &format!("{path}/oauth-keys/{}", text(&key["keyMappingId"]))).await;
        assert_eq!((one.status, &one.body), (200, key));
    }
    let subscriptions = portal.get("ann", &format!("/subscriptions?applicationId={id}")).await;
    let listed = subscriptions.body["list"].as_array().unwrap();
    let states: Vec<_> = listed
        .iter()
        .map(|own| {
            (text(&own["apiInfo"]["name"]), text(&own["throttlingPolicy"]), text(&own["status"]))
        })
        .collect();
    let state = |api: &str, policy: &str, state: &str| {
        (api.to_owned(), policy.to_owned(), state.to_owned())
    };
    assert_eq!(
        states,
        [state("accounts", "Gold", "BLOCKED"), state("open", "Unlimited", "UNBLOCKED")]
    );
    for own in listed {
        let one =
            portal.get("ann", &format!("/subscriptions/{}", text(&own["subscriptionId"]))).await;
        assert_eq!((one.status, &one.body), (200, own));
    }
    let whose = portal.get("ann", "/applications?consumerKey=line-sandbox").await;
    assert_eq!(whose.names(), ["lines-a"]);
}

#[tokio::test]
async fn lists_of_key_managers_and_apis_have_the_applications_of_a_file() {
    let portal = with_lines(&format!("{ANNS}\n{EVES}\n")).await;
    let usages =
        portal.send("admin", "GET", &format!("{ADMINISTRATION}/key-managers"), &[], None).await;
    let bank = usages.body["list"].as_array().unwrap().iter().find(|own| own["name"] == "bank-is");
    let usages = format!(
        "{ADMINISTRATION}/key-managers/{}/app-usages?limit=1000",
        text(&bank.unwrap()["id"])
    );
    let usages = portal.send("admin", "GET", &usages, &[], None).await;
    let used = usages.body["applications"].as_array().unwrap();
    let lines = used.iter().filter(|own| text(&own["name"]).starts_with("lines-")).count();
    assert_eq!(lines, 2, "{usages:?}");
    let api = portal.api("accounts").await;
    let of_api = portal.get("admin", &format!("/subscriptions?apiId={api}&limit=1000")).await;
    let holders: Vec<_> = of_api.body["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|own| &own["applicationInfo"]["name"])
        .collect();
    assert!(
        holders.contains(&&json!("lines-a")) && holders.contains(&&json!("lines-e")),
        "{holders:?}"
    );
    let own = portal.get("ann", &format!("/subscriptions?apiId={api}")).await;
    assert_eq!(own.body["list"][0]["applicationInfo"]["name"], "lines-a");
    assert_eq!(own.body["pagination"]["total"], 1);
}

#[tokio::test]
async fn owners_and_administrators_see_an_application_of_a_file() {
    let portal = with_lines(&format!("{ANNS}\n{EVES}\n")).await;
    let id = id_of(&portal, "admin", "lines-a").await;
    let subscriptions = portal.get("ann", &format!("/subscriptions?applicationId={id}")).await;
    let subscription = text(&subscriptions.body["list"][0]["subscriptionId"]);
    for (user, status, names) in [
        ("ann", 200, vec!["lines-a"]),
        ("bob", 404, vec![]),
        ("eve", 404, vec!["lines-e"]),
        ("admin", 200, vec!["lines-a", "lines-e"]),
    ] {
        assert_eq!(portal.get(user, "/applications?query=lines-").await.names(), names, "{user}");
        for path in ["", "/oauth-keys"] {
            let path = format!("/applications/{id}{path}");
            assert_eq!(portal.get(user, &path).await.status, status, "{user} {path}");
        }
        let path = format!("/subscriptions/{subscription}");
        assert_eq!(portal.get(user, &path).await.status, status, "{user}");
        let whose = portal.get(user, "/applications?consumerKey=line-client").await;
        assert_eq!(whose.body["count"], u8::from(status == 200), "{user}");
    }
    let listed = portal
        .send("admin", "GET", &format!("{ADMINISTRATION}/applications?user=eve"), &[], None)
        .await;
    assert_eq!(listed.names(), ["lines-e"]);
}

#[tokio::test]
async fn an_application_of_a_file_is_changed_there_only() {
    let portal = with_lines(&format!("\n{ANNS}\n{EVES}\n")).await;
    let id = id_of(&portal, "ann", "lines-a").await;
    let path = format!("/applications/{id}");
    let body = json!({ "name": "lines-a", "throttlingPolicy": "Unlimited" });
    is_of_line(&portal.put("ann", &path, &body).await, 2);
    is_of_line(&portal.delete("ann", &path).await, 2);
    is_of_line(&portal.map("ann", &id, "new-client").await, 2);
    let keys = portal.get("ann", &format!("{path}/oauth-keys")).await;
    let key = text(&keys.body["list"][0]["keyMappingId"]);
    is_of_line(&portal.delete("ann", &format!("{path}/oauth-keys/{key}")).await, 2);
    let api = portal.api("production-only").await;
    let wanted = json!({ "applicationId": id, "apiId": api, "throttlingPolicy": "Unlimited" });
    is_of_line(&portal.post("ann", "/subscriptions", &wanted).await, 2);
    let own = portal.get("ann", &format!("/subscriptions?applicationId={id}")).await;
    let own = text(&own.body["list"][0]["subscriptionId"]);
    is_of_line(&portal.delete("ann", &format!("/subscriptions/{own}")).await, 2);
    let unblock =
        format!("/api/am/publisher/v4/subscriptions/unblock-subscription?subscriptionId={own}");
    is_of_line(&portal.send("pat", "POST", &unblock, &[], None).await, 2);
    let owner = format!("{ADMINISTRATION}{path}/change-owner?owner=bob");
    is_of_line(&portal.send("admin", "POST", &owner, &[], None).await, 2);
    // the name is taken, and only who may see the other is told where it is
    is_of_line(&portal.post("ann", "/applications", &body).await, 2);
    let refused = portal.post("eve", "/applications", &body).await;
    assert_eq!(refused.code(), (409, 900_301));
    assert!(!refused.description().contains("apps.jsonl"), "{refused:?}");
    let mut renamed = body.clone();
    renamed["name"] = json!("lines-e");
    let other = portal.application("ann", "other").await;
    let refused = portal.put("ann", &format!("/applications/{other}"), &renamed).await;
    assert_eq!(refused.code(), (409, 900_301));
    // and so is the client
    assert_eq!(portal.map("ann", &other, "eves-client").await.status, 409);
    let policies = format!("{ADMINISTRATION}/throttling/policies/search?query=type:app");
    let policies = portal.send("admin", "GET", &policies, &[], None).await;
    assert_eq!(policies.status, 200, "{policies:?}");
}

#[tokio::test]
async fn what_a_file_says_after_a_reload_is_shown() {
    let portal = with_lines(&format!("{ANNS}\n")).await;
    let id = id_of(&portal, "ann", "lines-a").await;
    let path = portal.bank.gateway.folder().join("apps.jsonl");
    let more = ANNS.replace("lines-a", "lines-b").replace("line-", "other-");
    std::fs::write(&path, format!("{more}\n{ANNS}\n")).unwrap();
    assert_eq!(portal.bank.gateway.management("POST", "/reload").await.status(), 200);
    assert_eq!(
        portal.get("ann", "/applications?query=lines-").await.names(),
        ["lines-a", "lines-b"]
    );
    is_of_line(&portal.delete("ann", &format!("/applications/{id}")).await, 2);
    std::fs::write(&path, format!("{more}\n")).unwrap();
    assert_eq!(portal.bank.gateway.management("POST", "/reload").await.status(), 200);
    assert_eq!(portal.get("ann", "/applications?query=lines-").await.names(), ["lines-b"]);
    assert_eq!(portal.get("ann", &format!("/applications/{id}")).await.status, 404);
    // its name is free again
    portal.application("ann", "lines-a").await;
}

/// Reads a whole list, page by page.
async fn walked(
    portal: &Portal,
    path: &str,
    (from, limit): (usize, usize),
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for page in 0..40 {
        let offset = from + page * limit;
        let path = format!("{path}&offset={offset}&limit={limit}");
        let answer = portal.send("admin", "GET", &path, &[], None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let list = answer.body["list"].as_array().unwrap().clone();
        if list.is_empty() {
            return found;
        }
        found.extend(list.iter().map(|own: &Value| (text(&own["owner"]), text(&own["name"]))));
    }
    panic!("{path} has no end");
}

#[tokio::test]
async fn applications_of_files_and_of_the_store_are_in_one_order() {
    const OWNERS: [&str; 3] = ["ann", "bob", "eve"];
    let mut lines = String::new();
    let mut all: Vec<(String, String)> = Vec::new();
    for number in 0..1200 {
        let (owner, name) = (OWNERS[number % 3], format!("mix-{:04}", number * 7 % 1200));
        writeln!(lines, r#"{{"name":"{name}","owner":"{owner}"}}"#).unwrap();
        all.push((owner.to_owned(), name));
    }
    let portal = with_lines(&lines).await;
    for number in 0..24 {
        let (owner, name) = (OWNERS[number % 3], format!("mix-{:04}-kept", number * 50));
        portal.application(owner, &name).await;
        all.push((owner.to_owned(), name));
    }
    let by_name = |one: &(String, String), other: &(String, String)| one.1.cmp(&other.1);
    let path = |rest: &str| format!("{PORTAL}/applications?query=mix-&{rest}");
    for (order, sort_by) in [("asc", "name"), ("desc", "name"), ("asc", "owner"), ("desc", "owner")]
    {
        if sort_by == "name" {
            all.sort_by(by_name);
        } else {
            all.sort();
        }
        if order == "desc" {
            all.reverse();
        }
        let path = path(&format!("sortBy={sort_by}&sortOrder={order}"));
        assert_eq!(walked(&portal, &path, (0, 400)).await, all, "{sort_by} {order}");
        assert_eq!(walked(&portal, &path, (1001, 37)).await, all[1001..], "{sort_by} {order}");
    }
    let owned = format!("{ADMINISTRATION}/applications?user=bob&sortOrder=desc");
    let mut bobs: Vec<_> = all.iter().filter(|own| own.0 == "bob").cloned().collect();
    bobs.sort_by(by_name);
    bobs.reverse();
    assert_eq!(walked(&portal, &owned, (0, 100)).await, bobs);
    // a file says nothing about times, so its applications are the oldest
    let newest = portal
        .get("admin", "/applications?query=mix-&sortBy=createdTime&sortOrder=desc&limit=25")
        .await;
    assert_eq!(newest.names()[..2], ["mix-1150-kept", "mix-1100-kept"]);
    assert_eq!(newest.names()[24], "mix-1199");
    let last = portal
        .get("admin", "/applications?query=mix-&sortBy=createdTime&offset=1199&limit=3")
        .await;
    assert_eq!(last.names(), ["mix-1199", "mix-0000-kept", "mix-0050-kept"]);
    assert_eq!(last.body["pagination"]["total"], 1224);
}

#[tokio::test]
async fn one_name_in_a_file_and_in_the_store_is_an_error() {
    let portal = with_lines("").await;
    portal.application("ann", "shop").await;
    let folder = portal.bank.gateway.folder().to_owned();
    let check = || {
        let output = command(&folder, &["check"]).output().unwrap();
        let told = [output.stdout.clone(), output.stderr.clone()].concat();
        (output.status.code(), String::from_utf8_lossy(&told).into_owned())
    };
    let (code, told) = check();
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("the store fits the files, at its revision 1"), "{told}");

    std::fs::write(folder.join("apps.jsonl"), "{\"name\":\"shop\",\"owner\":\"eve\"}\n").unwrap();
    let (code, told) = check();
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("\"shop\" is defined twice") && told.contains("apps.jsonl:1"), "{told}");
    let reload = portal.bank.gateway.management("POST", "/reload").await;
    assert_eq!(reload.status(), 422);
    // the store's application is what it was
    let shop = portal.get("ann", "/applications?query=shop").await;
    assert_eq!(shop.body["list"][0]["owner"], "ann");
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_told_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let portal = with_lines("").await;
    portal.bank.config.clone().beside("apps.jsonl", "").write_to(folder.path());
    let output = command(folder.path(), &["check"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("the store is not compared with the files"), "{told}");
    let made = walkdir(folder.path());
    assert!(!made.iter().any(|name| name.contains("portcullis.db")), "{made:?}");
}

fn walkdir(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            found.push(entry.path().display().to_string());
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
        }
    }
    found
}
