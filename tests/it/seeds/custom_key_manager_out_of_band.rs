//! "Configure a Custom Key Manager for Out-of-Band Provisioning": any server, by its endpoints and the names of its claims.

use serde_json::{Value, json};

use crate::seeds::{ADMIN, Journey, ORDERS, PORTAL};
use crate::support::idp::Idp;

/// The form of the admin portal for a server without a discovery document.
fn form(name: &str, idp: &Idp, preset: &str, claim: &str) -> Value {
    let issuer = idp.issuer(preset);
    json!({
        "name": name,
        "displayName": "The bank's own server",
        "type": "CustomKeyManager",
        "issuer": issuer,
        "endpoints": [{ "name": "token_endpoint", "value": format!("{}/token", issuer.trim_end_matches('/')) }],
        "certificates": { "type": "JWKS", "value": idp.jwks(preset) },
        "consumerKeyClaim": claim,
        "scopesClaim": "scope",
        "enableSelfValidationJWT": true,
        "enableTokenGeneration": false,
        "enableOAuthAppCreation": false,
        "enableMapOAuthConsumerApps": true,
    })
}

#[tokio::test]
async fn a_custom_key_manager_out_of_band() {
    let (idp, journey) = (Idp::shared().await, Journey::begin().await);
    let create = format!("POST {ADMIN}/key-managers");
    journey.done("anna", &create, form("CustomAuthServer", idp, "generic", "client_id")).await;
    journey.done("anna", &create, form("CognitoKM", idp, "cognito", "client_id")).await;

    let listed = journey.done("dev", &format!("GET {PORTAL}/key-managers"), Value::Null).await;
    let custom = &listed["list"].as_array().expect("a list")[0];
    for (switch, on) in [
        ("enableTokenGeneration", false),
        ("enableOAuthAppCreation", false),
        ("enableMapOAuthConsumerApps", true),
    ] {
        assert_eq!(custom[switch], on, "{custom}");
    }
    assert!(custom["tokenEndpoint"].as_str().expect("an address").ends_with("/token"), "{custom}");

    let application = journey.application("out of band").await;
    journey.subscribe(&application).await;
    for (preset, key_manager) in [("generic", "CustomAuthServer"), ("cognito", "CognitoKM")] {
        let token = idp.token(preset).await;
        assert_eq!(journey.gateway.status(ORDERS, &token).await, 403, "{preset}: nobody's client");
        // no secret is needed: the server alone makes tokens
        let body = json!({
            "consumerKey": idp.consumer_key(preset), "keyType": "PRODUCTION", "keyManager": key_manager,
        });
        let line = format!("POST {PORTAL}/applications/{application}/map-keys");
        journey.done("dev", &line, body).await;
        assert_eq!(journey.gateway.status(ORDERS, &token).await, 200, "{preset}");
    }

    // such a key manager makes no clients
    let body = json!({
        "keyType": "SANDBOX", "keyManager": "CognitoKM", "grantTypesToBeSupported": ["client_credentials"],
    });
    let line = format!("POST {PORTAL}/applications/{application}/generate-keys");
    let (status, said) = journey.call("dev", &line, &body).await;
    assert_eq!((status, &said["code"]), (400, &json!(901_405)), "{said}");
}

#[tokio::test]
async fn its_keys_may_be_pasted() {
    use crate::support::signer::{Signer, claims};
    let (signer, journey) = (Signer::new("key-1"), Journey::begin().await);
    let mut body = form("pasted", Idp::shared().await, "generic", "azp");
    body["issuer"] = json!("https://pasted.example");
    body["certificates"] = json!({ "type": "PEM", "value": signer.pem() });
    journey.done("anna", &format!("POST {ADMIN}/key-managers"), body).await;
    let application = journey.application("pasted").await;
    journey.subscribe(&application).await;
    let body = json!({ "consumerKey": "client", "keyType": "PRODUCTION" });
    journey.done("dev", &format!("POST {PORTAL}/applications/{application}/map-keys"), body).await;
    let token = signer.sign(&claims("https://pasted.example", "client", ""));
    assert_eq!(journey.gateway.status(ORDERS, &token).await, 200);
}
