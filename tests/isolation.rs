//! One key manager's token never acts as another's, whatever the two have in common: issuers that look alike, equal key
//! ids, the same keys, the same client, subject and `jti`.
//!
//! Mixtures are generated; what each token may be is worked out from the mixture alone, and the decision must come to
//! exactly that, also for tokens that were seen before.

#![cfg(test)]

#[path = "../src/jwt/tests/signer.rs"]
#[allow(unreachable_pub, dead_code, reason = "unit tests and benches use this file too")]
mod signer;

use std::fmt::Write;
use std::sync::{Arc, LazyLock};

use http::{HeaderMap, Method};
use portcullis::authenticate::cache::{Common, TokenCache};
use portcullis::config;
use portcullis::jwks::KeySets;
use portcullis::model::clock::{Clock, UnixSeconds};
use portcullis::proxy::{ConnectionFacts, RequestFacts, decide};
use portcullis::revocation::Revocations;
use portcullis::revocation::record::{Mark, RevocationKind, RevocationRecord};
use portcullis::route;
use portcullis::snapshot::Snapshot;
use portcullis::snapshot::compile::Compiler;
use portcullis::supervise::clock::SystemClock;
use portcullis::telemetry::Metrics;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::signer::{Signer, key_set_of};

/// One address as people, proxies and attackers spell it: to us they are all different.
const ISSUERS: [&str; 16] = [
    "https://as.example/t/bank",
    "https://as.example/t/bank/",
    "https://as.example//t/bank",
    "https://as.example/t/./bank",
    "https://AS.example/t/bank",
    "https://as.example/t/Bank",
    "https://as.example/t/%62ank",
    "https://as.example/t%2Fbank",
    "https://as.example:443/t/bank",
    "https://as.example:8443/t/bank",
    "https://user@as.example/t/bank",
    "https://as.example@evil.example/t/bank",
    "https://as.example./t/bank",
    "https://\u{430}s.example/t/bank",
    "http://as.example/t/bank",
    "https://as.example/t/bank?",
];

const KEY_IDS: [&str; 6] = ["k1", "K1", "k1 ", "k1/", "%6b1", ""];

const ORGANISATIONS: [&str; 4] = ["null", "\"a\"", "\"b\"", "[\"a\",\"b\"]"];

static SIGNERS: LazyLock<Vec<Signer>> =
    LazyLock::new(|| ["EdDSA", "EdDSA", "ES256", "ES256"].map(Signer::new).into());

/// Key managers and what is shown to them.
#[derive(Debug, Clone)]
struct Mixture {
    servers: Vec<Server>,
    tokens: Vec<Token>,
    /// The server whose token with the `jti` that all tokens have is revoked.
    revoked: Option<usize>,
}

#[derive(Debug, Clone)]
struct Server {
    issuer: &'static str,
    /// Which of its issuer's tokens are its own, where it shares the issuer.
    organization: Option<&'static str>,
    /// Signers with their ids.
    keys: Vec<(usize, &'static str)>,
}

#[derive(Debug, Clone)]
struct Token {
    issuer: &'static str,
    key_id: Option<&'static str>,
    signer: usize,
    organization: &'static str,
    /// Whether it is shown to the API that takes the first key manager's tokens only.
    to_the_first_ones: bool,
}

impl Mixture {
    /// Whose token this is, if it is anybody's, worked out without the code under test.
    fn owner(&self, token: &Token) -> Option<usize> {
        let own = |server: &Server| {
            let claimed = match server.organization {
                None => true,
                Some(wanted) => token.organization.contains(&format!("\"{wanted}\"")),
            };
            server.issuer.as_bytes() == token.issuer.as_bytes() && claimed
        };
        let owners: Vec<usize> =
            (0..self.servers.len()).filter(|at| own(&self.servers[*at])).collect();
        let [owner] = owners[..] else { return None };
        let algorithm = SIGNERS[token.signer].algorithm;
        let meant = self.servers[owner]
            .keys
            .iter()
            .filter(|(_, id)| token.key_id.is_none_or(|wanted| wanted == *id));
        let mut fitting: Vec<usize> = meant
            .map(|(signer, _)| *signer)
            .filter(|signer| SIGNERS[*signer].algorithm == algorithm)
            .collect();
        fitting.sort_unstable();
        fitting.dedup();
        let taken = (!token.to_the_first_ones || owner == 0) && self.revoked != Some(owner);
        (fitting == [token.signer] && taken).then_some(owner)
    }

