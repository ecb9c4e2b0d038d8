//! Reads a private key of the gateway, which signs backend JWTs or client assertions.
//!
//! The key decides the algorithm. Its thumbprint is its id unless the operator gives another one.

use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::Value;

use crate::model::key_manager::PemFile;

/// A file without a key that can sign.
#[derive(Debug, thiserror::Error)]
#[error(
    "{file} holds no private key that can sign: RSA of 2048 bits or more, or EC on P-256, in PEM"
)]
pub struct UnusableKey {
    pub file: String,
}

/// A key that can sign.
pub struct SigningKey {
    pub(super) key: EncodingKey,
    pub(super) algorithm: Algorithm,
    pub(super) key_id: String,
    /// The public half.
    pub(super) jwk: Jwk,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl SigningKey {
    pub fn read(file: &PemFile) -> Result<Self, UnusableKey> {
        let unusable = || UnusableKey { file: file.path.display().to_string() };
        let rsa = EncodingKey::from_rsa_pem(&file.content).map(|key| (key, Algorithm::RS256));
        let (key, algorithm) = rsa
            .or_else(|_| EncodingKey::from_ec_pem(&file.content).map(|key| (key, Algorithm::ES256)))
            .map_err(|_| unusable())?;
        let mut jwk = Jwk::from_encoding_key(&key, algorithm).map_err(|_| unusable())?;
        let key_id = jwk.thumbprint(ThumbprintHash::SHA256).map_err(|_| unusable())?;
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        jwk.common.key_id = Some(key_id.clone());
        // a key of another curve would show only when it is used
        jsonwebtoken::crypto::sign(b"probe", &key, algorithm).map_err(|_| unusable())?;
        Ok(Self { key, algorithm, key_id, jwk })
    }

    /// The public half.
    pub fn public(&self) -> &Jwk {
        &self.jwk
    }

    /// Returns a JWT of these claims, with another key id if one is given. `None` if the key fails.
    pub fn sign(&self, claims: &Value, key_id: Option<&str>) -> Option<String> {
        let header = jsonwebtoken::Header {
            kid: Some(key_id.unwrap_or(&self.key_id).to_owned()),
            ..jsonwebtoken::Header::new(self.algorithm)
        };
        jsonwebtoken::encode(&header, claims, &self.key).ok()
    }
}
