//! WSO2 Identity Server 7: its registration service as the preset imitates it, and a stand-in of the other APIs, which
//! remembers what it was asked.

use serde_json::{Value, json};

use super::{CALL, Portal, generate, key_manager, no_keys, portal, register, subscribe, wanted};
use crate::admin::devportal::text;
use crate::support::idp::Idp;
use crate::support::origin::{Origin, Received};
use crate::support::script::Script;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

const REGISTER: &str = "/api/identity/oauth2/dcr/v1.1/register";

#[tokio::test]
async fn a_client_is_made_as_an_administrator_and_ends_with_its_key() {
    let idp = Idp::start(&["wso2is7"]).await;
    let portal = portal().await;
    let admin = json!({ "Username": "admin", "Password": "admin" });
    register(&portal, &key_manager(&idp, "wso2is7", "WSO2-IS-7", &admin)).await;
    let id = portal.application("ann", "shop").await;
    subscribe(&portal, &id).await;
    let mut body = wanted("wso2is7");
    body["additionalProperties"] =
        json!({ "pkceMandatory": "true", "application_access_token_expiry_time": "900" });
    let made = generate(&portal, &id, &body).await;
    assert_eq!(made.status, 200, "{made:?}");
    let properties = json!({ "pkceMandatory": true, "application_access_token_expiry_time": 900 });
    assert_eq!(made.body["additionalProperties"], properties);
    let token = text(&made.body["token"]["accessToken"]);
    assert_eq!(portal.bank.gateway.status(CALL, &token).await, 200);
    let path = format!("/applications/{id}/oauth-keys/{}", text(&made.body["keyMappingId"]));
    let mut changed = portal.get("ann", &path).await.body;
    changed["callbackUrl"] = json!("https://app.example/back");
    changed["supportedGrantTypes"] = json!(["client_credentials", "authorization_code"]);
    let answer = portal.put("ann", &path, &changed).await;
    assert_eq!(
        (answer.status, &answer.body["callbackUrl"]),
        (200, &changed["callbackUrl"]),
        "{answer:?}"
    );
    assert_eq!(portal.delete("ann", &path).await.status, 200);
    assert_eq!(portal.bank.gateway.status(CALL, &token).await, 403, "the client is nobody's");
}

/// A gateway with a stand-in of the server, and an application.
pub(super) async fn stand_in(kind: &str) -> (Origin, Portal, String) {
    let server = Origin::start();
    let portal = portal().await;
    let url = server.url();
    let body = json!({
        "name": "is7",
        "type": kind,
        "issuer": "https://is7.example/oauth2/token",
        "certificates": { "type": "JWKS", "value": no_keys() },
        "tokenEndpoint": format!("{url}/oauth2/token"),
        "clientRegistrationEndpoint": format!("{url}{REGISTER}"),
        "enableOAuthAppCreation": true,
        "enableTokenGeneration": true,
        "additionalProperties": { "Username": "admin", "Password": "p4ssw0rd" },
    });
    register(&portal, &body).await;
    let id = portal.application("ann", "shop").await;
    (server, portal, id)
}

pub(super) fn answer(status: u16, body: &Value) -> Script {
    Script::answer(status, &JSON, body.to_string())
}

/// The calls to the server's APIs, as method and path.
pub(super) fn calls(server: &Origin) -> Vec<(String, String)> {
    let api = |own: &Received| own.target.starts_with("/api/");
    let seen = server.received();
    seen.iter().filter(|own| api(own)).map(|own| (own.method.clone(), own.target.clone())).collect()
}

/// Adds a secret with a lifetime, which the server gets as a time.
async fn add_a_secret(portal: &Portal, server: &Origin, path: &str) {
    let properties = json!({ "description": "spare", "expiresIn": 86_400 });
    let wished = json!({ "additionalProperties": properties });
    let added = portal.post("ann", &format!("{path}/generate-secret"), &wished).await;
    assert_eq!((added.status, &added.body["secretValue"]), (201, &json!("third")), "{added:?}");
    let told = json!({ "description": "spare", "expiresAt": 1 });
    assert_eq!(added.body["additionalProperties"], told);
    let seen = server.received();
    let sent: Value = serde_json::from_slice(&seen.last().unwrap().body).unwrap();
    assert_eq!(sent["description"], "spare");
    assert!(sent["expiresAt"].as_u64().unwrap() > 86_400 && sent.get("expiresIn").is_none());
}

