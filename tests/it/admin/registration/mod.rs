//! Clients that the gateway makes at authorization servers.

mod canaille;
mod command;
mod ending;
mod existing;
mod failures;
mod identity_server;
mod real;

use serde_json::{Value, json};

use super::devportal::{ADMINISTRATION, Answered, Portal};
use crate::support::config::Config;
use crate::support::idp::Idp;
use crate::support::origin::Origin;

const STORE: &str = "[store]\nencryption_key = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"";

/// An API of the bank that wants a subscription, and takes tokens of any key manager.
const CALL: &str = "/production-only/1.0.0/x";

/// The portal, with secrets that are kept.
async fn portal() -> Portal {
    Portal::of(|config: Config| config.tables(STORE)).await
}

/// An administrator's form of a key manager that makes clients and tokens at this preset.
fn key_manager(idp: &Idp, preset: &str, kind: &str, properties: &Value) -> Value {
    json!({
        "name": preset,
        "type": kind,
        "issuer": idp.issuer(preset),
        "consumerKeyClaim": "client_id",
        "scopesClaim": "scope",
        "certificates": { "type": "JWKS", "value": idp.jwks(preset) },
        "tokenEndpoint": idp.token_endpoint(preset),
        "clientRegistrationEndpoint": idp.registration(preset),
        "enableOAuthAppCreation": true,
        "enableTokenGeneration": true,
        "additionalProperties": properties,
    })
}

/// The address of a key set that nobody serves: the gateway asks for keys whenever it likes, and must
/// not take the answer that a server's script has for another call.
fn no_keys() -> String {
    format!("http://{}/jwks", Origin::refusing_address())
}

/// Makes a key manager by the administrator's API.
async fn register(portal: &Portal, body: &Value) -> Answered {
    let path = format!("{ADMINISTRATION}/key-managers");
    let made = portal.send("admin", "POST", &path, &[], Some(body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    made
}

fn wanted(key_manager: &str) -> Value {
    json!({
        "keyType": "PRODUCTION",
        "keyManager": key_manager,
        "grantTypesToBeSupported": ["client_credentials"],
        "validityTime": "3600",
    })
}

async fn generate(portal: &Portal, application: &str, body: &Value) -> Answered {
    portal.post("ann", &format!("/applications/{application}/generate-keys"), body).await
}

/// Subscribes an application to the API of [`CALL`].
async fn subscribe(portal: &Portal, application: &str) {
    let api = portal.api("production-only").await;
    let wanted =
        json!({ "applicationId": application, "apiId": api, "throttlingPolicy": "Unlimited" });
    let subscribed = portal.post("ann", "/subscriptions", &wanted).await;
    assert_eq!(subscribed.status, 201, "{subscribed:?}");
}

/// Tells whether a file of the gateway holds this text.
fn is_kept(portal: &Portal, secret: &str) -> bool {
    let folder = portal.bank.gateway.folder().join("state");
    std::fs::read_dir(folder).unwrap().flatten().any(|entry| {
        entry.file_type().unwrap().is_file() && {
            let bytes = std::fs::read(entry.path()).unwrap();
            bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
        }
    })
}
