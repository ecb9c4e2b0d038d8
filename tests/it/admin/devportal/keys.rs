//! Mapping existing clients: the order of refusals, one holder of each client, and what becomes of secrets.

use serde_json::{Value, json};

use super::{Answered, PORTAL, Portal, text};

const CALL: &str = "/accounts/1.0.0/accounts/42";

async fn map(portal: &Portal, user: &str, id: &str, body: &Value) -> Answered {
    portal.post(user, &format!("/applications/{id}/map-keys"), body).await
}

#[tokio::test]
async fn a_mapped_client_calls_at_once_and_no_more_when_it_is_taken_away() {
    let portal = Portal::open().await;
    let id = portal.application("ann", "one").await;
    let api = portal.api("accounts").await;
    let token = portal.bank.token_of("client-1", "accounts:read");
    assert_eq!(portal.bank.gateway.status(CALL, &token).await, 403, "nobody knows the client");
    let body = json!({ "consumerKey": "client-1", "consumerSecret": "s3cr3t-s3cr3t",
                       "keyType": "PRODUCTION", "keyManager": "bank-is" });
    let mapped = map(&portal, "ann", &id, &body).await;
    assert_eq!(mapped.status, 200, "{mapped:?}");
    for (field, value) in [
        ("consumerKey", json!("client-1")),
        ("consumerSecret", json!("s3cr3t-s3cr3t")),
        ("keyManager", json!("bank-is")),
        ("keyType", json!("PRODUCTION")),
        ("mode", json!("MAPPED")),
        ("keyState", json!("APPROVED")),
        ("token", json!({ "accessToken": "", "tokenScopes": [], "validityTime": 0 })),
    ] {
        assert_eq!(mapped.body[field], value, "{field}");
    }
    assert_eq!(portal.bank.gateway.status(CALL, &token).await, 403, "it is not subscribed");
    let wanted = json!({ "applicationId": id, "apiId": api, "throttlingPolicy": "Unlimited" });
    assert_eq!(portal.post("ann", "/subscriptions", &wanted).await.status, 201);
    assert_eq!(portal.bank.gateway.status(CALL, &token).await, 200);
    // the secret is shown once and kept nowhere
    let list = portal.get("ann", &format!("/applications/{id}/oauth-keys")).await;
    assert_eq!(list.body["list"][0]["consumerSecret"], Value::Null);
    for entry in std::fs::read_dir(portal.bank.gateway.folder().join("state")).unwrap().flatten() {
        if entry.file_type().unwrap().is_file() {
            let bytes = std::fs::read(entry.path()).unwrap();
            let kept = bytes.windows(13).any(|window| window == b"s3cr3t-s3cr3t");
            assert!(!kept, "{:?} holds the secret", entry.path());
        }
    }
    let mapping = text(&mapped.body["keyMappingId"]);
    let path = format!("/applications/{id}/oauth-keys/{mapping}");
    let one = portal.get("ann", &path).await;
    assert_eq!((one.status, &one.body["consumerKey"]), (200, &json!("client-1")));
    assert_eq!(portal.delete("ann", &path).await.status, 200);
    assert_eq!(portal.get("ann", &path).await.code(), (404, 900_331));
    assert_eq!(portal.bank.gateway.status(CALL, &token).await, 403, "the client is nobody's");
}

