//! "Manage OAuth2 applications within organization": each organization issues opaque tokens under an address of its own,
//! and says whose they are when it is asked.

use serde_json::{Value, json};

use crate::seeds::{ADMIN, Journey, ORDERS, PORTAL};
use crate::support::idp::Idp;

#[tokio::test]
async fn applications_within_an_organization() {
    let (idp, journey) = (Idp::shared().await, Journey::begin().await);
    let application = journey.application("of an organization").await;
    journey.subscribe(&application).await;
    let organizations = ["wso2is-org1", "wso2is-org2"];
    for preset in organizations {
        let form = json!({
            "name": preset,
            "type": "WSO2-IS",
            "issuer": idp.issuer(preset),
            "introspectionEndpoint": idp.introspection(preset),
            "enableSelfValidationJWT": false,
            "consumerKeyClaim": "client_id",
            "additionalProperties": { "Username": "gateway", "Password": "gateway-secret" },
        });
        journey.done("anna", &format!("POST {ADMIN}/key-managers"), form).await;
    }
    let client = ("app-alpha", "alpha-secret");
    let own = idp.token_for(organizations[0], client, "").await;
    assert!(!own.contains('.'), "opaque");
    assert_eq!(journey.gateway.status(ORDERS, &own).await, 403, "nobody has the client");
    let body = json!({
        "consumerKey": client.0, "keyType": "PRODUCTION",
        "keyManager": organizations[0],
    });
    journey.done("dev", &format!("POST {PORTAL}/applications/{application}/map-keys"), body).await;
    assert_eq!(journey.gateway.status(ORDERS, &own).await, 200);
    let password =
        [("grant_type", "password"), ("username", "alice"), ("password", "alice-password")];
    let users = idp.grant(organizations[0], client, &password).await;
    assert_eq!(journey.gateway.status(ORDERS, &users).await, 200, "a user's token");

    // the same client id at another organization is another client
    let foreign = idp.token_for(organizations[1], client, "").await;
    assert_eq!(journey.gateway.status(ORDERS, &foreign).await, 403);
    assert_eq!(journey.production.received().len(), 2);

    let line = format!("GET {PORTAL}/applications/{application}/oauth-keys");
    let shown = journey.done("dev", &line, Value::Null).await;
    assert_eq!(
        (&shown["count"], &shown["list"][0]["keyManager"]),
        (&json!(1), &json!(organizations[0]))
    );
}
