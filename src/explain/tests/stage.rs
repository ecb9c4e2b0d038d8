//! A snapshot with a few APIs and applications, and tokens that its key managers accept.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use serde_json::json;

use crate::authenticate::cache::Common;
use crate::config;
use crate::explain::{CountsKnown, ExplainRequest, Explanation, Grounds, judge};
use crate::jwks::KeySets;
use crate::model::clock::{Clock, Moment, UnixSeconds};
use crate::revocation::Revocations;
use crate::revocation::record::RevocationRecord;
use crate::snapshot::Snapshot;
use crate::snapshot::compile::Compiler;
use crate::supervise::clock::SystemClock;
use crate::telemetry::Metrics;

pub(super) struct Stage {
    pub(super) snapshot: Snapshot,
    key: EncodingKey,
    jwk: serde_json::Value,
    pub(super) now: UnixSeconds,
}

impl Stage {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let (x, y) = pair.der_bytes()[1..].split_at(32);
        let jwk = json!({ "kty": "EC", "crv": "P-256", "kid": "k", "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y) });
        std::fs::write(folder.path().join("keys.json"), json!({ "keys": [&jwk] }).to_string())
            .unwrap();
        std::fs::write(folder.path().join("gateway.toml"), FILE).unwrap();
        let model = config::load(&folder.path().join("gateway.toml")).unwrap().model;
        let runtime = control_runtime();
        let _guard = runtime.enter();
        let keys =
            KeySets::new(folder.path(), Arc::new(SystemClock)).reconcile(&model.key_managers);
        let snapshot = Compiler::new(Metrics::new(1, 100), 1).compile(model, keys).unwrap();
        Self {
            snapshot,
            key: EncodingKey::from_ec_der(pair.serialized_der()),
            jwk,
            now: SystemClock.now(),
        }
    }

    pub(super) fn token(
        &self,
        issuer: &str,
        client: &str,
        scope: &str,
        key_id: &str,
        lifetime: i64,
    ) -> String {
        let exp = i64::try_from(self.now.0).unwrap() + lifetime;
        let claims = json!({ "iss": issuer, "azp": client, "scope": scope, "exp": exp });
        let header = Header { kid: Some(key_id.to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }

    pub(super) fn token_with(&self, issuer: &str, more: &serde_json::Value) -> String {
        let mut claims = json!({ "iss": issuer, "azp": "client", "scope": "read",
            "exp": self.now.0 + 60, "iat": self.now.0, "sub": "s" });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }

    /// RFC 7638, of the one key that there is.
    pub(super) fn thumbprint(&self) -> String {
        let text =
            format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, self.jwk["x"], self.jwk["y"]);
        URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
    }

    pub(super) fn proof(&self, method: &str, address: &str, token: &str) -> String {
        let ath = URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()));
        let claims =
            json!({ "jti": "1", "htm": method, "htu": address, "iat": self.now.0, "ath": ath });
        let mut header =
            Header { typ: Some("dpop+jwt".to_owned()), ..Header::new(Algorithm::ES256) };
        header.jwk = Some(
            serde_json::from_value(
                json!({ "kty": "EC", "crv": "P-256", "x": self.jwk["x"], "y": self.jwk["y"] }),
            )
            .unwrap(),
        );
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }

    pub(super) fn explain(&self, line: &str, token: Option<String>) -> Explanation {
        self.judge(&ExplainRequest::parse(line, token).unwrap(), &[])
    }

    pub(super) fn judge(
        &self,
        question: &ExplainRequest,
        revoked: &[RevocationRecord],
    ) -> Explanation {
        let revocations = Arc::new(Revocations::seen(revoked));
        let grounds = Grounds {
            snapshot: &self.snapshot,
            common: Common { revocations, ..Common::alone() },
            listening: &[],
            now: self.now,
            moment: Moment(1),
            counts: CountsKnown::OfThisGateway,
        };
        control_runtime().block_on(judge(&grounds, question))
    }
}

pub(super) fn control_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

const FILE: &str = r#"
[[key_managers]]
name = "one"
issuer = "https://one.example/token"
certificates = { jwks_file = "keys.json" }
[[key_managers]]
name = "two"
issuer = "https://two.example/token"
certificates = { jwks_file = "keys.json" }
[[key_managers]]
name = "off"
enabled = false
issuer = "https://off.example/token"
certificates = { jwks_file = "keys.json" }
[[key_managers]]
name = "north"
issuer = "https://shared.example"
certificates = { jwks_file = "keys.json" }
token_handling = [{ type = "jwt", claims = { org_id = "^n" } }]
[[key_managers]]
name = "south"
issuer = "https://shared.example"
certificates = { jwks_file = "keys.json" }
token_handling = [{ type = "jwt", claims = { org_id = "^s" } }]
[[key_managers]]
name = "organization"
issuer = "https://org.example/{org}"
organizations = ["mine"]
certificates = { jwks_file = "keys.json" }
[[apis]]
name = "hosted"
version = "1"
context = "/hosted"
hosts = ["api.bank.example", "*.shop.example"]
production = { urls = ["http://127.0.0.1:9"] }
operations = [{ method = "GET", path = "/x", auth = "none" }]
[[apis]]
name = "bound"
version = "1"
context = "/bound"
subscription_required = false
require_bound_token = true
production = { urls = ["http://127.0.0.1:9"] }
operations = [{ method = "GET", path = "/x" }]
[[apis]]
name = "tried"
version = "1"
context = "/tried"
observe = true
production = { urls = ["http://127.0.0.1:9"] }
operations = [{ method = "GET", path = "/x", scopes = ["new"] }]
[[apis]]
name = "a"
version = "1"
context = "/a"
key_managers = ["one"]
production = { urls = ["http://127.0.0.1:9"] }
operations = [
  { method = "GET", path = "/x/{id}", scopes = ["read"] },
  { method = "*", path = "/open/*", auth = "none" },
]
[[apis]]
name = "a"
version = "2"
context = "/a"
production = { urls = ["http://127.0.0.1:9"] }
operations = [{ method = "GET", path = "/x/{id}" }]
[[applications]]
name = "app"
keys = [{ type = "production", key_manager = "one", consumer_key = "client" }]
subscriptions = [{ api = "a:1" }]
[[applications]]
name = "second"
keys = [
  { type = "production", key_manager = "two", consumer_key = "second" },
  { type = "sandbox", key_manager = "one", consumer_key = "sandbox" },
]
subscriptions = [{ api = "a:1" }]
"#;
