//! The end of an application at its authorization server: clients that are deleted with it, and those that are left.

use serde_json::{Value, json};

use super::failures::with_server;
use super::identity_server::{answer, calls, stand_in, with_scopes};
use super::{Answered, Portal, generate, wanted};
use crate::support::origin::{Origin, Received};
use crate::support::script::Script;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// A server that makes the client "made", and an application that has it, beside one that is mapped.
async fn with_client() -> (Origin, Portal, String) {
    let server = Origin::start();
    let (portal, id) = with_server(&server.url()).await;
    let client = json!({
        "client_id": "made", "client_secret": "s", "registration_access_token": "of-the-client",
        "registration_client_uri": format!("{}/register/made", server.url()),
    });
    server.once(Script::answer(201, &JSON, client.to_string()));
    let made = generate(&portal, &id, &wanted("odd")).await;
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(portal.map("ann", &id, "mapped").await.status, 200);
    (server, portal, id)
}

fn deletions(server: &Origin) -> Vec<Received> {
    server.received().into_iter().filter(|own| own.method == "DELETE").collect()
}

/// The latest entries of the audit log with this action.
async fn audited(portal: &Portal, action: &str) -> Vec<Value> {
    let log = portal.send("admin", "GET", "/api/portcullis/v1/audit?limit=10", &[], None).await;
    let entries = log.body["list"].as_array().unwrap_or_else(|| panic!("{log:?}"));
    entries.iter().filter(|own| own["action"] == action).cloned().collect()
}

fn left(answer: &Answered) -> Option<&str> {
    answer.headers.get("portcullis-left-clients").map(|own| own.to_str().unwrap())
}

#[tokio::test]
async fn a_made_client_ends_with_its_application_and_a_mapped_one_stays() {
    let (server, portal, id) = with_client().await;
    let path = format!("/applications/{id}");
    // what the store refuses, and a preview, leave the server alone
    let call = format!("{}{path}", super::super::devportal::PORTAL);
    let old = [("if-match", "\"0\"")];
    assert_eq!(portal.send("ann", "DELETE", &call, &old, None).await.status, 412);
    assert_eq!(portal.delete("ann", &format!("{path}?dryRun=true")).await.status, 200);
    assert!(deletions(&server).is_empty());

    server.once(Script::answer(204, &[], ""));
    let deleted = portal.delete("ann", &path).await;
    assert_eq!((deleted.status, left(&deleted)), (200, None), "{deleted:?}");
    let seen = deletions(&server);
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].target, "/register/made");
    assert_eq!(seen[0].values("authorization"), ["Bearer of-the-client"]);
    assert!(audited(&portal, "leave-client").await.is_empty());
}

#[tokio::test]
async fn a_server_that_does_not_do_it_keeps_no_application_alive() {
    for script in [Script::answer(500, &JSON, "{}"), Script::close()] {
        let (server, portal, id) = with_client().await;
        server.once(script);
        // the administrator's call does the same
        let call = format!("{}/applications/{id}", super::ADMINISTRATION);
        let deleted = portal.send("admin", "DELETE", &call, &[], None).await;
        assert_eq!((deleted.status, left(&deleted)), (200, Some("odd/made")), "{deleted:?}");
        assert_eq!(portal.get("ann", &format!("/applications/{id}")).await.status, 404);
        let noted = audited(&portal, "leave-client").await;
        assert_eq!(noted.len(), 1, "{noted:?}");
        let text = noted[0].to_string();
        assert!(text.contains("\"made\"") && text.contains("\"odd\""), "{text}");
        assert!(!text.contains("of-the-client") && !text.contains("sealed"), "{text}");
        assert_eq!((&noted[0]["author"], &noted[0]["kind"]), (&json!("admin"), &json!("key")));
        // the client is free for another application
        let other = portal.application("ann", "other").await;
        let body = json!({ "consumerKey": "made", "keyType": "PRODUCTION", "keyManager": "odd" });
        let mapped = portal.post("ann", &format!("/applications/{other}/map-keys"), &body).await;
        assert_eq!(mapped.status, 200, "{mapped:?}");
    }
}

#[tokio::test]
async fn scopes_that_no_api_asks_for_are_taken_from_the_server() {
    let (server, portal, _) = stand_in("WSO2-IS-7").await;
    let id = with_scopes(&server, &portal).await;
    let path = format!("/api/am/publisher/v4/apis/{id}");
    let mut body = portal.send("admin", "GET", &path, &[], None).await.body;
    let resource = || answer(200, &json!({ "apiResources": [{ "id": "r-1" }] }));
    let deletion = |scope: &str| {
        ("DELETE".to_owned(), format!("/api/server/v1/api-resources/r-1/scopes/{scope}"))
    };
    // a second scope comes: the first stays asked for
    let before = calls(&server).len();
    body["operations"][0]["scopes"] = json!(["scoped:read", "scoped:more"]);
    body["scopes"].as_array_mut().unwrap().push(json!({ "scope": { "name": "scoped:more" } }));
    let changed = portal.send("admin", "PUT", &path, &[], Some(&body)).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(calls(&server).len(), before, "nothing went");
    // it goes again
    server.once(resource());
    server.once(Script::answer(204, &[], ""));
    body["operations"][0]["scopes"] = json!(["scoped:read"]);
    body["scopes"].as_array_mut().unwrap().pop();
    let changed = portal.send("admin", "PUT", &path, &[], Some(&body)).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(calls(&server).last(), Some(&deletion("scoped%3Amore")));
    // the API goes, and its server does not do what it is asked for
    server.once(resource());
    server.once(answer(500, &json!({})));
    assert_eq!(portal.send("admin", "DELETE", &path, &[], None).await.status, 200);
    assert_eq!(calls(&server).last(), Some(&deletion("scoped%3Aread")));
    let noted = audited(&portal, "leave-scope").await;
    assert_eq!(noted.len(), 1, "{noted:?}");
    assert_eq!((&noted[0]["name"], &noted[0]["kind"]), (&json!("scoped:read"), &json!("scope")));
}