#[tokio::test]
async fn the_first_rule_that_is_broken_is_told() {
    let portal = Portal::open().await;
    let id = portal.application("ann", "one").await;
    let body = |client: &str, key_manager: Value| json!({ "consumerKey": client, "keyType": "PRODUCTION", "keyManager": key_manager });
    let nowhere = "11111111-2222-3333-4444-555555555555";
    // an unknown application before an unknown key manager
    let refused = map(&portal, "ann", nowhere, &body("", json!("nobody"))).await;
    assert_eq!(refused.code(), (404, 900_307));
    for key_manager in [json!("nobody"), json!("closed-is"), json!(nowhere), Value::Null] {
        // several are there, so none is meant; the unknown one before the empty client id
        let refused = map(&portal, "ann", &id, &body("", key_manager.clone())).await;
        assert_eq!(refused.code(), (400, 901_403), "{key_manager}");
        let names = refused.description();
        assert!(names.contains("bank-is") && !names.contains("closed-is"), "{names}");
    }
    assert_eq!(map(&portal, "ann", &id, &body("", json!("bank-is"))).await.code(), (400, 901_414));
    let sealed = map(&portal, "ann", &id, &body("", json!("sealed-is"))).await;
    assert_eq!(sealed.code(), (400, 901_405), "the switch of the key manager comes first");
    let others = map(&portal, "ann", &id, &body("", json!("operators-is"))).await;
    assert_eq!(others.code(), (403, 902_013));
    let path = format!("/applications/{id}/generate-keys");
    let generate = json!({ "keyType": "PRODUCTION", "keyManager": "bank-is",
                           "grantTypesToBeSupported": ["client_credentials"] });
    assert_eq!(portal.post("ann", &path, &generate).await.code(), (400, 901_405));
    let long = "c".repeat(1025);
    for odd in [long.as_str(), "a\nb", "a\u{0}"] {
        let refused = map(&portal, "ann", &id, &body(odd, json!("bank-is"))).await;
        assert_eq!(refused.status, 400, "{odd:?}");
        assert!(refused.description().starts_with("`consumerKey`"), "{refused:?}");
    }
    // by id as well as by name, and one of each type
    let list = portal.get("ann", "/key-managers").await;
    let bank = list.body["list"].as_array().unwrap().iter().find(|own| own["name"] == "bank-is");
    let by_id = map(&portal, "ann", &id, &body("client-1", bank.unwrap()["id"].clone())).await;
    assert_eq!((by_id.status, &by_id.body["keyManager"]), (200, &json!("bank-is")));
    let second = map(&portal, "ann", &id, &body("client-2", json!("bank-is"))).await;
    assert_eq!(second.code(), (409, 901_409));
    let sandbox = json!({ "consumerKey": "client-2", "keyType": "SANDBOX",
                          "keyManager": "bank-is" });
    assert_eq!(map(&portal, "ann", &id, &sandbox).await.status, 200);
    // the same id is another client at another key manager
    let elsewhere = map(&portal, "ann", &id, &body("client-1", json!("other-is"))).await;
    assert_eq!(elsewhere.status, 200, "{elsewhere:?}");
    // older clients name a type alone
    let of_type = async |key_type: &str| {
        portal.get("ann", &format!("/applications/{id}/keys/{key_type}")).await
    };
    assert_eq!(of_type("SANDBOX").await.body["consumerKey"], "client-2");
    let several = of_type("PRODUCTION").await;
    assert_eq!(several.code(), (400, 901_403), "{several:?}");
    assert!(several.description().contains("bank-is, other-is"), "{several:?}");
    assert_eq!(of_type("production").await.code(), (404, 900_331));
}

#[tokio::test]
async fn the_holder_of_a_client_is_told_to_its_owner_and_to_administrators() {
    let portal = Portal::open().await;
    let body = json!({ "name": "held", "throttlingPolicy": "Unlimited", "groups": ["team"] });
    let held = text(&portal.post("ann", "/applications", &body).await.body["applicationId"]);
    assert_eq!(portal.map("ann", &held, "client-1").await.status, 200);
    for (user, told) in [("ann", true), ("admin", true), ("bob", false), ("eve", false)] {
        let id = portal.application(user, &format!("of-{user}")).await;
        let refused = portal.map(user, &id, "client-1").await;
        assert_eq!(refused.code(), (409, 901_409), "{user}");
        assert_eq!(refused.description().contains("held"), told, "{user}: {refused:?}");
        // a client of the file is held too
        assert_eq!(portal.map(user, &id, "good").await.code(), (409, 901_409), "{user}");
    }
}

#[tokio::test]
async fn of_many_who_map_one_client_at_once_one_gets_it() {
    let portal = Portal::open().await;
    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(portal.application("ann", &format!("app-{number}")).await);
    }
    let map = async |at: usize| portal.map("ann", &ids[at], "wanted").await;
    let answers = <[Answered; 4]>::from(tokio::join!(map(0), map(1), map(2), map(3)));
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    let lost = answers.iter().filter(|answer| answer.code() == (409, 901_409)).count();
    assert_eq!((won, lost), (1, 3), "{answers:?}");
    assert_eq!(portal.get("ann", "/applications?consumerKey=wanted").await.body["count"], 1);
}