#[tokio::test]
async fn secrets_are_made_listed_and_ended_at_the_server() {
    let (server, portal, id) = stand_in("WSO2-IS-7").await;
    let client = json!({ "client_id": "c-1", "client_secret": "first", "grant_types": ["client_credentials"] });
    server.once(answer(201, &client));
    server.once(answer(200, &json!({ "access_token": "first-token", "expires_in": 60 })));
    let made = generate(&portal, &id, &wanted("is7")).await;
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(made.body["token"]["accessToken"], "first-token");
    let registered = server.received().into_iter().find(|own| own.target == REGISTER).unwrap();
    let sent: Value = serde_json::from_slice(&registered.body).unwrap();
    assert_eq!(
        (&sent["ext_application_owner"], &sent["token_type_extension"]),
        (&json!("ann"), &json!("JWT"))
    );
    assert_eq!(sent["client_name"], format!("ann_{id}_PRODUCTION"));
    assert_eq!(registered.values("authorization"), ["Basic YWRtaW46cDRzc3cwcmQ="]);

    let path = format!("/applications/{id}/oauth-keys/{}", text(&made.body["keyMappingId"]));
    let found = json!({ "applications": [{ "id": "app-1" }] });
    server.once(answer(200, &found));
    server.once(answer(200, &json!({ "clientId": "c-1", "clientSecret": "second" })));
    let renewed = portal.post("ann", &format!("{path}/regenerate-secret"), &json!({})).await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
    assert_eq!(renewed.body, json!({ "consumerKey": "c-1", "consumerSecret": "second" }));
    // the kept secret is the new one
    server.once(answer(200, &json!({ "access_token": "second-token" })));
    let token = portal.post("ann", &format!("{path}/generate-token"), &json!({})).await;
    assert_eq!(token.status, 200, "{token:?}");
    let asked =
        server.received().into_iter().rev().find(|own| own.target == "/oauth2/token").unwrap();
    assert_eq!(asked.values("authorization"), ["Basic Yy0xOnNlY29uZA=="]);

    server.once(answer(200, &found));
    let new = json!({ "secretId": "s-2", "secretValue": "third", "description": "spare", "expiresAt": 1 });
    server.once(answer(201, &new));
    add_a_secret(&portal, &server, &path).await;
    server.once(answer(200, &found));
    server.once(answer(200, &json!([{ "secretId": "s-1" }, { "secretId": "s-2" }])));
    let list = portal.get("ann", &format!("{path}/secrets")).await;
    assert_eq!((list.status, &list.body["count"]), (200, &json!(2)), "{list:?}");
    assert_eq!(list.body["list"][0]["secretValue"], Value::Null);
    server.once(answer(200, &found));
    server.once(Script::answer(204, &[], ""));
    let ended =
        portal.post("ann", &format!("{path}/revoke-secret"), &json!({ "secretId": "s-1" })).await;
    assert_eq!(ended.status, 204, "{ended:?}");
    let oidc = "/api/server/v1/applications/app-1/inbound-protocols/oidc";
    let seen = calls(&server);
    for (method, target) in [
        ("POST", format!("{oidc}/regenerate-secret")),
        ("POST", format!("{oidc}/secrets")),
        ("GET", format!("{oidc}/secrets")),
        ("DELETE", format!("{oidc}/secrets/s-1")),
    ] {
        assert!(seen.contains(&(method.to_owned(), target.clone())), "{method} {target}: {seen:?}");
    }
    // an owner is the gateway's own business
    let before = calls(&server).len();
    let path = format!("{}/applications/{id}/change-owner?owner=eve", super::ADMINISTRATION);
    let given = portal.send("admin", "POST", &path, &[], None).await;
    assert_eq!(given.status, 200, "{given:?}");
    assert_eq!(calls(&server).len(), before, "no call to the server");
}

#[tokio::test]
async fn other_servers_keep_one_secret() {
    let idp = Idp::start(&["generic"]).await;
    let portal = portal().await;
    register(&portal, &key_manager(&idp, "generic", "CustomKeyManager", &json!({}))).await;
    let id = portal.application("ann", "shop").await;
    let made = generate(&portal, &id, &wanted("generic")).await;
    let path = format!("/applications/{id}/oauth-keys/{}", text(&made.body["keyMappingId"]));
    for (call, body) in [
        ("regenerate-secret", json!({})),
        ("generate-secret", json!({})),
        ("revoke-secret", json!({ "secretId": "x" })),
    ] {
        let refused = portal.post("ann", &format!("{path}/{call}"), &body).await;
        assert_eq!(refused.code(), (501, 901_413), "{call}: {refused:?}");
    }
    assert_eq!(portal.get("ann", &format!("{path}/secrets")).await.code(), (501, 901_413));
}

