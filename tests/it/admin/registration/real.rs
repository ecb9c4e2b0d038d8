//! Against real authorization servers: a client from its creation to its end.

use serde_json::{Value, json};

use super::{CALL, generate, is_kept, key_manager, portal, register, subscribe, wanted};
use crate::admin::devportal::text;
use crate::support::idp::Idp;

#[tokio::test]
async fn a_generated_client_calls_and_ends_with_its_key() {
    let idp = Idp::start(&["keycloak"]).await;
    let portal = portal().await;
    let token = json!({ "initial_access_token": "keycloak-initial-token" });
    register(&portal, &key_manager(&idp, "keycloak", "KeyCloak", &token)).await;
    let id = portal.application("ann", "shop").await;
    subscribe(&portal, &id).await;

    let made = generate(&portal, &id, &wanted("keycloak")).await;
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(
        (&made.body["mode"], &made.body["keyManager"]),
        (&json!("CREATED"), &json!("keycloak"))
    );
    assert_eq!(made.body["supportedGrantTypes"], json!(["client_credentials"]));
    let (client, secret) = (text(&made.body["consumerKey"]), text(&made.body["consumerSecret"]));
    let first = text(&made.body["token"]["accessToken"]);
    assert_eq!(portal.bank.gateway.status(CALL, &first).await, 200);
    let own = idp.token_for("keycloak", (&client, &secret), "read").await;
    assert_eq!(portal.bank.gateway.status(CALL, &own).await, 200);

    // the secret is shown once, and kept encrypted
    let path = format!("/applications/{id}/oauth-keys/{}", text(&made.body["keyMappingId"]));
    let shown = portal.get("ann", &path).await;
    assert_eq!((shown.status, &shown.body["consumerSecret"]), (200, &Value::Null));
    assert!(!is_kept(&portal, &secret), "a file holds the secret");
    assert!(!shown.body.to_string().contains("registration"), "{shown:?}");
    let again = generate(&portal, &id, &wanted("keycloak")).await;
    assert_eq!(again.code(), (409, 901_409));

    // without a secret in the call the kept one is used; a wrong one is the caller's fault
    let tokens = format!("{path}/generate-token");
    let token = portal.post("ann", &tokens, &json!({ "scopes": ["read"] })).await;
    assert_eq!((token.status, &token.body["tokenScopes"]), (200, &json!(["read"])), "{token:?}");
    assert_eq!(portal.bank.gateway.status(CALL, &text(&token.body["accessToken"])).await, 200);
    let wrong = portal.post("ann", &tokens, &json!({ "consumerSecret": "wrong-one" })).await;
    assert_eq!(wrong.code(), (400, 902_003), "{wrong:?}");
    assert_eq!(wrong.body["error"][0]["code"], "invalid_client");
    assert!(!wrong.body.to_string().contains("wrong-one"), "{wrong:?}");

    // twice: the server gives a new token for the client with each change
    for callback in ["https://app.example/one", "https://app.example/two"] {
        let mut changed = portal.get("ann", &path).await.body;
        changed["supportedGrantTypes"] = json!(["client_credentials", "authorization_code"]);
        changed["callbackUrl"] = json!(callback);
        let answer = portal.put("ann", &path, &changed).await;
        assert_eq!(
            (answer.status, &answer.body["callbackUrl"]),
            (200, &json!(callback)),
            "{answer:?}"
        );
    }
    let mut odd = portal.get("ann", &path).await.body;
    // an app's own scheme, which this server has for other clients only
    odd["callbackUrl"] = json!("com.example.app:/back");
    let refused = portal.put("ann", &path, &odd).await;
    assert_eq!(refused.code(), (400, 902_003), "{refused:?}");
    assert_eq!(refused.body["error"][0]["code"], "invalid_redirect_uri");

    assert_eq!(portal.delete("ann", &path).await.status, 200);
    assert_eq!(portal.get("ann", &path).await.code(), (404, 900_331));
    assert_eq!(portal.bank.gateway.status(CALL, &own).await, 403, "the client is nobody's");
    let stats = idp.stats("keycloak").await;
    assert!(stats.values().any(|count| *count > 0), "{stats:?}");
}

#[tokio::test]
async fn clean_up_leaves_the_client_at_its_server() {
    let idp = Idp::start(&["generic"]).await;
    let portal = portal().await;
    register(&portal, &key_manager(&idp, "generic", "CustomKeyManager", &json!({}))).await;
    let id = portal.application("ann", "shop").await;
    let made = generate(&portal, &id, &wanted("generic")).await;
    assert_eq!(made.status, 200, "{made:?}");
    let (client, secret) = (text(&made.body["consumerKey"]), text(&made.body["consumerSecret"]));
    let path = format!("/applications/{id}/oauth-keys/{}", text(&made.body["keyMappingId"]));
    assert_eq!(portal.post("ann", &format!("{path}/clean-up"), &json!({})).await.status, 200);
    assert_eq!(portal.get("ann", &path).await.code(), (404, 900_331));
    // the server knows it still
    idp.token_for("generic", (&client, &secret), "read").await;
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_named_to_administrators() {
    let idp = Idp::start(&["secure"]).await;
    let portal = portal().await;
    register(&portal, &key_manager(&idp, "secure", "CustomKeyManager", &json!({}))).await;
    let id = portal.application("ann", "shop").await;
    let told = generate(&portal, &id, &wanted("secure")).await;
    assert_eq!(told.code(), (502, 900_950), "{told:?}");
    assert!(told.description().contains("(tls)"), "{told:?}");
    assert!(!told.description().contains("issued by"), "{told:?}");
    let path = format!("/applications/{id}/generate-keys");
    let told = portal.post("admin", &path, &wanted("secure")).await;
    assert_eq!(told.code(), (502, 900_950), "{told:?}");
    for part in ["issued by", "set ca to trust another"] {
        assert!(told.description().contains(part), "{told:?}");
    }
}
