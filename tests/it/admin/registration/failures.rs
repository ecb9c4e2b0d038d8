//! Servers that refuse, fail, stall or talk nonsense, and a store that does not keep a client.

use std::time::Duration;

use serde_json::json;

use super::{Answered, Portal, generate, is_kept, no_keys, portal, register, wanted};
use crate::support::origin::Origin;
use crate::support::script::Script;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// A key manager whose server is this origin.
pub(super) async fn with_server(url: &str) -> (Portal, String) {
    let portal = portal().await;
    let body = json!({
        "name": "odd",
        "type": "KeyCloak",
        "issuer": "https://odd.example",
        "certificates": { "type": "JWKS", "value": no_keys() },
        "tokenEndpoint": format!("{url}/token"),
        "clientRegistrationEndpoint": format!("{url}/register"),
        "enableOAuthAppCreation": true,
        "additionalProperties": { "initial_access_token": "t0k3n-t0k3n" },
    });
    register(&portal, &body).await;
    let id = portal.application("ann", "shop").await;
    (portal, id)
}

async fn keys(portal: &Portal, id: &str) -> u64 {
    let list = portal.get("ann", &format!("/applications/{id}/oauth-keys")).await;
    list.body["count"].as_u64().unwrap()
}

fn assert_tells(answer: &Answered, wanted: (u16, u64), part: &str) {
    assert_eq!(answer.code(), wanted, "{answer:?}");
    assert!(answer.body.to_string().contains(part), "{answer:?}");
    assert!(!answer.body.to_string().contains("t0k3n"), "{answer:?}");
}

#[tokio::test]
async fn what_a_server_says_is_passed_on_and_nothing_is_kept() {
    let server = Origin::start();
    let (portal, id) = with_server(&server.url()).await;
    let refuse = |status: u16, error: &str| {
        let body = json!({ "error": error, "error_description": "not with t0k3n-t0k3n" });
        Script::answer(status, &JSON, body.to_string())
    };
    let huge = format!("{{\"client_id\": \"{}\"}}", "c".repeat(600 * 1024));
    for (script, wanted_code, part) in [
        (refuse(400, "invalid_redirect_uri"), (400, 902_003), "invalid_redirect_uri"),
        (refuse(401, "invalid_token"), (502, 902_004), "invalid_token"),
        (refuse(503, "temporarily_unavailable"), (502, 902_004), "503"),
        (Script::answer(500, &[], "<html>"), (502, 902_004), "500"),
        (Script::answer(201, &JSON, "<html>"), (502, 900_950), "no JSON"),
        (Script::answer(201, &JSON, "[]"), (502, 900_950), "no JSON"),
        (Script::answer(201, &JSON, "{}"), (502, 900_950), "client_id"),
        (Script::answer(201, &JSON, huge), (502, 900_950), "size"),
        (
            Script::answer(307, &[("location", "https://other.example/")], ""),
            (502, 900_950),
            "redirect",
        ),
        (Script::close(), (502, 900_950), "broken_off"),
    ] {
        server.always(script);
        assert_tells(&generate(&portal, &id, &wanted("odd")).await, wanted_code, part);
    }
    assert_eq!(keys(&portal, &id).await, 0);
    let seen = server.received();
    let registrations: Vec<_> = seen.iter().filter(|own| own.target == "/register").collect();
    assert_eq!(registrations.len(), 10, "one call each, no second try");
    assert!(registrations.iter().all(|own| own.values("authorization") == ["Bearer t0k3n-t0k3n"]));
}

#[tokio::test]
async fn a_server_that_is_not_there_or_does_not_answer_is_told() {
    let (portal, id) = with_server(&format!("http://{}", Origin::refusing_address())).await;
    let down = generate(&portal, &id, &wanted("odd")).await;
    assert_tells(&down, (502, 900_950), "connect");
    // an administrator learns the address too
    let path = format!("/applications/{id}/generate-keys");
    let told = portal.post("admin", &path, &wanted("odd")).await;
    assert!(told.description().contains("127.0.0.1"), "{told:?}");

    let slow = Origin::start();
    let (portal, id) = with_server(&slow.url()).await;
    slow.always(Script::hang());
    let waited = generate(&portal, &id, &wanted("odd")).await;
    assert_tells(&waited, (504, 900_950), "timeout");
}

