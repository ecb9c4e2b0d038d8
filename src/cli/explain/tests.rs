//! What `explain` says is what the gateway does.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proptest::prelude::*;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use serde_json::json;

use super::*;
use crate::proxy::decision::{Asked, ConnectionFacts, decide};
use crate::route;

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

struct Stage {
    snapshot: Snapshot,
    key: EncodingKey,
    now: UnixSeconds,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let (x, y) = pair.der_bytes()[1..].split_at(32);
        let jwk = json!({ "kty": "EC", "crv": "P-256", "kid": "k", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) });
        std::fs::write(folder.path().join("keys.json"), json!({ "keys": [jwk] }).to_string()).unwrap();
        std::fs::write(folder.path().join("gateway.toml"), FILE).unwrap();
        let model = config::load(&folder.path().join("gateway.toml")).unwrap().model;
        let runtime = control_runtime().unwrap();
        let _guard = runtime.enter();
        let keys = Fetchers::new(folder.path(), Arc::new(SystemClock)).reconcile(&model.key_managers);
        let snapshot = Compiler::new(Metrics::new(1, 100), 1).compile(model, keys).unwrap();
        Self { snapshot, key: EncodingKey::from_ec_der(pair.serialized_der()), now: SystemClock.now() }
    }

    fn token(&self, issuer: &str, client: &str, scope: &str, key_id: &str, lifetime: i64) -> String {
        let exp = i64::try_from(self.now.0).unwrap() + lifetime;
        let claims = json!({ "iss": issuer, "azp": client, "scope": scope, "exp": exp });
        let header = Header { kid: Some(key_id.to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }

    fn explain(&self, line: &str, token: Option<String>) -> Explanation {
        judge(&self.snapshot, &Question::parse(line, token).unwrap(), self.now)
    }
}

#[test]
fn near_misses_are_named() {
    let stage = Stage::new();
    let line = "GET /a/1/x/7";
    for (issuer, client, line, reason, hint) in [
        ("https://one.example/token/", "client", line, "unknown_issuer", "only by a slash"),
        ("https://ONE.example/token", "client", line, "unknown_issuer", "only in the case"),
        ("http://one.example/token", "client", line, "unknown_issuer", "only in the scheme"),
        ("https://off.example/token", "client", line, "unknown_issuer", "is not enabled"),
        ("https://one.example/token", "second", line, "consumer_key_unknown", "under key manager \"two\""),
        ("https://one.example/token", "client", "GET /a/2/x/7", "not_subscribed", "in version 1"),
        ("https://two.example/token", "second", line, "key_manager_not_allowed", "key_managers"),
        ("https://one.example/token", "client", "GET /a/1/y", "operation_not_found", "/x/{id}"),
    ] {
        let explanation = stage.explain(line, Some(stage.token(issuer, client, "read", "k", 60)));
        assert_eq!(explanation.reason(), reason, "{}", explanation.text());
        assert!(explanation.hints().iter().any(|found| found.contains(hint)), "{hint}: {}", explanation.text());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_verdict_is_the_data_paths(
        method in prop::sample::select(vec!["GET", "POST", "DELETE"]),
        path in prop::sample::select(vec!["/a/1/x/7", "/a/1/x", "/a/1/open/y", "/a/2/x/7", "/a/3/x", "/a/1/x/%2e%2e/x/7", "/a/1/x/a;b", "/"]),
        issuer in prop::sample::select(vec!["https://one.example/token", "https://two.example/token", "https://off.example/token", "https://x"]),
        client in prop::sample::select(vec!["client", "second", "sandbox", "nobody", ""]),
        scope in prop::sample::select(vec!["read", "write", ""]),
        key_id in prop::sample::select(vec!["k", "other"]),
        lifetime in prop::sample::select(vec![60_i64, -600]),
        with_token in any::<bool>(),
    ) {
        thread_local!(static STAGE: Stage = Stage::new());
        STAGE.with(|stage| {
            let token = with_token.then(|| stage.token(issuer, client, scope, key_id, lifetime));
            let question = Question::parse(&format!("{method} {path}"), token.clone()).unwrap();
            let explanation = judge(&stage.snapshot, &question, stage.now);
            let normal = route::normalise(path).unwrap();
            let headers = question.headers("authorization");
            let cache = TokenCache::new(65536, Metrics::new(1, 1).worker(0), Common::alone());
            let asked = Asked { method: &question.method, host: "", path: &normal, headers: &headers, connection: ConnectionFacts::UNKNOWN };
            let decided = decide(&stage.snapshot, asked, &cache, stage.now);
            prop_assert_eq!(explanation.is_allowed(), decided.is_ok());
            if let Err(refused) = decided {
                prop_assert_eq!(explanation.reason(), refused.why.reason().label());
            }
            Ok(())
        })?;
    }
}
