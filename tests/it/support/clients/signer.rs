//! [`Signer`]: signs whatever a test wants signed, for what no authorization server would issue.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis::model::clock::Clock;
use portcullis::supervise::clock::SystemClock;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use serde_json::{Value, json};

/// A P-256 key with its `kid`.
pub(crate) struct Signer {
    key: EncodingKey,
    jwk: Value,
    pem: String,
    pub(crate) key_id: &'static str,
}

impl Signer {
    pub(crate) fn new(key_id: &'static str) -> Signer {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let point = pair.der_bytes();
        let (x, y) = point.get(1..).expect("a point").split_at(32);
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": key_id,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        });
        let pem = pair.public_key_pem();
        Signer { key: EncodingKey::from_ec_der(pair.serialized_der()), jwk, pem, key_id }
    }

    /// The public key in PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// The key set that holds this key and nothing else.
    pub(crate) fn jwks(&self) -> String {
        json!({ "keys": [self.jwk] }).to_string()
    }

    /// A token of these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = Header {
            kid: Some(self.key_id.to_owned()),
            typ: Some("at+jwt".to_owned()),
            ..Header::new(Algorithm::ES256)
        };
        self.sign_with(&header, claims)
    }

    pub(crate) fn sign_with(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.key).expect("signed")
    }
}

/// The key set that holds the keys of all these.
pub(crate) fn key_set(signers: &[&Signer]) -> String {
    let keys: Vec<&Value> = signers.iter().map(|signer| &signer.jwk).collect();
    json!({ "keys": keys }).to_string()
}

/// Claims of a token that is good for an hour.
pub(crate) fn claims(issuer: &str, client: &str, scope: &str) -> Value {
    let now = jsonwebtoken::get_current_timestamp();
    json!({ "iss": issuer, "sub": client, "azp": client, "client_id": client, "scope": scope, "iat": now, "exp": now + 3600, "jti": "1" })
}

/// The change of claims that makes a token expire after so many seconds.
pub(crate) fn soon(seconds: u64) -> Value {
    json!({ "exp": SystemClock.now().0 + seconds })
}