#[tokio::test]
async fn a_key_has_details_and_only_its_own_operations() {
    let portal = Portal::open().await;
    let id = portal.application("ann", "one").await;
    let mapped = portal.map("ann", &id, "client-1").await;
    let path = format!("/applications/{id}/oauth-keys/{}", text(&mapped.body["keyMappingId"]));
    let shown = portal.get("ann", &path).await;
    let mut changed = shown.body.clone();
    changed["supportedGrantTypes"] = json!(["client_credentials"]);
    changed["callbackUrl"] = json!("https://app.example/back");
    let answer = portal.put("ann", &path, &changed).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let read = portal.get("ann", &path).await;
    assert_eq!(read.body["supportedGrantTypes"], json!(["client_credentials"]));
    assert_eq!(read.body["callbackUrl"], "https://app.example/back");
    for (field, value) in [
        ("keyType", json!("SANDBOX")),
        ("keyManager", json!("other-is")),
        ("additionalProperties", json!({ "secret": "x" })),
        ("consumerKey", json!("another")),
        ("callbackUrl", json!("x".repeat(2049))),
        ("callbackUrl", json!("javascript:alert(1)")),
    ] {
        let mut odd = shown.body.clone();
        odd[field] = value;
        let refused = portal.put("ann", &path, &odd).await;
        assert_eq!(refused.status, 400, "{field}");
        assert!(refused.description().contains(field), "{refused:?}");
    }
    // no key manager of the bank makes clients or tokens
    for (method, below, code) in [
        ("POST", "generate-token", (400, 901_405)),
        ("POST", "regenerate-secret", (501, 901_413)),
        ("POST", "generate-secret", (501, 901_413)),
        ("GET", "secrets", (501, 901_413)),
        ("POST", "revoke-secret", (501, 901_413)),
    ] {
        let path = format!("{PORTAL}{path}/{below}");
        let answer = portal.send("ann", method, &path, &[], Some(&json!({}))).await;
        assert_eq!(answer.code(), code, "{below}");
    }
    let cleaned = portal.post("ann", &format!("{path}/clean-up"), &json!({})).await;
    assert_eq!(cleaned.status, 200);
    assert_eq!(portal.get("ann", &path).await.code(), (404, 900_331));
}

#[tokio::test]
async fn keys_move_to_another_key_manager_all_or_none() {
    let portal = Portal::open().await;
    let first = portal.application("ann", "first").await;
    let second = portal.application("ann", "second").await;
    assert_eq!(portal.map("ann", &first, "client-1").await.status, 200);
    assert_eq!(portal.map("ann", &second, "client-2").await.status, 200);
    let taken =
        json!({ "consumerKey": "client-2", "keyType": "SANDBOX", "keyManager": "other-is" });
    assert_eq!(map(&portal, "ann", &first, &taken).await.status, 200);
    let order = json!({ "from": "bank-is", "to": "other-is" });
    let path = "/api/portcullis/v1/move-keys";
    let call = async |user: &str, path: &str, body: &Value| {
        portal.send(user, "POST", path, &[], Some(body)).await
    };
    assert_eq!(call("ann", path, &order).await.code(), (403, 900_910));
    let refused = call("admin", path, &order).await;
    assert_eq!(refused.code(), (409, 901_409), "{refused:?}");
    assert!(refused.description().contains("client-2"), "{refused:?}");
    assert_eq!(portal.get("ann", "/applications?consumerKey=client-1").await.body["count"], 1);
    let only = json!({ "from": "bank-is", "to": "other-is", "applicationIds": [first] });
    let planned = call("admin", &format!("{path}?dryRun=true"), &only).await;
    let would = &planned.body["result"];
    assert_eq!((planned.status, &would["moved"]), (200, &json!(1)), "{planned:?}");
    let moved = call("admin", path, &only).await;
    assert_eq!((moved.status, &moved.body["moved"]), (200, &json!(1)), "{moved:?}");
    let keys = portal.get("ann", &format!("/applications/{first}/oauth-keys")).await;
    let managers: Vec<_> =
        keys.body["list"].as_array().unwrap().iter().map(|key| &key["keyManager"]).collect();
    assert_eq!(managers, [&json!("other-is"), &json!("other-is")]);
    for odd in [
        json!({ "from": "bank-is", "to": "nobody" }),
        json!({ "from": "bank-is", "to": "bank-is" }),
        json!({ "from": "bank-is", "to": "other-is", "applicationIds": ["x"] }),
        json!({ "from": "bank-is", "to": "other-is", "all": true }),
    ] {
        assert_eq!(call("admin", path, &odd).await.status, 400, "{odd}");
    }
}
