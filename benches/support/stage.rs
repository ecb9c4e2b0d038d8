//! A snapshot to decide on: one API, one key manager with a key from a file, and as many consumer keys as asked for.

use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis::authenticate::cache::{Common, TokenCache};
use portcullis::authorize::Grant;
use portcullis::config;
use portcullis::jwks::KeySets;
use portcullis::limiter::time::CountingTime;
use portcullis::model::clock::{Clock, UnixSeconds};
use portcullis::proxy::{ConnectionFacts, RequestFacts, decide};
use portcullis::route;
use portcullis::snapshot::Snapshot;
use portcullis::snapshot::compile::Compiler;
use portcullis::snapshot::local::LocalThrottling;
use portcullis::supervise::clock::SystemClock;
use portcullis::telemetry::Metrics;
use portcullis::throttle::headers::{self, RateLimitValues};
use portcullis::throttle::levels::{CallFacts, Levels};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use serde_json::json;

const ISSUER: &str = "https://issuer.example";
const PATH: &str = "/orders/1.0.0/orders/42";

/// Everything that one decision needs.
pub struct Stage {
    pub snapshot: Snapshot,
    #[allow(dead_code, reason = "not every user of this file changes anything")]
    pub compiler: Compiler,
    cache: TokenCache,
    metrics: Arc<Metrics>,
    headers: HeaderMap,
    now: UnixSeconds,
}

/// The things of one worker that limits need.
#[allow(dead_code, reason = "not every user of this file limits anything")]
pub struct Lent {
    throttling: Rc<LocalThrottling>,
    values: RateLimitValues,
}

impl Stage {
    /// With this many consumer keys.
    pub fn new(consumer_keys: usize) -> Self {
        Self::of(consumer_keys, FILE, "", "")
    }