    fn write(&self, folder: &std::path::Path) {
        let mut text = String::new();
        for (at, server) in self.servers.iter().enumerate() {
            let keys: Vec<Value> = server
                .keys
                .iter()
                .map(|(signer, id)| SIGNERS[*signer].jwk(&json!({ "kid": id })))
                .collect();
            std::fs::write(folder.join(format!("keys-{at}.json")), key_set_of(&keys)).unwrap();
            let handling = server.organization.map(|org| {
                format!(
                    "token_handling = [{{ type = \"jwt\", claims = {{ org_id = \"^{org}$\" }} }}]\n"
                )
            });
            write!(
                text,
                "[[key_managers]]\nname = \"km-{at}\"\nissuer = '{}'\ncertificates = {{ jwks_file = \"keys-{at}.json\" }}\n\
                 consumer_key_claim = \"client_id\"\n{}\
                 [[applications]]\nname = \"app-{at}\"\n\
                 keys = [{{ type = \"production\", key_manager = \"km-{at}\", consumer_key = \"client\" }}]\n\
                 subscriptions = [{{ api = \"all:1\" }}, {{ api = \"first:1\" }}]\n",
                server.issuer,
                handling.unwrap_or_default()
            )
            .unwrap();
        }
        for (name, more) in [("all", ""), ("first", "key_managers = [\"km-0\"]\n")] {
            write!(
                text,
                "[[apis]]\nname = \"{name}\"\nversion = \"1\"\ncontext = \"/{name}\"\nproduction = {{ urls = [\"http://127.0.0.1:9\"] }}\n{more}\
                 operations = [{{ method = \"GET\", path = \"/*\" }}]\n"
            )
            .unwrap();
        }
        std::fs::write(folder.join("gateway.toml"), text).unwrap();
    }
}

impl Token {
    fn written(&self, now: UnixSeconds) -> String {
        let signer = &SIGNERS[self.signer];
        let mut header = json!({ "alg": signer.algorithm });
        if let Some(id) = self.key_id {
            header["kid"] = json!(id);
        }
        let organization: Value = serde_json::from_str(self.organization).unwrap();
        let claims = json!({
            "iss": self.issuer, "client_id": "client", "sub": "someone", "jti": "1", "exp": now.0 + 600, "iat": now.0, "org_id": organization,
        });
        signer.token(&header.to_string(), &claims.to_string())
    }
}

/// Who calls, by the names of the key manager and the application.
fn decided(
    snapshot: &Snapshot,
    token: &str,
    path: &str,
    cache: &TokenCache,
    now: UnixSeconds,
) -> Result<(String, String), String> {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    let path = route::normalize(path).unwrap();
    let asked = RequestFacts {
        method: &Method::GET,
        host: "api.example",
        path: &path,
        headers: &headers,
        connection: ConnectionFacts::UNKNOWN,
    };
    let grant = decide(snapshot, &asked, cache, now)
        .map_err(|undecided| undecided.into_refusal().message().unwrap_or_default())?;
    let key_manager = grant.principal().unwrap().key_manager().definition.name.to_string();
    Ok((key_manager, grant.application().unwrap().name.to_owned()))
}

fn judge(mixture: &Mixture) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    mixture.write(folder.path());
    let model = config::load(&folder.path().join("gateway.toml"))
        .unwrap_or_else(|report| panic!("{report}"))
        .model;
    let mut fetchers = KeySets::new(folder.path(), Arc::new(SystemClock));
    let keys = fetchers.reconcile(&model.key_managers);
    let metrics = Metrics::new(1, 1000);
    let revocations = Arc::new(Revocations::in_memory());
    let cache = TokenCache::new(
        1024 * 1024,
        metrics.worker(0),
        Common { revocations: Arc::clone(&revocations), ..Common::alone() },
    );
    let snapshot = Compiler::new(metrics, 1).compile(model, keys).unwrap();
    let now = SystemClock.now();
    if let Some(server) = mixture.revoked {
        let mark = Mark::of_id(&format!("km-{server}"), "1");
        revocations
            .revoke(&[RevocationRecord::new(mark, RevocationKind::Token, UnixSeconds(now.0 + 600))])
            .unwrap();
    }
    let (mut granted, mut refused) = (0, 0);
    let tokens: Vec<(String, &Token)> =
        mixture.tokens.iter().map(|token| (token.written(now), token)).collect();
    // the second time round, verdicts and forgeries are remembered
    for (text, token) in tokens.iter().chain(&tokens) {
        let path = if token.to_the_first_ones { "/first/1/x" } else { "/all/1/x" };
        let wanted =
            mixture.owner(token).map(|owner| (format!("km-{owner}"), format!("app-{owner}")));
        let found = decided(&snapshot, text, path, &cache, now);
        assert_eq!(
            found.as_ref().ok(),
            wanted.as_ref(),
            "{token:?}: {found:?} in {:#?}",
            mixture.servers
        );
        *if wanted.is_some() { &mut granted } else { &mut refused } += 1;
    }
    (granted, refused)
}

