//! Every vendor's documented access token: the findings and the table, compared with golden files.
//! `PORTCULLIS_WRITE_GOLDEN=1 cargo test --lib import` writes the files anew; read the difference.

use std::path::Path;

use super::*;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";

fn wso2_is() -> Server {
    Server::new("https://localhost:9443/oauth2/token", "/oauth2/token", "/oauth2/jwks")
}

fn wso2_is_7() -> Server {
    let server = Server::new(
        "https://localhost:9443/t/teamspace/oauth2/token",
        "/t/teamspace/oauth2/token",
        "/t/teamspace/oauth2/jwks",
    );
    server
        .with(
            "pushed_authorization_request_endpoint",
            json!("https://localhost:9443/t/teamspace/oauth2/par"),
        )
        .with(
            "introspection_endpoint",
            json!("https://localhost:9443/t/teamspace/oauth2/introspect"),
        )
        .with("revocation_endpoint", json!("https://localhost:9443/t/teamspace/oauth2/revoke"))
        .with(
            "authorization_endpoint",
            json!("https://localhost:9443/t/teamspace/oauth2/authorize"),
        )
        .with("userinfo_endpoint", json!("https://localhost:9443/t/teamspace/oauth2/userinfo"))
        .with(
            "registration_endpoint",
            json!("https://localhost:9443/t/teamspace/api/identity/oauth2/dcr/v1.1/register"),
        )
}

fn asgardeo() -> Server {
    Server::new(
        "https://api.asgardeo.io/t/bank/oauth2/token",
        "/t/bank/oauth2/token",
        "/t/bank/oauth2/jwks",
    )
}

pub(super) fn auth0() -> Server {
    Server::new("https://tenant.auth0.com/", "/oauth/token", "/.well-known/jwks.json")
}

pub(super) fn okta() -> Server {
    Server::new(
        "https://x.okta.com/oauth2/default",
        "/oauth2/default/v1/token",
        "/oauth2/default/v1/keys",
    )
}

pub(super) fn keycloak() -> Server {
    let path = "/realms/bank/protocol/openid-connect";
    Server::new(
        "https://sso.bank.example/realms/bank",
        &format!("{path}/token"),
        &format!("{path}/certs"),
    )
}

pub(super) fn entra_v1() -> Server {
    let base = format!("https://login.microsoftonline.com/{TENANT}");
    Server::new(
        &format!("https://sts.windows.net/{TENANT}/"),
        &format!("{base}/oauth2/token"),
        &format!("{base}/discovery/keys"),
    )
    .at(&format!("{base}/.well-known/openid-configuration"))
}

pub(super) fn entra_v2() -> Server {
    let base = format!("/{TENANT}");
    Server::new(
        &format!("https://login.microsoftonline.com{base}/v2.0"),
        &format!("{base}/oauth2/v2.0/token"),
        &format!("{base}/discovery/v2.0/keys"),
    )
}

fn cognito() -> Server {
    let issuer = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Pool";
    Server::new(
        issuer,
        "https://bank.auth.eu-west-1.amazoncognito.com/oauth2/token",
        "/eu-west-1_Pool/.well-known/jwks.json",
    )
}

fn pingfederate() -> Server {
    Server::new("https://ping.bank.example:9031", "/as/token.oauth2", "/pf/JWKS")
}

pub(super) fn forgerock() -> Server {
    Server::new(
        "https://am.bank.example/am/oauth2",
        "/am/oauth2/access_token",
        "/am/oauth2/connect/jwk_uri",
    )
}

fn custom() -> Server {
    Server::new("https://id.bank.example", "/token", "/keys")
}

