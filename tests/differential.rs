//! Generated and mutated tokens through our verification and through `jsonwebtoken::decode` with equivalent rules.
//!
//! Each disagreement must be one of [`Difference`], the written list, and must have its cause in the token; each entry of
//! the list is shown to be real by an example.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "differential/case.rs"]
mod case;
#[path = "differential/difference.rs"]
mod difference;
#[path = "../src/jwt/tests/signer.rs"]
#[allow(unreachable_pub, dead_code, reason = "unit tests and benches use this file too")]
mod signer;

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Duration;

use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Validation, get_current_timestamp};
use portcullis::jwt::{KeySet, Rejection, Unverified};
use portcullis::model::clock::UnixSeconds;
use portcullis::model::key_manager::{IdTokens, SignatureAlgorithm, TokenRules};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::case::{Case, ISSUER, LEEWAY};
use crate::difference::{Difference, Refuses};
use crate::signer::{Signer, key_set_of};

const AUDIENCE: &str = "orders";

/// One authorization server as both libraries see it.
struct Server {
    signer: Signer,
    keys: KeySet,
    their_key: DecodingKey,
    family: AlgorithmFamily,
}

static SERVERS: LazyLock<Vec<Server>> =
    LazyLock::new(|| ["RS256", "PS256", "ES256", "EdDSA"].map(Server::new).into());

impl Server {
    fn new(algorithm: &'static str) -> Self {
        let signer = Signer::new(algorithm);
        let jwk = signer.jwk(&json!({"kid": "k1"}));
        let keys = KeySet::from_jwks(&key_set_of(std::slice::from_ref(&jwk))).unwrap().keys;
        let their_key = DecodingKey::from_jwk(&serde_json::from_value(jwk).unwrap()).unwrap();
        let family = algorithm.parse::<Algorithm>().unwrap().family();
        Self { signer, keys, their_key, family }
    }

    /// As the gateway does: the issuer chooses the key manager before anything is believed.
    fn ours(&self, token: &[u8], audience: bool, now: u64) -> Result<String, Ours> {
        let rules = TokenRules {
            algorithms: SignatureAlgorithm::ALL.to_vec(),
            token_types: Vec::new(),
            id_tokens: IdTokens::Refuse,
            audiences: audience.then(|| AUDIENCE.to_owned()).into_iter().collect(),
            leeway: Duration::from_secs(LEEWAY),
            observe: false,
            max_lifetime: None,
        };
        let unverified = Unverified::parse(token, 16 * 1024).map_err(Ours::Rejected)?;
        if unverified.issuer() != Some(ISSUER) {
            return Err(Ours::OtherIssuer);
        }
        let claims =
            unverified.verify(&self.keys, &rules, UnixSeconds(now)).map_err(Ours::Rejected)?;
        Ok(claims.subject().unwrap_or_default().to_owned())
    }

    fn theirs(&self, token: &[u8], audience: bool) -> Result<String, jsonwebtoken::errors::Error> {
        let mut validation = Validation::new_for_family(self.family);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(if audience {
            &["exp", "iss", "aud"][..]
        } else {
            &["exp", "iss"]
        });
        validation.validate_aud = audience;
        validation.set_audience(&[AUDIENCE]);
        let claims = jsonwebtoken::decode::<Value>(token, &self.their_key, &validation)?.claims;
        Ok(claims["sub"].as_str().unwrap_or_default().to_owned())
    }
}

/// Our refusal.
#[derive(Debug)]
pub(crate) enum Ours {
    OtherIssuer,
    Rejected(Rejection),
}

/// What came of one case.
enum Outcome {
    BothAccept,
    BothRefuse,
    Known(Difference),
}

/// Panics when the two disagree for a reason that is not written down.
fn compare(case: &Case) -> Outcome {
    let server = &SERVERS[case.server % SERVERS.len()];
    loop {
        let now = get_current_timestamp();
        let token = case.token(&server.signer, now);
        let ours = server.ours(&token, case.audience, now);
        let theirs = server.theirs(&token, case.audience);
        if get_current_timestamp() != now {
            // the second passed between the two: they judged by different clocks
            continue;
        }
        return match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!(ours, theirs, "{case:?}");
                Outcome::BothAccept
            }
            (Err(_), Err(_)) => Outcome::BothRefuse,
            (ours, theirs) => {
                let known = Difference::of(case, ours.as_ref().err(), now);
                let known =
                    known.unwrap_or_else(|| panic!("{case:?}\nours: {ours:?}\ntheirs: {theirs:?}"));
                let refuses = if ours.is_err() { Refuses::We } else { Refuses::It };
                assert_eq!(
                    known.refused_by(),
                    refuses,
                    "{known:?} is the other way round: {case:?}"
                );
                Outcome::Known(known)
            }
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn every_disagreement_is_written_down(case in case::any_case()) {
        compare(&case);
    }
}

/// The generator is worth something: it makes tokens that both accept, that both refuse, and that divide them.
#[test]
fn the_generator_reaches_all_outcomes() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut accepted, mut refused, mut differences) = (0, 0, HashSet::new());
    for _ in 0..3000 {
        match compare(&case::any_case().new_tree(&mut runner).unwrap().current()) {
            Outcome::BothAccept => accepted += 1,
            Outcome::BothRefuse => refused += 1,
            Outcome::Known(difference) => {
                differences.insert(difference);
            }
        }
    }
    assert!(
        accepted > 200 && refused > 500 && differences.len() > 8,
        "{accepted} {refused} {differences:?}"
    );
}

/// An entry that no token shows any more is taken off the list.
#[test]
fn each_written_difference_is_real() {
    for difference in Difference::ALL {
        let case = difference.example();
        match compare(&case) {
            Outcome::Known(found) => assert_eq!(found, difference, "{case:?}"),
            Outcome::BothAccept => panic!("{difference:?}: both accept {case:?}"),
            Outcome::BothRefuse => panic!("{difference:?}: both refuse {case:?}"),
        }
    }
}