    /// With limits on all levels, which nobody reaches.
    #[allow(dead_code, reason = "not every user of this file limits anything")]
    pub fn limited(consumer_keys: usize) -> Self {
        let operation = r#"path = "/orders/{id}", policy = "most""#;
        let file = FILE
            .replace(r#"path = "/orders/{id}""#, operation)
            .replace(r#":9"]"#, r#":9"], hard_limit = { requests = 4_000_000_000, per = "1s" }"#);
        let burst = "burst = { requests = 4_000_000_000, per = \"1s\" }";
        let most = format!("requests = 4_000_000_000\nper = \"1m\"\n{burst}");
        let policy = |level: &str, more: &str| {
            format!(
                "[[throttling_policies]]\nname = \"most\"\nlevel = \"{level}\"\n{most}\n{more}\n"
            )
        };
        let file = [
            file,
            policy("advanced", ""),
            policy("subscription", ""),
            policy("application", ""),
            policy("custom", "key = \"$user:$api_context\""),
        ];
        let policy = r#","policy":"most""#;
        Self::of(consumer_keys, &file.concat(), policy, policy)
    }

    fn of(consumer_keys: usize, file: &str, application: &str, subscription: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let (x, y) = pair.der_bytes().get(1..).expect("a point").split_at(32);
        let jwk = json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "k", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) });
        fs::write(folder.path().join("keys.json"), json!({ "keys": [jwk] }).to_string())
            .expect("written");
        let mut applications = String::new();
        for at in 0..consumer_keys {
            writeln!(
                applications,
                r#"{{"name":"application-{at}","keys":[{{"type":"production","key_manager":"km","consumer_key":"consumer-{at}"}}],"subscriptions":[{{"api":"orders:1.0.0"{subscription}}}]{application}}}"#
            )
            .expect("memory");
        }
        fs::write(folder.path().join("applications.jsonl"), applications).expect("written");
        fs::write(folder.path().join("gateway.toml"), file).expect("written");
        let model = config::load(&folder.path().join("gateway.toml")).expect("a good file").model;
        let now = SystemClock.now();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _guard = runtime.enter();
        let mut fetchers = KeySets::new(folder.path(), Arc::new(SystemClock));
        let keys = fetchers.reconcile(&model.key_managers);
        let metrics = Metrics::new(1, 1000);
        let cache = TokenCache::new(1024 * 1024, metrics.worker(0), Common::alone());
        let mut compiler = Compiler::new(Arc::clone(&metrics), 1);
        let snapshot = compiler.compile(model, keys).expect("a snapshot");
        // as if it were published
        snapshot.throttling.counters.set_most(snapshot.throttling.max_counters);
        let claims = json!({
            "iss": ISSUER, "azp": format!("consumer-{}", consumer_keys / 2), "client_id": "x", "scope": "orders:read orders:write",
            "exp": now.0 + 3600, "iat": now.0, "jti": "5ad3006d-6f4b-4c0c-a6a0-0f3b9ad0e5b1", "sub": "someone",
        });
        let header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::ES256) };
        let token = jsonwebtoken::encode(
            &header,
            &claims,
            &EncodingKey::from_ec_der(pair.serialized_der()),
        )
        .expect("signed");
        let mut headers = HeaderMap::new();
        headers.insert("authorization", format!("Bearer {token}").parse().expect("a value"));
        headers.insert("user-agent", "bench".parse().expect("a value"));
        Self { snapshot, compiler, cache, metrics, headers, now }
    }

    /// What the verdicts that are kept are reckoned to take.
    #[allow(dead_code, reason = "not every user of this file asks")]
    pub fn remembered_bytes(&self) -> u64 {
        let scrape = self.metrics.render();
        scrape
            .lines()
            .find_map(|line| line.strip_prefix("portcullis_token_cache_bytes ")?.parse().ok())
            .expect("a number")
    }

    /// Decides once; says whether the request is allowed.
    pub fn decide(&self) -> bool {
        self.decide_and(|_| true)
    }

    /// Decides once, counts the request on all levels, and tells the client in these headers.
    #[allow(dead_code, reason = "not every user of this file limits anything")]
    pub fn admit(&self, now: CountingTime, lent: &Lent, answer: &mut HeaderMap) -> bool {
        self.decide_and(|grant| {
            let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let facts = CallFacts { headers: &self.headers, query: None, client };
            let mut levels = Levels::default();
            if levels.find(&lent.throttling, grant, &facts).is_err() {
                return false;
            }
            let admitted = levels.count(now).is_ok();
            headers::passed(&mut levels, &lent.values, answer);
            admitted
        })
    }

    /// The things that a worker lends to its requests.
    #[allow(dead_code, reason = "not every user of this file limits anything")]
    pub fn lend(&self) -> Lent {
        let throttling = Arc::clone(&self.snapshot.throttling);
        let throttling = LocalThrottling::new(throttling, self.snapshot.generation);
        Lent { throttling: Rc::new(throttling), values: RateLimitValues::default() }
    }

    fn decide_and(&self, more: impl FnOnce(&Grant<'_>) -> bool) -> bool {
        let Ok(path) = route::normalize(PATH) else { return false };
        let asked = RequestFacts {
            method: &http::Method::GET,
            host: "api.example",
            path: &path,
            headers: &self.headers,
            connection: ConnectionFacts::UNKNOWN,
        };
        decide(&self.snapshot, &asked, &self.cache, self.now).is_ok_and(|grant| more(&grant))
    }
}

const FILE: &str = r#"
application_files = ["applications.jsonl"]
[[key_managers]]
name = "km"
issuer = "https://issuer.example"
certificates = { jwks_file = "keys.json" }
[[apis]]
name = "orders"
version = "1.0.0"
context = "/orders"
production = { urls = ["http://127.0.0.1:9"] }
operations = [
  { method = "GET", path = "/orders", scopes = ["orders:read"] },
  { method = "GET", path = "/orders/{id}", scopes = ["orders:read"] },
  { method = "DELETE", path = "/orders/{id}", scopes = ["orders:write"] },
]
"#;