/// Compares the output with the file of that name, and reads the table with the gateway's own
/// reader.
fn golden(name: &str, server: &Server, token: Option<&str>) -> KeyManager {
    let told = server.told(token);
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/cli/import/tests/golden")
        .join(format!("{name}.toml"));
    if std::env::var_os("PORTCULLIS_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &told).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(told == written, "{name}: what is told differs from {}:\n{told}", path.display());
    let key_manager = loaded(&told);
    assert_eq!(key_manager.issuer.as_ref().unwrap().as_str(), server.issuer());
    key_manager
}

/// The type, the claims that hold client and scopes, and the client.
type Expected = (KeyManagerType, Option<&'static str>, Option<&'static str>);

fn fits(name: &str, server: &Server, header: &Value, payload: &Value, expected: Expected) {
    let key_manager = golden(name, server, Some(&server.token(header, payload)));
    let (kind, client, scopes) = expected;
    assert_eq!(key_manager.kind, kind, "{name}");
    assert_eq!(key_manager.claims.consumer_key.as_deref(), client, "{name}");
    assert_eq!(key_manager.claims.scopes.as_deref(), scopes, "{name}");
}

#[test]
fn wso2() {
    let header = json!({ "typ": "at+jwt", "x5t": "dGh1bWI" });
    let payload = json!({
        "sub": "user", "azp": "client-1", "client_id": "client-1", "aud": "client-1",
        "nbf": NOW.0 - 60, "jti": "j",
        "scope": "accounts:read openid", "aut": "APPLICATION_USER",
    });
    fits("wso2-is", &wso2_is(), &header, &payload, (KeyManagerType::Wso2Is, None, None));
    let payload = json!({
        "sub": "user", "act": { "sub": "agent" }, "aud": "client-1", "aut": "APPLICATION_USER",
        "azp": "client-1", "client_id": "client-1",
        "org_handle": "bank", "org_id": "10084a8d", "scope": "create_meeting list_meetings openid \
            profile",
    });
    fits(
        "wso2-is-7",
        &wso2_is_7(),
        &header,
        &payload,
        (KeyManagerType::Wso2Is7, Some("azp"), Some("scope")),
    );
    // the shape of an on-behalf-of token: no azp
    let payload = json!({ "sub": "user", "aud": "client-1", "aut": "APPLICATION_USER",
        "client_id": "client-1", "scope": "list_meetings" });
    fits(
        "wso2-is-7-on-behalf",
        &wso2_is_7(),
        &header,
        &payload,
        (KeyManagerType::Wso2Is7, Some("client_id"), Some("scope")),
    );
    let payload = json!({ "sub": "client-1", "aud": ["client-1", "https://api.bank"],
        "azp": "client-1", "client_id": "client-1", "scope": "a" });
    fits(
        "asgardeo",
        &asgardeo(),
        &header,
        &payload,
        (KeyManagerType::Asgardeo, Some("azp"), Some("scope")),
    );
}

#[test]
fn auth0_in_both_profiles() {
    let payload = json!({
        "sub": "client-1@clients", "aud": "https://api.bank.example", "azp": "client-1",
        "scope": "accounts:read", "gty": "client-credentials",
        "permissions": ["accounts:read"],
    });
    fits(
        "auth0",
        &auth0(),
        &json!({}),
        &payload,
        (KeyManagerType::Auth0, Some("azp"), Some("scope")),
    );
    let payload = json!({
        "sub": "auth0|1", "aud": ["https://api.bank.example", "https://tenant.auth0.com/userinfo"],
        "client_id": "client-1",
        "scope": "openid accounts:read", "jti": "j",
    });
    fits(
        "auth0-rfc9068",
        &auth0(),
        &json!({ "typ": "at+jwt" }),
        &payload,
        (KeyManagerType::Auth0, Some("client_id"), Some("scope")),
    );
}

#[test]
fn okta_and_keycloak() {
    let payload = json!({
        "ver": 1, "jti": "AT.j", "aud": "api://default", "sub": "user@bank.example",
        "cid": "0oa1client", "uid": "00u1",
        "scp": ["openid", "profile"], "auth_time": NOW.0 - 60,
    });
    fits("okta", &okta(), &json!({}), &payload, (KeyManagerType::Okta, Some("cid"), Some("scp")));
    let payload = json!({
        "jti": "j", "aud": "account", "sub": "user", "typ": "Bearer", "azp": "client-1",
        "sid": "s", "acr": "1",
        "allowed-origins": ["https://app.example"], "realm_access": { "roles": ["user"] },
        "resource_access": {}, "scope": "email \
            profile",
        "preferred_username": "user",
    });
    fits("keycloak", &keycloak(), &json!({}), &payload, (KeyManagerType::KeyCloak, None, None));
}

#[test]
fn entra_in_both_versions() {
    let payload = json!({
        "aud": "api://bank", "appid": "client-1", "appidacr": "1", "idp": "x", "oid": "o",
        "scp": "accounts.read", "sub": "s", "tid": TENANT,
        "ver": "1.0",
    });
    fits(
        "entra-v1",
        &entra_v1(),
        &json!({}),
        &payload,
        (KeyManagerType::AzureAD, Some("appid"), Some("scp")),
    );
    let payload = json!({
        "aud": "66666666-7777-8888-9999-000000000000", "aio": "x", "azp": "client-1",
        "azpacr": "1", "oid": "o", "rh": "r",
        "roles": ["Accounts.Read"], "sub": "s", "tid": TENANT, "uti": "u", "ver": "2.0",
    });
    fits(
        "entra-v2",
        &entra_v2(),
        &json!({}),
        &payload,
        (KeyManagerType::AzureAD, Some("azp"), Some("roles")),
    );
}

#[test]
fn cognito_pingfederate_forgerock_and_another() {
    let payload = json!({
        "sub": "s", "device_key": "d", "client_id": "client-1", "origin_jti": "o", "event_id": "e",
        "token_use": "access",
        "scope": "aws.cognito.signin.user.admin bank/accounts.read", "auth_time": NOW.0,
        "jti": "j", "version": 2, "username": "user",
        "cognito:groups": ["g"],
    });
    fits(
        "cognito",
        &cognito(),
        &json!({}),
        &payload,
        (KeyManagerType::Cognito, Some("client_id"), Some("scope")),
    );
    let payload = json!({ "client_id": "client-1", "scope": ["accounts.read", "openid"],
        "sub": "user", "aud": "bank-api" });
    fits(
        "pingfederate",
        &pingfederate(),
        &json!({}),
        &payload,
        (KeyManagerType::PingFederate, Some("client_id"), None),
    );
    let payload = json!({
        "sub": "user", "cts": "OAUTH2_STATELESS_GRANT", "auditTrackingId": "a",
        "tokenName": "access_token", "token_type": "Bearer",
        "authGrantId": "g", "aud": "client-1", "nbf": NOW.0 - 60,
        "grant_type": "client_credentials", "scope": ["accounts.read"],
        "auth_time": NOW.0, "realm": "/bank", "expires_in": 3600, "jti": "j",
    });
    fits(
        "forgerock",
        &forgerock(),
        &json!({}),
        &payload,
        (KeyManagerType::Forgerock, Some("aud"), Some("scope")),
    );
    let payload = json!({ "sub": "client-1", "client_id": "client-1",
        "aud": "https://api.bank.example", "scp": "accounts.read" });
    fits(
        "custom",
        &custom(),
        &json!({ "typ": "at+jwt" }),
        &payload,
        (KeyManagerType::CustomKeyManager, Some("client_id"), Some("scp")),
    );
}

#[test]
fn without_a_token_what_is_not_known_is_said() {
    let key_manager = golden("pingfederate-unseen", &pingfederate(), None);
    assert_eq!(key_manager.claims.consumer_key.as_deref(), Some("client_id"));
    let key_manager = golden("entra-v2-unseen", &entra_v2(), None);
    assert_eq!(key_manager.claims.scopes, None);
    assert_eq!(
        golden("entra-v1-unseen", &entra_v1(), None).claims.consumer_key.as_deref(),
        Some("appid")
    );
    assert_eq!(
        golden("forgerock-unseen", &forgerock(), None).claims.scopes.as_deref(),
        Some("scope")
    );
    assert_eq!(golden("custom-unseen", &custom(), None).name.as_str(), "id-bank-example");
}

#[test]
fn products_behind_names_of_their_own_are_known_by_their_paths() {
    let guessed = |server: Server| product::guess(&server.answers().metadata).kind;
    let id = "https://id.bank.example";
    assert_eq!(
        guessed(Server::new(&format!("{id}/"), "/oauth/token", "/.well-known/jwks.json")),
        KeyManagerType::Auth0
    );
    assert_eq!(
        guessed(Server::new(
            &format!("{id}/oauth2/a1"),
            "/oauth2/a1/v1/token",
            "/oauth2/a1/v1/keys"
        )),
        KeyManagerType::Okta
    );
    assert_eq!(
        guessed(Server::new(id, "/oauth2/v2.0/token", "/bank/discovery/v2.0/keys")),
        KeyManagerType::AzureAD
    );
    assert_eq!(
        guessed(Server::new(id, "/adfs/oauth2/token", "/adfs/discovery/keys")),
        KeyManagerType::CustomKeyManager
    );
    assert_eq!(
        guessed(Server::new(id, "/oauth2/token", "/oauth2/jwks")),
        KeyManagerType::CustomKeyManager
    );
    // a name that only ends like a vendor's
    assert_eq!(
        guessed(Server::new("https://notokta.com", "/t", "/k")),
        KeyManagerType::CustomKeyManager
    );
    assert_eq!(
        guessed(Server::new("https://bucket.s3.amazonaws.com", "/t", "/k")),
        KeyManagerType::CustomKeyManager
    );
}
