//! "Provisioning Out-of-Band OAuth2 Clients": WSO2 IS is the key manager, and the clients exist there already.

use serde_json::{Value, json};

use crate::seeds::{Journey, ORDERS, PORTAL};
use crate::support::idp::Idp;

#[tokio::test]
async fn provisioning_an_out_of_band_client() {
    let (idp, journey) = (Idp::shared().await, Journey::begin().await);
    let token = idp.token("wso2is").await;
    assert_eq!(journey.gateway.status(ORDERS, &token).await, 401, "nobody knows the server");

    let off =
        json!({ "name": "IS", "enableTokenGeneration": false, "enableOAuthAppCreation": false });
    journey.key_manager("WSO2-IS", idp.well_known("wso2is"), off).await;
    assert_eq!(journey.gateway.status(ORDERS, &token).await, 403, "nobody has the client");

    let application = journey.application("out of band").await;
    let keys = format!("{PORTAL}/applications/{application}");
    let (client, sandbox) = (idp.consumer_key("wso2is"), ("app-beta", "beta-secret"));
    for (key_type, consumer_key, secret) in
        [("PRODUCTION", client, "alpha-secret"), ("SANDBOX", sandbox.0, sandbox.1)]
    {
        let body = json!({
            "consumerKey": consumer_key, "consumerSecret": secret, "keyType": key_type,
            "keyManager": "IS",
        });
        let mapped = journey.done("dev", &format!("POST {keys}/map-keys"), body).await;
        assert_eq!((&mapped["mode"], &mapped["keyState"]), (&json!("MAPPED"), &json!("APPROVED")));
    }
    assert_eq!(journey.gateway.status(ORDERS, &token).await, 403, "not subscribed yet");

    journey.subscribe(&application).await;
    assert_eq!(journey.gateway.status(ORDERS, &token).await, 200);
    let token = idp.token_for("wso2is", sandbox, "").await;
    assert_eq!(journey.gateway.status(ORDERS, &token).await, 200);
    assert_eq!((journey.production.received().len(), journey.sandbox.received().len()), (1, 1));

    // the portal makes no tokens for such clients
    let shown = journey.done("dev", &format!("GET {keys}/oauth-keys"), Value::Null).await;
    let mapping = shown["list"][0]["keyMappingId"].as_str().expect("an id");
    let line = format!("POST {keys}/oauth-keys/{mapping}/generate-token");
    let (status, _) =
        journey.call("dev", &line, &json!({ "consumerSecret": "alpha-secret" })).await;
    assert!((400..=501).contains(&status), "{status}");
}

#[tokio::test]
async fn an_operator_can_forbid_it() {
    let idp = Idp::shared().await;
    let journey = Journey::with(|config| config.tables("[portal]\nkey_provisioning = false")).await;
    journey.key_manager("WSO2-IS", idp.well_known("wso2is"), json!({ "name": "IS" })).await;
    let application = journey.application("out of band").await;
    let body = json!({ "consumerKey": idp.consumer_key("wso2is"), "keyType": "PRODUCTION" });
    let line = format!("POST {PORTAL}/applications/{application}/map-keys");
    let (status, said) = journey.call("dev", &line, &body).await;
    assert_eq!((status, &said["code"]), (400, &json!(901_405)), "{said}");
}
