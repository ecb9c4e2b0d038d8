//! "Configure WSO2 IS 7 as a key manager": clients and tokens are made at the server by the portal. The server is a real
//! authorization server with the addresses, the registration and the tokens of WSO2 Identity Server 7: a stand-in for it.

use serde_json::{Value, json};

use crate::seeds::{Journey, ORDERS, PORTAL};
use crate::support::idp::Idp;

#[tokio::test]
async fn wso2_is_7_as_key_manager() {
    let (idp, journey) = (Idp::shared().await, Journey::begin().await);
    let settings = json!({
        "name": "WSO2IS7",
        "clientRegistrationEndpoint": idp.registration("wso2is7"),
        "enableTokenGeneration": true,
        "enableOAuthAppCreation": true,
        "enableMapOAuthConsumerApps": true,
        "additionalProperties": { "Username": "admin", "Password": "admin" },
    });
    let made = journey.key_manager("WSO2-IS-7", idp.well_known("wso2is7"), settings).await;
    assert!(!made.to_string().contains("\"Password\":\"admin\""), "{made}");

    let application = journey.application("generated").await;
    journey.subscribe(&application).await;
    let keys = format!("{PORTAL}/applications/{application}");
    let wanted = json!({
        "keyType": "PRODUCTION", "keyManager": "WSO2IS7",
        "grantTypesToBeSupported": ["client_credentials"], "validityTime": "3600",
    });
    let client = journey.done("dev", &format!("POST {keys}/generate-keys"), wanted).await;
    let (id, secret) = (text(&client["consumerKey"]), text(&client["consumerSecret"]));
    assert_eq!(client["mode"], "CREATED");

    let token = idp.token_for("wso2is7", (&id, &secret), "").await;
    assert_eq!(journey.gateway.status(ORDERS, &token).await, 200, "the server's own endpoint");
    let mapping = text(&client["keyMappingId"]);
    let line = format!("POST {keys}/oauth-keys/{mapping}/generate-token");
    let given = journey.done("dev", &line, json!({ "consumerSecret": secret, "scopes": [] })).await;
    assert_eq!(journey.gateway.status(ORDERS, &text(&given["accessToken"])).await, 200);

    journey.done("dev", &format!("DELETE {keys}/oauth-keys/{mapping}"), Value::Null).await;
    assert_eq!(journey.gateway.status(ORDERS, &token).await, 403, "the client is nobody's now");
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
