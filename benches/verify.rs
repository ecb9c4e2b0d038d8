//! What a token costs that was not seen before, per algorithm: the bare signature check by a parsed key, our whole
//! verification, the part of it that needs no key, and `jsonwebtoken::decode` for comparison. The ratio of the first two is
//! measured in turns, round by round, so that a busy machine slows both alike.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench that cannot start says so"
)]

#[path = "../src/jwt/tests/signer.rs"]
#[allow(unreachable_pub, dead_code, reason = "unit tests use the rest")]
mod signer;

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{Criterion, criterion_group, criterion_main};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use portcullis::jwt::{KeySet, Unverified};
use portcullis::model::clock::UnixSeconds;
use portcullis::model::key_manager::{IdTokens, SignatureAlgorithm, TokenRules};
use serde_json::json;

use crate::signer::{Signer, key_set_of};

/// As an authorization server writes it: some 600 bytes of token.
const PAYLOAD: &str = r#"{"sub":"4b1f6f3a-1c55-4a0e-9c0e-0d6a7f3f1a01","aut":"APPLICATION_USER","iss":"https://localhost:9444/oauth2/token","client_id":"7wYeybBGCVfLxPmS0z66WNMffyMa","aud":["7wYeybBGCVfLxPmS0z66WNMffyMa","https://api.example"],"nbf":1700000000,"azp":"7wYeybBGCVfLxPmS0z66WNMffyMa","org_id":"10084a8d-113f-4211-a0d5-efe36b082211","scope":"accounts:read accounts:write payments:read","exp":4102444800,"iat":1700000000,"jti":"0a1d6c1e-6f4b-4c0c-a6a0-0f3b9ad0e5b1"}"#;

const KEY_ID: &str = "MjUwOWFiYzItNTgyYy00NTQ5LTk3M2ItM2Y4NzE5NGUyYWQ0_RS256";

fn verify(criterion: &mut Criterion) {
    let algorithms: [(&str, &'static dyn VerificationAlgorithm); 6] = [
        ("RS256", &signature::RSA_PKCS1_2048_8192_SHA256),
        ("PS256", &signature::RSA_PSS_2048_8192_SHA256),
        ("ES256", &signature::ECDSA_P256_SHA256_FIXED),
        ("ES384", &signature::ECDSA_P384_SHA384_FIXED),
        ("ES512", &signature::ECDSA_P521_SHA512_FIXED),
        ("EdDSA", &signature::ED25519),
    ];
    for (name, bare) in algorithms {
        one_algorithm(criterion, name, bare);
    }
}

fn one_algorithm(
    criterion: &mut Criterion,
    name: &'static str,
    parameters: &'static dyn VerificationAlgorithm,
) {
    let signer = Signer::new(name);
    let token = signer.token(
        &json!({"alg": name, "kid": KEY_ID, "typ": "at+jwt", "x5t": "NTdmZjM4ZDk3NjY0YzZlYTQ"})
            .to_string(),
        PAYLOAD,
    );
    let jwk = signer.jwk(&json!({"kid": KEY_ID, "use": "sig", "alg": name}));
    let mut group = criterion.benchmark_group(format!("verify/{name}"));

    let (input, encoded) = token.rsplit_once('.').unwrap();
    let decoded = URL_SAFE_NO_PAD.decode(encoded).unwrap();
    let parsed = ParsedPublicKey::new(parameters, signer.public_bytes()).unwrap();
    let bare = || parsed.verify_sig(black_box(input.as_bytes()), &decoded).unwrap();
    group.bench_function("bare", |bencher| bencher.iter(bare));

    let keys = KeySet::from_jwks(&key_set_of(std::slice::from_ref(&jwk))).unwrap().keys;
    let rules = TokenRules {
        algorithms: SignatureAlgorithm::ALL.to_vec(),
        token_types: Vec::new(),
        id_tokens: IdTokens::Refuse,
        audiences: vec!["https://api.example".to_owned()],
        leeway: Duration::from_secs(30),
        observe: false,
        max_lifetime: None,
    };
    let ours = || {
        let unverified = Unverified::parse(black_box(token.as_bytes()), 16 * 1024).unwrap();
        unverified.verify(&keys, &rules, UnixSeconds(1_700_000_100)).unwrap()
    };
    group.bench_function("ours", |bencher| bencher.iter(ours));
    // `cargo test` runs benches too, to see that they start
    if std::env::args().any(|argument| argument == "--bench") {
        println!("verify/{name}: ours takes {:.2} of the bare check's time", ratio(bare, ours));
    }

    group.bench_function("parse", |bencher| {
        bencher.iter(|| Unverified::parse(black_box(token.as_bytes()), 16 * 1024).unwrap());
    });

    // it knows no ES512
    if let Ok(algorithm) = name.parse::<Algorithm>() {
        let key = DecodingKey::from_jwk(&serde_json::from_value(jwk).unwrap()).unwrap();
        let mut validation = Validation::new(algorithm);
        validation.validate_nbf = true;
        validation.set_audience(&["https://api.example"]);
        group.bench_function("jsonwebtoken", |bencher| {
            bencher.iter(|| {
                jsonwebtoken::decode::<serde_json::Value>(black_box(&token), &key, &validation)
                    .unwrap()
            });
        });
    }
    group.finish();
}

/// The median over rounds in which each has its turn.
fn ratio<A, B>(mut bare: impl FnMut() -> A, mut ours: impl FnMut() -> B) -> f64 {
    const ROUNDS: usize = 401;
    const AT_ONCE: usize = 10;
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            for _ in 0..AT_ONCE {
                black_box(bare());
            }
            let between = Instant::now();
            for _ in 0..AT_ONCE {
                black_box(ours());
            }
            between.elapsed().as_secs_f64() / (between - begun).as_secs_f64()
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

criterion_group!(
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = verify
);
criterion_main!(benches);
