//! Accepted and refused tokens: some signed here, some published.

mod hostile;
mod keys;
mod kind;
mod properties;
mod rules;
#[allow(unreachable_pub, dead_code, reason = "integration tests and benches take this file too")]
pub(crate) mod signer;
mod vectors;
mod wycheproof;

use std::time::Duration;

use serde_json::json;

use crate::jwt::tests::signer::{Signer, key_set_of, pem};
use crate::jwt::{Claims, KeySet, Rejection, Unverified};
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::{IdTokens, SignatureAlgorithm, TokenRules};

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);
const MAX_BYTES: usize = 16 * 1024;

/// One signer with the key set that holds its public half as `k1`.
struct Server {
    signer: Signer,
    keys: KeySet,
}

impl Server {
    fn new(algorithm: &'static str) -> Self {
        let signer = Signer::new(algorithm);
        let keys = key_set(&[signer.jwk(&json!({"kid": "k1"}))]);
        Self { signer, keys }
    }

    /// A token with this payload that is in order otherwise.
    fn token(&self, payload: &str) -> String {
        self.signer.token(&format!(r#"{{"alg":"{}","kid":"k1"}}"#, self.signer.algorithm), payload)
    }

    fn verify(&self, token: impl AsRef<[u8]>) -> Result<Claims, Rejection> {
        self.judge(token, &rules())
    }

    fn judge(&self, token: impl AsRef<[u8]>, rules: &TokenRules) -> Result<Claims, Rejection> {
        Unverified::parse(token.as_ref(), MAX_BYTES)?.verify(&self.keys, rules, NOW)
    }

    /// The verdict on a payload alone.
    fn claims(&self, payload: &str) -> Result<Claims, Rejection> {
        self.verify(self.token(payload))
    }
}

fn key_set(keys: &[serde_json::Value]) -> KeySet {
    KeySet::from_jwks(&key_set_of(keys)).unwrap().keys
}

pub(super) fn rules() -> TokenRules {
    TokenRules {
        algorithms: SignatureAlgorithm::ALL.to_vec(),
        token_types: Vec::new(),
        id_tokens: IdTokens::Refuse,
        audiences: Vec::new(),
        leeway: Duration::from_secs(30),
        observe: false,
        max_lifetime: None,
    }
}

const GOOD: &str = r#"{"iss":"https://as.example","exp":1700000600,"sub":"alice","azp":"client-1","scope":"read write"}"#;

#[test]
fn a_good_token_of_each_algorithm_gives_its_claims() {
    for algorithm in SignatureAlgorithm::ALL {
        let server = Server::new(algorithm.name());
        let claims = server.claims(GOOD).unwrap();
        assert_eq!(claims.issuer(), "https://as.example", "{algorithm:?}");
        assert_eq!(claims.subject(), Some("alice"));
        assert_eq!(claims.expires_at(), UnixSeconds(1_700_000_600));
        assert!(server.keys.contains(claims.signed_by()));
        assert!(!Server::new("ES256").keys.contains(claims.signed_by()));
    }
}

#[test]
fn tokens_made_by_jsonwebtoken_verify() {
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    for (name, algorithm) in [
        ("RS256", Algorithm::RS256),
        ("PS384", Algorithm::PS384),
        ("ES256", Algorithm::ES256),
        ("ES384", Algorithm::ES384),
        ("EdDSA", Algorithm::EdDSA),
    ] {
        let server = Server::new(name);
        let private = server.signer.private_der();
        let key = match name {
            "ES256" | "ES384" => EncodingKey::from_ec_der(&private),
            "EdDSA" => EncodingKey::from_ed_der(&private),
            _ => EncodingKey::from_rsa_pem(pem("PRIVATE KEY", &private).as_bytes()).unwrap(),
        };
        let header = Header { kid: Some("k1".to_owned()), ..Header::new(algorithm) };
        let token = jsonwebtoken::encode(&header, &json!({"iss": "a", "exp": 1_700_000_600}), &key)
            .unwrap();
        assert_eq!(server.verify(&token).unwrap().issuer(), "a", "{name}");
    }
}

#[test]
fn an_unverified_token_tells_whom_to_ask_and_nothing_else() {
    let server = Server::new("EdDSA");
    let token = server.token(GOOD);
    let unverified = Unverified::parse(token.as_bytes(), MAX_BYTES).unwrap();
    assert_eq!(unverified.issuer(), Some("https://as.example"));
    assert_eq!(unverified.key_id(), Some("k1"));
    assert_eq!(unverified.algorithm_name(), "EdDSA");
    assert!(!format!("{unverified:?}").contains("alice"));
    assert!(!format!("{:?}", server.verify(&token).unwrap()).contains("alice"));
}

#[test]
fn the_size_is_looked_at_first() {
    assert_eq!(
        Unverified::parse(&[b'.'; 101], 100).unwrap_err(),
        Rejection::TooLarge { bytes: 101, limit: 100 }
    );
}
