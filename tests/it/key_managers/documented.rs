//! Servers that issue opaque or encrypted tokens, by what docs/identity-providers.md says for each: answers and token shapes
//! as their documents describe them (Django OAuth Toolkit 3, OpenIddict 6, ZITADEL). None of these servers runs here;
//! `recorded` plays those that did.

use serde_json::{Value, json};

use crate::support::config::{Config, api, application};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::signer::Signer;

/// The block of a server, as it is in the manual.
pub(super) fn block(server: &str) -> toml::Table {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/identity-providers.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once(&format!("<!-- server: {server} -->\n```toml\n")).unwrap();
    let mut table: toml::Table = rest.split("```").next().unwrap().parse().unwrap();
    table.remove("key_managers").unwrap().as_array().unwrap()[0].as_table().unwrap().clone()
}

struct Stage {
    gateway: Gateway,
    asked: Origin,
    signer: Signer,
    _backend: Origin,
}

impl Stage {
    /// The addresses are ours, all else is as documented.
    async fn of(server: &str) -> Stage {
        let (asked, backend) = (Origin::start(), Origin::start());
        let signer = Signer::new("key-1");
        let mut key_manager = block(server);
        let name = key_manager["name"].as_str().unwrap().to_owned();
        key_manager.insert("introspection_endpoint".into(), asked.url().into());
        key_manager.insert("introspection_cache".into(), "0s".into());
        if key_manager.contains_key("certificates") {
            let file = toml::Table::from_iter([("jwks_file".to_owned(), "keys.json".into())]);
            key_manager.insert("certificates".into(), file.into());
        }
        let served = api("t:1.0.0").to(&backend.url());
        let gateway = Config::new()
            .key_manager_table(key_manager)
            .beside("keys.json", signer.jwks())
            .api(served.operation("method = \"*\", path = \"/*\", scopes = [\"read\"]"))
            .application(application("app").key(&name, "shop"))
            .start()
            .await;
        Stage { gateway, asked, signer, _backend: backend }
    }

    async fn status(&self, token: &str) -> u16 {
        self.gateway.get("/t/1.0.0/x", Some(token)).await.status().as_u16()
    }

    async fn told(&self, token: &str, answer: &Value) -> u16 {
        let json = [("Content-Type", "application/json")];
        self.asked.always(Script::answer(200, &json, answer.to_string()));
        self.status(token).await
    }
}

fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

#[tokio::test]
async fn django_oauth_toolkit() {
    let stage = Stage::of("django-oauth-toolkit").await;
    let answer = json!({ "active": true, "scope": "read write", "exp": now() + 36_000, "client_id": "shop", "username": "john" });
    assert_eq!(stage.told("WQM4DjDRzHdEOMTkAFLVHzrxQFDKMb", &answer).await, 200);
    assert_eq!(
        stage.asked.received()[0].values("authorization"),
        ["Basic Z2F0ZXdheTpnYXRld2F5LXNlY3JldA=="]
    );
    assert_eq!(
        stage.told("WQM4DjDRzHdEOMTkAFLVHzrxQFDKMc", &json!({ "active": false })).await,
        401
    );
}

/// A header that says that the rest is encrypted, as OpenIddict and zitadel/oidc write it.
const ENCRYPTED: &str = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZDQkMtSFM1MTIiLCJraWQiOiJrIiwidHlwIjoiYXQrand0IiwiY3R5IjoiSldUIn0.\
                         a2V5.aXY.Y2lwaGVydGV4dA.dGFn";

#[tokio::test]
async fn openiddict() {
    let stage = Stage::of("openiddict").await;
    let answer = |usage: &str| {
        json!({
            "active": true, "iss": "https://id.bank.example/", "sub": "s", "jti": "j", "token_type": "Bearer", "token_usage": usage,
            "client_id": "shop", "iat": now(), "nbf": now(), "exp": now() + 3600, "aud": "gateway", "scope": "read",
        })
    };
    assert_eq!(stage.told(ENCRYPTED, &answer("access_token")).await, 200);
    assert_eq!(stage.told(&format!("{ENCRYPTED}a"), &answer("refresh_token")).await, 401);
    let token = stage.signer.sign(&json!({
        "iss": "https://id.bank.example/", "exp": now() + 600, "iat": now(), "aud": "gateway", "scope": "read", "jti": "j", "sub": "s",
        "client_id": "shop", "oi_prst": "shop", "oi_tkn_id": "t",
    }));
    assert_eq!(stage.status(&token).await, 200, "DisableAccessTokenEncryption");
}

#[tokio::test]
async fn zitadel() {
    let stage = Stage::of("zitadel").await;
    let answer = json!({
        "active": true, "scope": "openid read", "client_id": "shop", "token_type": "Bearer", "exp": now() + 3600, "iat": now(),
        "auth_time": now(), "nbf": now(), "sub": "s", "aud": ["297123456789012345@bank", "297"], "iss": "https://bank.zitadel.cloud",
        "jti": "V2_j", "username": "shop", "urn:zitadel:iam:org:project:roles": { "admin": { "1": "bank.example" } },
    });
    assert_eq!(stage.told(ENCRYPTED, &answer).await, 200);
    assert_eq!(stage.told("VjVxyCZmRmWYqd3_F5db9Pb9mHR5fqzhn", &answer).await, 200);
    let encoded = "Basic Mjk3MTIzNDU2Nzg5MDEyMzQ1JTQwYmFuazpnYXRld2F5LXNlY3JldA==";
    assert_eq!(stage.asked.received()[0].values("authorization"), [encoded], "form-encoded");
}
