//! The bank: one API with everything that a refusal can be about, and a signer for its tokens.

use serde_json::Value;

use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::signer::{Signer, claims};

pub(crate) const ISSUER: &str = "https://issuer.example/oauth2/token";

/// A gateway in front of a production and a sandbox backend.
pub(crate) struct Bank {
    pub(crate) gateway: Gateway,
    pub(crate) production: Origin,
    pub(crate) sandbox: Origin,
    pub(crate) signer: Signer,
}

impl Bank {
    pub(crate) async fn open() -> Bank {
        Bank::with("").await
    }

    /// With more lines at the end of `gateway.toml`.
    pub(crate) async fn with(more: &str) -> Bank {
        Bank::of(crate::support::gateway::FRONT, more).await
    }

    /// With another beginning of `gateway.toml`, too.
    pub(crate) async fn of(front: &str, more: &str) -> Bank {
        let (production, sandbox) = (Origin::start(), Origin::start());
        let signer = Signer::new("key-1");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("keys.json"), signer.jwks()).expect("written");
        let text = format!("{front}{}{more}", file(&production.url(), &sandbox.url()));
        std::fs::write(folder.path().join("gateway.toml"), text).expect("written");
        let path = folder.path().to_owned();
        let gateway = Gateway::start_in(&path, Some(folder)).await;
        Bank { gateway, production, sandbox, signer }
    }

    /// A good token of the subscribed application's production key.
    pub(crate) fn token(&self) -> String {
        self.token_of("good", "accounts:read")
    }

    pub(crate) fn token_of(&self, client: &str, scope: &str) -> String {
        self.signer.sign(&claims(ISSUER, client, scope))
    }

    /// A good token but for these claims; null takes one away.
    pub(crate) fn token_with(&self, changes: &Value) -> String {
        let mut claims = claims(ISSUER, "good", "accounts:read");
        for (name, value) in changes.as_object().expect("an object") {
            if value.is_null() {
                claims.as_object_mut().expect("an object").remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        self.signer.sign(&claims)
    }

    /// The facts that most tests ask of an answer.
    pub(crate) async fn code(&self, path: &str, token: Option<&str>) -> (u16, Value) {
        let answer = self.gateway.get(path, token).await;
        let body = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
        (answer.status().as_u16(), body)
    }
}

/// The bank's part of `gateway.toml`.
pub(crate) fn file(production: &str, sandbox: &str) -> String {
    format!(
        r#"
[[key_managers]]
name = "bank-is"
type = "WSO2-IS-7"
issuer = "{ISSUER}"
certificates = {{ jwks_file = "keys.json" }}
[[key_managers]]
name = "other-is"
type = "WSO2-IS-7"
issuer = "https://other.example/oauth2/token"
certificates = {{ jwks_file = "keys.json" }}
[[key_managers]]
name = "closed-is"
type = "WSO2-IS-7"
enabled = false
issuer = "https://closed.example/oauth2/token"
certificates = {{ jwks_file = "keys.json" }}

[[apis]]
name = "accounts"
version = "1.0.0"
context = "/accounts"
key_managers = ["bank-is"]
max_body_bytes = "1KiB"
production = {{ urls = ["{production}/base"], connect_timeout = "500ms", response_timeout = "500ms" }}
sandbox = {{ urls = ["{sandbox}"] }}
operations = [
  {{ method = "GET", path = "/accounts/{{id}}", scopes = ["accounts:read"] }},
  {{ method = "POST", path = "/accounts", scopes = ["accounts:write", "accounts:read"] }},
  {{ method = "DELETE", path = "/accounts/{{id}}", scopes = ["accounts:write"] }},
  {{ method = "GET", path = "/status", auth = "none" }},
]
[[apis]]
name = "production-only"
version = "1.0.0"
context = "/production-only"
production = {{ urls = ["{production}"] }}
operations = [{{ method = "GET", path = "/*" }}]
[[apis]]
name = "sandbox-only"
version = "1.0.0"
context = "/sandbox-only"
sandbox = {{ urls = ["{sandbox}"] }}
operations = [{{ method = "GET", path = "/*" }}]
[[apis]]
name = "audience"
version = "1.0.0"
context = "/audience"
audiences = ["https://api.bank.example"]
production = {{ urls = ["{production}"] }}
operations = [{{ method = "GET", path = "/*" }}]
[[apis]]
name = "blocked"
version = "1.0.0"
context = "/blocked"
lifecycle = "blocked"
production = {{ urls = ["{production}"] }}
operations = [{{ method = "GET", path = "/*" }}]
[[apis]]
name = "retired"
version = "1.0.0"
context = "/retired"
lifecycle = "retired"
production = {{ urls = ["{production}"] }}
operations = [{{ method = "GET", path = "/*" }}]
[[apis]]
name = "open"
version = "1.0.0"
context = "/open"
subscription_required = false
forward_authorization = true
production = {{ urls = ["{production}"] }}
operations = [{{ method = "GET", path = "/*" }}]

[[applications]]
name = "good"
owner = "charlie"
keys = [
  {{ type = "production", key_manager = "bank-is", consumer_key = "good" }},
  {{ type = "sandbox", key_manager = "bank-is", consumer_key = "good-sandbox" }},
]
subscriptions = [
  {{ api = "accounts:1.0.0" }}, {{ api = "production-only:1.0.0" }}, {{ api = "sandbox-only:1.0.0" }}, {{ api = "audience:1.0.0" }},
  {{ api = "blocked:1.0.0" }},
]
[[applications]]
name = "unsubscribed"
keys = [{{ type = "production", key_manager = "bank-is", consumer_key = "unsubscribed" }}]
[[applications]]
name = "blocked"
keys = [{{ type = "production", key_manager = "bank-is", consumer_key = "blocked" }}]
subscriptions = [{{ api = "accounts:1.0.0", status = "blocked" }}]
[[applications]]
name = "half-blocked"
keys = [
  {{ type = "production", key_manager = "bank-is", consumer_key = "half-blocked" }},
  {{ type = "sandbox", key_manager = "bank-is", consumer_key = "half-blocked-sandbox" }},
]
subscriptions = [{{ api = "accounts:1.0.0", status = "prod_only_blocked" }}]
[[applications]]
name = "on-hold"
keys = [{{ type = "production", key_manager = "bank-is", consumer_key = "on-hold" }}]
subscriptions = [{{ api = "accounts:1.0.0", status = "on_hold" }}]
[[applications]]
name = "rejected"
keys = [{{ type = "production", key_manager = "bank-is", consumer_key = "rejected" }}]
subscriptions = [{{ api = "accounts:1.0.0", status = "rejected" }}]
[[applications]]
name = "elsewhere"
keys = [{{ type = "production", key_manager = "other-is", consumer_key = "elsewhere" }}]
subscriptions = [{{ api = "accounts:1.0.0" }}]
"#
    )
}