/// A certificate for these years, from the tests' own key.
fn certificate(from: i32, until: i32) -> String {
    let mut parameters = rcgen::CertificateParams::new(vec!["tpp.example".to_owned()]).unwrap();
    parameters.not_before = rcgen::date_time_ymd(from, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    parameters.self_signed(&key).unwrap().pem()
}

const BOTH_GRANTS: [&str; 2] = ["client_credentials", "authorization_code"];

/// A wish for a client with these grants and properties.
fn regulatory(grants: &[&str], properties: Value) -> Value {
    let mut body = wanted("is7");
    body["grantTypesToBeSupported"] = json!(grants);
    body["callbackUrl"] = json!("https://tpp.example/back");
    body["additionalProperties"] = properties;
    body
}

#[tokio::test]
async fn a_regulatory_application_needs_the_code_grant_and_a_valid_certificate() {
    let (server, portal, id) = stand_in("fsKeyManager").await;
    let body = regulatory;
    let both = BOTH_GRANTS;
    let (good, expired) = (certificate(2020, 2120), certificate(2001, 2002));
    for (sent, wanted_code, part) in [
        (body(&both, json!({})), (400, 901_407), "regulatory"),
        (body(&both, json!({ "regulatory": "maybe" })), (400, 901_410), "regulatory"),
        (body(&both, json!({ "regulatory": "true" })), (400, 901_407), "sp_certificate"),
        (
            body(&both, json!({ "regulatory": "true", "sp_certificate": expired })),
            (400, 901_410),
            "expired",
        ),
        (
            body(&both, json!({ "regulatory": "true", "sp_certificate": "no PEM" })),
            (400, 901_410),
            "PEM",
        ),
        (
            body(&both[..1], json!({ "regulatory": "true", "sp_certificate": good })),
            (400, 901_407),
            "authorization_code",
        ),
    ] {
        let refused = generate(&portal, &id, &sent).await;
        assert_eq!(refused.code(), wanted_code, "{refused:?}");
        assert!(refused.description().contains(part), "{refused:?}");
    }
    assert!(calls(&server).is_empty(), "no call to the server");
}

#[tokio::test]
async fn a_regulatory_client_has_its_certificate_or_is_not_made() {
    let (server, portal, id) = stand_in("fsKeyManager").await;
    let good = certificate(2020, 2120);
    let properties = json!({ "regulatory": "true", "sp_certificate": good });
    let regulatory = regulatory(&BOTH_GRANTS, properties);
    let client = answer(201, &json!({ "client_id": "tpp", "client_secret": "s" }));
    let found = answer(200, &json!({ "applications": [{ "id": "app-1" }] }));
    // without its certificate the client is deleted again
    for script in
        [client.clone(), found.clone(), answer(500, &json!({})), Script::answer(204, &[], "")]
    {
        server.once(script);
    }
    let refused = generate(&portal, &id, &regulatory).await;
    assert_eq!(refused.code(), (502, 902_004), "{refused:?}");
    let deleted = ("DELETE".to_owned(), format!("{REGISTER}/tpp"));
    assert_eq!(calls(&server).last(), Some(&deleted));

    for script in [client, found, answer(200, &json!({}))] {
        server.once(script);
    }
    let made = generate(&portal, &id, &regulatory).await;
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(
        made.body["token"]["accessToken"], "",
        "a regulatory application gets no token here"
    );
    let seen = server.received();
    let patched = seen.iter().rev().find(|own| own.method == "PATCH").unwrap();
    assert_eq!(patched.target, "/api/server/v1/applications/app-1");
    let sent: Value = serde_json::from_slice(&patched.body).unwrap();
    assert_eq!(sent["advancedConfigurations"]["certificate"]["value"], good.trim());
    let path = format!("/applications/{id}/oauth-keys/{}", text(&made.body["keyMappingId"]));
    let token = portal.post("ann", &format!("{path}/generate-token"), &json!({})).await;
    assert_eq!(token.code(), (400, 901_405), "{token:?}");
}

/// Tells the gateway to register scopes at the stand-in, and makes an API whose scope has two roles. Returns its id.
pub(super) async fn with_scopes(server: &Origin, portal: &Portal) -> String {
    let url = server.url();
    let resources = format!("{url}/api/server/v1/api-resources");
    let list = portal
        .send("admin", "GET", &format!("{}/key-managers", super::ADMINISTRATION), &[], None)
        .await;
    let own =
        list.body["list"].as_array().unwrap().iter().find(|own| own["name"] == "is7").unwrap();
    let path = format!("{}/key-managers/{}", super::ADMINISTRATION, text(&own["id"]));
    let mut body = portal.send("admin", "GET", &path, &[], None).await.body;
    for (name, value) in [
        ("api_resource_management_endpoint", json!(resources)),
        ("is7_roles_endpoint", json!(format!("{url}/scim2/v2/Roles"))),
        ("enable_roles_creation", json!(true)),
    ] {
        body["additionalProperties"][name] = value;
    }
    let changed = portal.send("admin", "PUT", &path, &[], Some(&body)).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    // an API of the store whose scope has two roles
    let api = json!({
        "name": "scoped", "version": "1.0.0", "context": "/scoped", "policies": ["Unlimited"],
        "endpointConfig": { "endpoint_type": "http", "production_endpoints": { "url": url } },
        "operations": [{ "target": "/*", "verb": "GET", "authType": "Any", "scopes": ["scoped:read"] }],
        "scopes": [{ "scope": { "name": "scoped:read", "bindings": ["new-role", "old-role"] } }],
    });
    let made = portal.send("admin", "POST", "/api/am/publisher/v4/apis", &[], Some(&api)).await;
    assert_eq!(made.status, 201, "{made:?}");
    text(&made.body["id"])
}

#[tokio::test]
async fn scopes_and_their_roles_are_registered_before_a_client_is_made() {
    let (server, portal, id) = stand_in("WSO2-IS-7").await;
    with_scopes(&server, &portal).await;
    let before = server.received().len();
    for script in [
        answer(200, &json!({ "apiResources": [{ "id": "r-1" }] })),
        answer(200, &json!([{ "name": "accounts:read" }])),
        answer(204, &json!({})),
        answer(200, &json!({ "Resources": [] })),
        answer(201, &json!({ "id": "role-1" })),
        answer(200, &json!({ "Resources": [{ "id": "role-2" }] })),
        answer(
            200,
            &json!({ "id": "role-2", "permissions": [{ "value": "other", "display": "other" }] }),
        ),
        answer(200, &json!({})),
        answer(201, &json!({ "client_id": "c-1", "client_secret": "s" })),
    ] {
        server.once(script);
    }
    let mut wanted = wanted("is7");
    wanted["grantTypesToBeSupported"] = json!(["password"]);
    let made = generate(&portal, &id, &wanted).await;
    assert_eq!(made.status, 200, "{made:?}");
    let seen = server.received().split_off(before);
    let sent: Vec<(String, String, Value)> = seen
        .iter()
        .map(|own| {
            let body = serde_json::from_slice(&own.body).unwrap_or(Value::Null);
            (own.method.clone(), own.target.clone(), body)
        })
        .collect();
    let of = |method: &str, start: &str| {
        sent.iter()
            .find(|own| own.0 == method && own.1.starts_with(start))
            .unwrap_or_else(|| panic!("{sent:?}"))
    };
    let added = &of("PATCH", "/api/server/v1/api-resources/r-1").2["addedScopes"];
    let names: Vec<_> = added.as_array().unwrap().iter().map(|own| own["name"].clone()).collect();
    // the scopes of "accounts" are of another key manager alone
    assert_eq!(names, [json!("scoped:read")]);
    let permission = json!({ "value": "scoped:read", "display": "scoped:read" });
    let role = &of("POST", "/scim2/v2/Roles").2;
    assert_eq!(
        (&role["displayName"], &role["permissions"]),
        (&json!("new-role"), &json!([permission]))
    );
    let changed = &of("PATCH", "/scim2/v2/Roles/role-2").2["Operations"][0]["value"]["permissions"];
    assert_eq!(changed[1], permission);
    assert_eq!(changed[0]["value"], "other", "nothing is taken away");

    // what the server refuses is told, and no client is made
    let other = portal.application("ann", "other").await;
    server.once(answer(403, &json!({ "code": "AUTH-403", "message": "no right" })));
    let refused = generate(&portal, &other, &wanted).await;
    assert_eq!(refused.code(), (502, 902_004), "{refused:?}");
    assert_eq!(refused.body["error"][0]["code"], "AUTH-403");
}