fn any_keys() -> impl Strategy<Value = Vec<(usize, &'static str)>> {
    prop::collection::vec((0..SIGNERS.len(), prop::sample::select(&KEY_IDS[..])), 1..4)
}

/// A server with an issuer of its own, or two that share one and tell their tokens apart.
fn any_servers() -> impl Strategy<Value = Vec<Server>> {
    let issuers = prop::sample::subsequence(&ISSUERS[..], 2..5).prop_shuffle();
    let of_one = (any_keys(), prop::option::weighted(0.3, any_keys()));
    (issuers, prop::collection::vec(of_one, 5)).prop_map(|(issuers, keys)| {
        let servers =
            issuers.into_iter().zip(keys).flat_map(|(issuer, (own, other))| match other {
                None => vec![Server { issuer, organization: None, keys: own }],
                Some(other) => {
                    vec![
                        Server { issuer, organization: Some("a"), keys: own },
                        Server { issuer, organization: Some("b"), keys: other },
                    ]
                }
            });
        servers.collect()
    })
}

/// Most tokens are nearly right: a server's issuer or one that looks like it, and a key of any server.
fn any_mixture() -> impl Strategy<Value = Mixture> {
    any_servers().prop_flat_map(|servers| {
        let issuers: Vec<&'static str> = servers.iter().map(|server| server.issuer).collect();
        let keys: Vec<(usize, &'static str)> = servers.iter().flat_map(|server| server.keys.clone()).collect();
        let issuer = prop_oneof![6 => prop::sample::select(issuers), 1 => prop::sample::select(&ISSUERS[..])];
        let key = prop_oneof![
            6 => prop::sample::select(keys).prop_map(|(signer, id)| (signer, Some(id))),
            1 => (0..SIGNERS.len(), prop::option::of(prop::sample::select(&KEY_IDS[..]))),
        ];
        let token = (issuer, key, prop::sample::select(&ORGANISATIONS[..]), any::<bool>()).prop_map(
            |(issuer, (signer, key_id), organization, to_the_first_ones)| Token { issuer, key_id, signer, organization, to_the_first_ones },
        );
        let revoked = prop::option::weighted(0.3, 0..servers.len());
        (Just(servers), prop::collection::vec(token, 1..24), revoked).prop_map(|(servers, tokens, revoked)| Mixture {
            servers,
            tokens,
            revoked,
        })
    })
}

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap()
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_token_is_its_own_key_managers_or_nobodys(mixture in any_mixture()) {
        let _guard = RUNTIME.enter();
        judge(&mixture);
    }
}

/// The generator is worth something: many tokens are let through, and many are not.
#[test]
fn the_generator_reaches_both_outcomes() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let _guard = RUNTIME.enter();
    let mut runner = TestRunner::deterministic();
    let (mut granted, mut refused) = (0, 0);
    for _ in 0..100 {
        let (more, others) = judge(&any_mixture().new_tree(&mut runner).unwrap().current());
        granted += more;
        refused += others;
    }
    assert!(granted > 200 && refused > 500, "{granted} {refused}");
}

/// Two servers that differ in nothing but the spelling of their issuer, with each other's keys under the same ids.
#[test]
fn swapped_keys_and_equal_ids() {
    let _guard = RUNTIME.enter();
    for other in &ISSUERS[1..] {
        let server =
            |issuer, signer| Server { issuer, organization: None, keys: vec![(signer, "k1")] };
        let token = |issuer, signer| Token {
            issuer,
            key_id: Some("k1"),
            signer,
            organization: "null",
            to_the_first_ones: false,
        };
        let tokens =
            vec![token(ISSUERS[0], 0), token(other, 1), token(ISSUERS[0], 1), token(other, 0)];
        let mixture = Mixture {
            servers: vec![server(ISSUERS[0], 0), server(other, 1)],
            tokens,
            revoked: None,
        };
        assert_eq!(judge(&mixture), (4, 4), "{other}");
    }
}
