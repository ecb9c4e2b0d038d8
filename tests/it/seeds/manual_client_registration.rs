//! "Using Manual Client Registration Flow": a third party signs up, has keys generated at the bank's server, and calls with
//! a token that is bound to its certificate. The server is a stand-in of the registration of WSO2 Identity Server, with a
//! key set and tokens of the test's own.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Request;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use crate::seeds::{ADMIN, Journey, ORDERS, PORTAL};
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims};

const ISSUER: &str = "https://fs.bank.example/oauth2/token";

/// The form of the admin portal, filled in as the page tells.
fn key_manager(server: &str, jwks: &str) -> Value {
    json!({
        "name": "FS", "type": "fsKeyManager", "issuer": ISSUER,
        "clientRegistrationEndpoint": format!("{server}/api/identity/oauth2/dcr/v1.1/register"),
        "tokenEndpoint": format!("{server}/oauth2/token"),
        "certificates": { "type": "JWKS", "value": jwks },
        "consumerKeyClaim": "azp", "scopesClaim": "scope",
        "availableGrantTypes": ["client_credentials", "refresh_token", "authorization_code"],
        "enableTokenGeneration": true, "enableOAuthAppCreation": true,
        "enableMapOAuthConsumerApps": true,
        "permissions": { "permissionType": "PUBLIC" },
        "additionalProperties": { "Username": "admin", "Password": "admin" },
    })
}

/// The third party and its password.
const TPP: &str = "tpp:a long password of the tpp";

/// Signs the third party up, and makes an application of its with a subscription. Returns the application's id.
async fn signed_up(journey: &Journey) -> String {
    let account = json!({
        "name": "tpp", "password": "a long password of the tpp",
        "acceptedTerms": "https://bank.example/terms",
    });
    let sign_up = "POST /api/portcullis/v1/sign-up";
    journey.done("nobody", sign_up, account).await;
    let body = json!({ "name": "tpp-app", "throttlingPolicy": "Unlimited" });
    let made = journey.done(TPP, &format!("POST {PORTAL}/applications"), body).await;
    let application = made["applicationId"].as_str().expect("an id");
    let apis = journey.done(TPP, &format!("GET {PORTAL}/apis"), Value::Null).await;
    let body = json!({
        "applicationId": application, "apiId": apis["list"][0]["id"], "throttlingPolicy": "Gold",
    });
    journey.done(TPP, &format!("POST {PORTAL}/subscriptions"), body).await;
    application.to_owned()
}

#[tokio::test]
async fn manual_client_registration() {
    let (server, signer) = (Origin::start(), Signer::new("key-1"));
    let keys = Origin::serving(Script::answer(
        200,
        &[("content-type", "application/json")],
        signer.jwks(),
    ));
    let header = "client_certificate_header = { name = \"Client-Cert\", format = \"rfc9440\" }";
    let journey = Journey::with(|config| {
        config
            .gateway(&format!("trusted_proxies = [\"127.0.0.1\"]\n{header}"))
            .tables("[portal]\nself_signup = true\nterms = \"https://bank.example/terms\"")
    })
    .await;
    let form = key_manager(&server.url(), &keys.url());
    journey.done("anna", &format!("POST {ADMIN}/key-managers"), form).await;

    let application = signed_up(&journey).await;
    let line = format!("POST {PORTAL}/applications/{application}/generate-keys");
    let certificate = CertificateParams::new(Vec::new()).expect("parameters");
    let certificate =
        certificate.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate");
    let wanted = |grants: &[&str], certificate: &str| {
        json!({
            "keyType": "PRODUCTION", "keyManager": "FS", "grantTypesToBeSupported": grants,
            "callbackUrl": "https://tpp.example/back",
            "additionalProperties": { "regulatory": "true", "sp_certificate": certificate },
        })
    };
    let pem = certificate.pem();
    for (what, body) in [
        ("no code grant", wanted(&["client_credentials"], &pem)),
        ("no certificate", wanted(&["authorization_code", "client_credentials"], "")),
        ("no certificate at all", wanted(&["authorization_code", "client_credentials"], "x")),
    ] {
        let (status, said) = journey.call(TPP, &line, &body).await;
        assert_eq!(status, 400, "{what}: {said}");
    }
    assert!(server.received().is_empty(), "the server is not asked for such clients");
    for (status, answer) in [
        (201, json!({ "client_id": "tpp-client", "client_secret": "s3cr3t" })),
        (200, json!({ "applications": [{ "id": "app-1" }] })),
        (200, json!({})),
    ] {
        let json = [("content-type", "application/json")];
        server.once(Script::answer(status, &json, answer.to_string()));
    }
    let body = wanted(&["authorization_code", "client_credentials", "refresh_token"], &pem);
    let client = journey.done(TPP, &line, body).await;
    let consumer_key = client["consumerKey"].as_str().expect("a client");
    assert!(client["consumerSecret"].is_string(), "{client}");

    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.der());
    let mut claims = claims(ISSUER, consumer_key, "");
    claims["azp"] = json!(consumer_key);
    claims["cnf"] = json!({ "x5t#S256": URL_SAFE_NO_PAD.encode(digest.as_ref()) });
    let token = signer.sign(&claims);
    assert_eq!(journey.gateway.status(ORDERS, &token).await, 401, "no certificate");
    let request = Request::get(journey.gateway.url(ORDERS))
        .header("authorization", format!("Bearer {token}"))
        .header("client-cert", format!(":{}:", STANDARD.encode(certificate.der())));
    let answer = journey.gateway.send(request.body(Bytes::new()).expect("a request")).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
}
