//! Against Canaille, a server of other authors: RFC 7591 with an initial access token, RFC 7592 for changes and the end.

use serde_json::{Value, json};

use super::{CALL, generate, portal, register, subscribe, wanted};
use crate::admin::devportal::text;
use crate::support::canaille::{Canaille, Keys};

#[tokio::test]
async fn a_generated_client_calls_and_ends_with_its_application() {
    let canaille = Canaille::start(&Keys::new()).await;
    let portal = portal().await;
    let key_manager = json!({
        "name": "canaille",
        "type": "CustomKeyManager",
        "issuer": canaille.url(""),
        "consumerKeyClaim": "aud",
        "certificates": { "type": "JWKS", "value": canaille.url("/oauth/jwks.json") },
        "tokenEndpoint": canaille.url("/oauth/token"),
        "clientRegistrationEndpoint": canaille.url("/oauth/register"),
        "enableOAuthAppCreation": true,
        "enableTokenGeneration": true,
        "additionalProperties": { "initial_access_token": canaille.initial },
    });
    register(&portal, &key_manager).await;
    let id = portal.application("ann", "shop").await;
    subscribe(&portal, &id).await;
    let mut body = wanted("canaille");
    body["grantTypesToBeSupported"] = json!(["password", "client_credentials"]);
    body["scopes"] = json!(["openid", "profile"]);
    let made = generate(&portal, &id, &body).await;
    assert_eq!(made.status, 200, "{made:?}");
    let (client, secret) = (text(&made.body["consumerKey"]), text(&made.body["consumerSecret"]));
    // its tokens for a client alone are opaque; those of a user are signed
    assert_ne!(made.body["token"]["accessToken"], "", "{made:?}");
    let signed = async || canaille.signed_for(&client, &secret).await;
    let (status, token) = signed().await;
    assert_eq!(status, 200, "{token}");
    let token = text(&token["access_token"]);
    let gateway = &portal.bank.gateway;
    assert_eq!(gateway.status(CALL, &token).await, 200);

    let path = format!("/applications/{id}/oauth-keys/{}", text(&made.body["keyMappingId"]));
    let mut changed = portal.get("ann", &path).await.body;
    changed["callbackUrl"] = json!("https://app.example/back");
    let answer = portal.put("ann", &path, &changed).await;
    assert_eq!(
        (answer.status, &answer.body["callbackUrl"]),
        (200, &changed["callbackUrl"]),
        "{answer:?}"
    );
    // the kept secret is still the client's
    let again = portal.post("ann", &format!("{path}/generate-token"), &json!({})).await;
    assert_eq!(again.status, 200, "{again:?}");

    let deleted = portal.delete("ann", &format!("/applications/{id}")).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    assert_eq!(deleted.headers.get("portcullis-left-clients"), None);
    let (status, told): (u16, Value) = signed().await;
    assert_eq!(
        (status, &told["error"]),
        (401, &json!("invalid_client")),
        "the server knows it no more"
    );
    assert_eq!(gateway.status(CALL, &token).await, 403, "the client is nobody's");
}
