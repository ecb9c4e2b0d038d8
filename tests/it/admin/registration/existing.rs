//! Clients that exist already, checked before they are mapped (`portal.validate_existing_keys`).

use serde_json::{Value, json};

use super::{CALL, STORE, key_manager, no_keys, register, subscribe};
use crate::admin::devportal::{Answered, Portal, text};
use crate::support::idp::Idp;
use crate::support::origin::Origin;
use crate::support::script::Script;

async fn validating() -> Portal {
    let portal = "[portal]\nvalidate_existing_keys = true";
    Portal::of(|config| config.tables(STORE).tables(portal)).await
}

async fn map(
    portal: &Portal,
    application: &str,
    key_manager: &str,
    client: &str,
    secret: &str,
) -> Answered {
    let mut body =
        json!({ "consumerKey": client, "keyType": "PRODUCTION", "keyManager": key_manager });
    if !secret.is_empty() {
        body["consumerSecret"] = json!(secret);
    }
    portal.post("ann", &format!("/applications/{application}/map-keys"), &body).await
}

#[tokio::test]
async fn a_client_proves_itself_by_its_secret() {
    let idp = Idp::start(&["generic"]).await;
    let portal = validating().await;
    register(&portal, &key_manager(&idp, "generic", "CustomKeyManager", &json!({}))).await;
    let id = portal.application("ann", "shop").await;
    subscribe(&portal, &id).await;
    for (client, secret) in [("app-alpha", "wrong-one"), ("nobody", "alpha-secret")] {
        let refused = map(&portal, &id, "generic", client, secret).await;
        assert_eq!(refused.code(), (400, 901_414), "{refused:?}");
        assert!(!refused.body.to_string().contains(secret), "{refused:?}");
    }
    let mapped = map(&portal, &id, "generic", "app-alpha", "alpha-secret").await;
    assert_eq!(mapped.status, 200, "{mapped:?}");
    assert_eq!(mapped.body["supportedGrantTypes"], json!(["client_credentials"]));
    let token = text(&mapped.body["token"]["accessToken"]);
    assert_eq!(portal.bank.gateway.status(CALL, &token).await, 200);
    // generate-token works for a mapped client too, with its secret, which is not kept
    let path = format!(
        "/applications/{id}/oauth-keys/{}/generate-token",
        text(&mapped.body["keyMappingId"])
    );
    let without = portal.post("ann", &path, &json!({})).await;
    assert_eq!(without.status, 400, "{without:?}");
    let made = portal.post("ann", &path, &json!({ "consumerSecret": "alpha-secret" })).await;
    assert_eq!(made.status, 200, "{made:?}");
    // without a secret there is nothing to try
    let other = portal.application("ann", "other").await;
    assert_eq!(map(&portal, &other, "generic", "app-beta", "").await.status, 200);
}

#[tokio::test]
async fn identity_server_is_asked_for_the_client() {
    let idp = Idp::start(&["wso2is7"]).await;
    let portal = validating().await;
    let admin = json!({ "Username": "admin", "Password": "admin" });
    register(&portal, &key_manager(&idp, "wso2is7", "WSO2-IS-7", &admin)).await;
    // somebody else's client, made with the gateway and forgotten by it
    let maker = portal.application("ann", "maker").await;
    let mut wanted = super::wanted("wso2is7");
    wanted["grantTypesToBeSupported"] = json!(["client_credentials", "authorization_code"]);
    wanted["callbackUrl"] = json!("https://app.example/back");
    let made = super::generate(&portal, &maker, &wanted).await;
    assert_eq!(made.status, 200, "{made:?}");
    let (client, secret) = (text(&made.body["consumerKey"]), text(&made.body["consumerSecret"]));
    let path = format!("/applications/{maker}/oauth-keys/{}", text(&made.body["keyMappingId"]));
    assert_eq!(portal.post("ann", &format!("{path}/clean-up"), &json!({})).await.status, 200);

    let id = portal.application("ann", "shop").await;
    for secret in ["wrong-one", ""] {
        let refused = map(&portal, &id, "wso2is7", &client, secret).await;
        assert_eq!(refused.code(), (400, 901_414), "{secret}: {refused:?}");
    }
    let mapped = map(&portal, &id, "wso2is7", &client, &secret).await;
    assert_eq!(mapped.status, 200, "{mapped:?}");
    assert_eq!(mapped.body["callbackUrl"], "https://app.example/back");
    assert_eq!(mapped.body["supportedGrantTypes"], wanted["grantTypesToBeSupported"]);
    assert_eq!(mapped.body["mode"], "MAPPED");
    assert_ne!(mapped.body["token"]["accessToken"], Value::Null);
}

#[tokio::test]
async fn an_unknown_client_is_the_callers_fault_and_a_server_in_trouble_is_not() {
    let server = Origin::start();
    let url = server.url();
    let portal = validating().await;
    let body = json!({
        "name": "is", "type": "WSO2-IS", "issuer": "https://is.example/oauth2/token",
        "certificates": { "type": "JWKS", "value": no_keys() },
        "clientRegistrationEndpoint": format!("{url}/keymanager-operations/dcr/register"),
        "tokenEndpoint": format!("{url}/token"),
        "additionalProperties": { "Username": "admin", "Password": "p4ssw0rd" },
    });
    register(&portal, &body).await;
    let id = portal.application("ann", "shop").await;
    for (status, wanted) in [(404, (400, 901_414)), (401, (502, 902_004)), (500, (502, 902_004))] {
        server.once(Script::answer(status, &[], ""));
        let refused = map(&portal, &id, "is", "client-1", "x").await;
        assert_eq!(refused.code(), wanted, "{refused:?}");
    }
    // an older server of WSO2 has the client's id in its path, in base64
    let seen = server.received();
    let asked = seen.iter().rev().find(|own| own.target.contains("/dcr/")).unwrap();
    assert_eq!(asked.target, "/keymanager-operations/dcr/register/Y2xpZW50LTE");
    assert_eq!(asked.values("authorization"), ["Basic YWRtaW46cDRzc3cwcmQ="]);
}
