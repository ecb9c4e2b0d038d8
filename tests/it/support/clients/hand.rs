//! [`Hand`]: a client that holds a key and proves it (RFC 9449).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header};
use portcullis::model::clock::Clock;
use portcullis::supervise::clock::SystemClock;
use serde_json::{Value, json};

use crate::support::bank::Bank;
use crate::support::signer::Signer;

/// What proofs are about unless a test says otherwise.
pub(crate) const PATH: &str = "/accounts/1.0.0/accounts/42";

/// The SHA-256, as tokens and proofs have it.
pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, bytes.as_ref()))
}

/// A client with a key of its own.
pub(crate) struct Hand {
    signer: Signer,
    count: std::cell::Cell<u32>,
}

impl Hand {
    pub(crate) fn new() -> Hand {
        Hand { signer: Signer::new("proof"), count: std::cell::Cell::new(0) }
    }

    fn public(&self) -> Value {
        let mut jwk =
            serde_json::from_str::<Value>(&self.signer.jwks()).unwrap()["keys"][0].clone();
        for extra in ["kid", "alg", "use"] {
            jwk.as_object_mut().unwrap().remove(extra);
        }
        jwk
    }

    /// RFC 7638.
    pub(crate) fn thumbprint(&self) -> String {
        let jwk = self.public();
        encoded(format!(
            "{{\"crv\":{},\"kty\":{},\"x\":{},\"y\":{}}}",
            jwk["crv"], jwk["kty"], jwk["x"], jwk["y"]
        ))
    }

    /// A good proof for a GET of the bank's account but for these claims.
    pub(crate) fn proof(&self, bank: &Bank, token: &str, changes: &Value) -> String {
        self.count.set(self.count.get() + 1);
        let mut claims = json!({
            "htm": "GET", "htu": bank.gateway.url(PATH), "iat": SystemClock.now().0, "jti": format!("proof-{}", self.count.get()),
            "ath": encoded(token),
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("dpop+jwt".to_owned());
        header.jwk = Some(serde_json::from_value(self.public()).unwrap());
        self.signer.sign_with(&header, &claims)
    }
}