#[tokio::test]
async fn a_client_that_cannot_be_kept_is_deleted_again() {
    let server = Origin::start();
    let (portal, id) = with_server(&server.url()).await;
    let client = |id: &str, uri: &str| {
        let body = json!({
            "client_id": id, "client_secret": "s", "registration_access_token": "of-the-client",
            "registration_client_uri": uri,
        });
        Script::answer(201, &JSON, body.to_string())
    };
    let uri = format!("{}/register/held", server.url());
    // somebody else has a client of this id already
    let other = portal.application("ann", "other").await;
    let body = json!({ "consumerKey": "held", "keyType": "PRODUCTION", "keyManager": "odd" });
    let mapped = portal.post("ann", &format!("/applications/{other}/map-keys"), &body).await;
    assert_eq!(mapped.status, 200, "{mapped:?}");
    for (script, wanted_code) in
        [(client("held", &uri), (409, 901_409)), (client("no\nid", &uri), (502, 502))]
    {
        let before = server.received().len();
        server.once(script);
        server.once(Script::answer(204, &[], ""));
        let refused = generate(&portal, &id, &wanted("odd")).await;
        assert_eq!(refused.code(), wanted_code, "{refused:?}");
        let seen = server.wait_for(before + 2).await;
        let own: Vec<_> = seen.iter().filter(|own| own.target.starts_with("/register")).collect();
        let last = own.last().unwrap();
        assert_eq!((last.method.as_str(), last.target.as_str()), ("DELETE", "/register/held"));
        assert_eq!(last.values("authorization"), ["Bearer of-the-client"]);
    }
    // if that fails too, its id is told
    server.once(client("held", &uri));
    server.once(Script::answer(500, &[], ""));
    let refused = generate(&portal, &id, &wanted("odd")).await;
    assert!(refused.description().contains("held is left"), "{refused:?}");
    // a token goes to no other server
    server.once(client("held", "https://other.example/register/held"));
    let refused = generate(&portal, &id, &wanted("odd")).await;
    assert!(refused.description().contains("held is left"), "{refused:?}");
    assert_eq!(keys(&portal, &id).await, 0);
}

/// Asks for a client, and leaves when the server has been asked.
async fn leave_while_it_is_made(server: &Origin, portal: &Portal, id: &str) {
    let before = server.received().len();
    let wanted = wanted("odd");
    let mut call = Box::pin(generate(portal, id, &wanted));
    tokio::select! {
        _ = &mut call => panic!("the server answers later"),
        _ = server.wait_for(before + 1) => {}
    }
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_leave_a_client_behind() {
    let server = Origin::start();
    let (portal, id) = with_server(&server.url()).await;
    let body = json!({ "client_id": "late", "client_secret": "s" }).to_string();
    server.always(Script::answer(201, &JSON, body).after(Duration::from_millis(300)));
    leave_while_it_is_made(&server, &portal, &id).await;
    // the key is there as soon as the server has answered
    for _ in 0..200 {
        if keys(&portal, &id).await == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the key was not kept");
}

#[tokio::test]
async fn a_gateway_that_ends_waits_for_a_client_that_is_being_made() {
    let server = Origin::start();
    let (mut portal, id) = with_server(&server.url()).await;
    let body = json!({ "client_id": "late-but-kept", "client_secret": "s" }).to_string();
    server.always(Script::answer(201, &JSON, body).after(Duration::from_secs(1)));
    leave_while_it_is_made(&server, &portal, &id).await;
    assert_eq!(portal.bank.gateway.metric("portcullis_management_errands").await, 1);
    portal.bank.gateway.end();
    assert!(is_kept(&portal, "late-but-kept"), "the key is in the store");
}

#[tokio::test]
async fn addresses_and_switches_are_checked_first() {
    let (portal, id) = with_server("https://127.0.0.1:1").await;
    for (field, value, wanted_code) in [
        ("keyManager", json!("bank-is"), (400, 901_405)),
        ("keyManager", json!("nobody"), (400, 901_403)),
        ("keyManager", json!("operators-is"), (403, 902_013)),
        ("grantTypesToBeSupported", json!([]), (400, 901_407)),
        ("grantTypesToBeSupported", json!(["authorization_code"]), (400, 901_407)),
        ("additionalProperties", json!({ "client_secret": "x" }), (400, 901_410)),
        ("unknown", json!(1), (400, 400)),
        ("keyType", json!("OTHER"), (400, 400)),
    ] {
        let mut body = wanted("odd");
        body[field] = value.clone();
        let refused = generate(&portal, &id, &body).await;
        assert_eq!(refused.code(), wanted_code, "{field} {value}: {refused:?}");
    }
    let path = format!("/applications/{id}/generate-keys");
    let foreign = portal.post("eve", &path, &wanted("odd")).await;
    assert_eq!(foreign.code(), (404, 900_307));
    let dry = portal.post("ann", &format!("{path}?dryRun=true"), &wanted("odd")).await;
    assert_eq!(dry.status, 400, "{dry:?}");
    // an address in another network
    let mut body = json!({ "name": "far", "type": "KeyCloak", "issuer": "https://far.example",
        "certificates": { "type": "JWKS", "value": "https://127.0.0.1:1/jwks" } });
    body["clientRegistrationEndpoint"] = json!("https://10.0.0.1/register");
    let path = format!("{}/key-managers", super::ADMINISTRATION);
    let refused = portal.send("admin", "POST", &path, &[], Some(&body)).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.description().contains("clientRegistrationEndpoint"), "{refused:?}");
}
