//! Many tokens of one key manager, and a configuration to judge them by: for what only numbers show.

use std::fs;
use std::sync::Arc;
use std::thread;

use http::Method;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis::authenticate::binding::Evidence;
use portcullis::authenticate::cache::{Common, TokenCache};
use portcullis::authenticate::credentials::{Credential, TokenScheme};
use portcullis::authenticate::{self, Unproven};
use portcullis::config;
use portcullis::jwks::KeySets;
use portcullis::model::clock::{Clock, UnixSeconds};
use portcullis::route;
use portcullis::snapshot::compile::Compiler;
use portcullis::snapshot::{Routed, Snapshot};
use portcullis::supervise::clock::SystemClock;
use portcullis::telemetry::Metrics;
use serde_json::json;

use crate::signer::{Signer, key_set_of};

const ISSUER: &str = "https://localhost:9444/oauth2/token";
const PATH: &str = "/orders/1.0.0/orders/42";
const KEY_ID: &str = "MjUwOWFiYzItNTgyYy00NTQ5LTk3M2ItM2Y4NzE5NGUyYWQ0_ES256";

/// A key manager, its snapshot, and what its caches count with.
pub struct Crowd {
    pub snapshot: Snapshot,
    pub now: UnixSeconds,
    signer: Signer,
    metrics: Arc<Metrics>,
    /// The fetching tasks end with it.
    _fetchers: KeySets,
}

impl Crowd {
    /// `keys` says where the key manager reads its keys. To be called on a runtime.
    pub fn new(signer: Signer, keys: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("keys.json"), key_set(&signer)).expect("written");
        let path = folder.path().join("gateway.toml");
        fs::write(&path, FILE.replace("KEYS", keys)).expect("written");
        let model = config::load(&path).unwrap_or_else(|report| panic!("{report}")).model;
        let mut fetchers = KeySets::new(folder.path(), Arc::new(SystemClock));
        let keys = fetchers.reconcile(&model.key_managers);
        let metrics = Metrics::new(2, 1000);
        let snapshot =
            Compiler::new(Arc::clone(&metrics), 1).compile(model, keys).expect("a snapshot");
        Self { snapshot, now: SystemClock.now(), signer, metrics, _fetchers: fetchers }
    }

    /// So many good tokens that differ in their `jti`, made on as many threads.
    pub fn tokens(&self, count: usize, threads: usize) -> Vec<String> {
        let key = EncodingKey::from_ec_der(&self.signer.private_der());
        let header = Header {
            kid: Some(KEY_ID.to_owned()),
            typ: Some("at+jwt".to_owned()),
            ..Header::new(Algorithm::ES256)
        };
        let sign =
            |at: usize| jsonwebtoken::encode(&header, &self.claims(at), &key).expect("signed");
        let share = count.div_ceil(threads);
        thread::scope(|scope| {
            let ranges = (0..threads).map(|thread| thread * share..count.min((thread + 1) * share));
            let signing: Vec<_> =
                ranges.map(|range| scope.spawn(|| range.map(&sign).collect::<Vec<_>>())).collect();
            signing.into_iter().flat_map(|signed| signed.join().expect("signed")).collect()
        })
    }

    /// A token with this `kid` and a signature that is none.
    pub fn forged(&self, key_id: &str) -> String {
        let header = json!({ "alg": "ES256", "kid": key_id, "typ": "at+jwt" }).to_string();
        let input = format!(
            "{}.{}",
            crate::signer::encode(header.as_bytes()),
            crate::signer::encode(self.claims(0).to_string().as_bytes())
        );
        format!("{input}.{}", crate::signer::encode(&[7; 64]))
    }

    fn claims(&self, at: usize) -> serde_json::Value {
        json!({
            "iss": ISSUER, "azp": "7wYeybBGCVfLxPmS0z66WNMffyMa", "sub": "4b1f6f3a-1c55-4a0e-9c0e-0d6a7f3f1a01",
            "aut": "APPLICATION", "scope": "orders:read orders:write", "exp": self.now.0 + 36_000, "iat": self.now.0, "nbf": self.now.0,
            "jti": format!("0a1d6c1e-6f4b-4c0c-a6a0-{at:012x}"),
        })
    }

    /// One worker's cache, of so many bytes.
    pub fn cache(&self, worker: usize, bytes: u64) -> TokenCache {
        let revocations = Arc::new(portcullis::revocation::Revocations::in_memory());
        TokenCache::new(
            bytes,
            self.metrics.worker(worker),
            Common { revocations, ..Common::alone() },
        )
    }

    /// The route that all requests take.
    pub fn routed(&self) -> Routed<'_> {
        let path = route::normalize(PATH).expect("a path");
        self.snapshot.route("api.example", &path, &Method::GET).expect("a route")
    }

    /// Judges a token, as a worker does.
    pub fn judge(
        &self,
        routed: &Routed<'_>,
        token: &[u8],
        cache: &TokenCache,
    ) -> Result<(), Unproven> {
        let headers = http::HeaderMap::new();
        let evidence = Evidence {
            certificate: None,
            peer: None,
            client: None,
            method: "GET",
            scheme: "https",
            authority: "",
            paths: ["", ""],
            prefix: "",
            headers: &headers,
        };
        let credential = Credential { token, scheme: TokenScheme::Bearer };
        authenticate::authenticate(&self.snapshot, routed, credential, &evidence, cache, self.now)
            .map(drop)
    }
}

pub fn key_set(signer: &Signer) -> Vec<u8> {
    key_set_of(&[signer.jwk(&json!({ "kid": KEY_ID, "use": "sig", "alg": "ES256" }))])
}

/// The same numbers in each run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or_default()
    }
}

const FILE: &str = r#"
[[key_managers]]
name = "km"
type = "WSO2-IS"
issuer = "https://localhost:9444/oauth2/token"
KEYS
[[apis]]
name = "orders"
version = "1.0.0"
context = "/orders"
production = { urls = ["http://127.0.0.1:9"] }
operations = [{ method = "GET", path = "/orders/{id}", scopes = ["orders:read"] }]
"#;

/// The median of measurements.
pub fn median(mut measured: Vec<f64>) -> f64 {
    measured.sort_by(f64::total_cmp);
    measured.get(measured.len() / 2).copied().unwrap_or_default()
}

/// Where keys are written to when they come from a file.
pub const FROM_A_FILE: &str = "certificates = { jwks_file = \"keys.json\" }";

/// What this thread has used of a core, in seconds: waiting for one on a busy machine is not counted.
pub fn used() -> f64 {
    let told = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    told.split(' ')
        .next()
        .and_then(|nanoseconds| nanoseconds.parse::<f64>().ok())
        .expect("a number")
        / 1e9
}
