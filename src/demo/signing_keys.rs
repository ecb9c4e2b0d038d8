//! The demo authorization server's keys: one RSA and one EC key that sign, and the two before them, which are published
//! until the next rotation so that tokens already issued stay good for a while.

use std::fmt;

use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use serde_json::{Value, json};

/// The keys at one moment; a rotation makes a new value.
#[derive(Debug, Clone)]
pub(super) struct SigningKeys {
    current: Generation,
    previous: Option<Generation>,
}

impl SigningKeys {
    /// Takes up to a second: RSA.
    pub(super) fn generate() -> Result<SigningKeys, SigningError> {
        Ok(SigningKeys { current: Generation::generate()?, previous: None })
    }

    /// `new`'s keys sign; today's stay published, those before them are dropped.
    #[must_use]
    pub(super) fn followed_by(&self, new: &SigningKeys) -> SigningKeys {
        SigningKeys { current: new.current.clone(), previous: Some(self.current.clone()) }
    }

    /// The published half, newest first.
    pub(super) fn jwks(&self) -> Value {
        let keys: Vec<&Jwk> = self
            .generations()
            .flat_map(|generation| [&generation.rsa.public, &generation.ec.public])
            .collect();
        json!({ "keys": keys })
    }

    /// The ids of the published keys, newest first.
    pub(super) fn key_ids(&self) -> Vec<&str> {
        self.generations()
            .flat_map(|generation| [generation.rsa.key_id(), generation.ec.key_id()])
            .collect()
    }

    /// An RFC 9068 access token with these claims.
    pub(super) fn sign(
        &self,
        algorithm: SigningAlgorithm,
        claims: &Value,
    ) -> Result<String, SigningError> {
        let key = match algorithm {
            SigningAlgorithm::RS256 => &self.current.rsa,
            SigningAlgorithm::ES256 => &self.current.ec,
        };
        let mut header = Header::new(algorithm.into());
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(key.key_id().to_owned());
        jsonwebtoken::encode(&header, claims, &key.private).map_err(SigningError::Sign)
    }

    fn generations(&self) -> impl Iterator<Item = &Generation> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

/// What a client's tokens are signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningAlgorithm {
    RS256,
    ES256,
}

impl From<SigningAlgorithm> for Algorithm {
    fn from(algorithm: SigningAlgorithm) -> Algorithm {
        match algorithm {
            SigningAlgorithm::RS256 => Algorithm::RS256,
            SigningAlgorithm::ES256 => Algorithm::ES256,
        }
    }
}

/// Making or using a key failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SigningError {
    #[error("a signing key cannot be generated")]
    Generate(#[source] rcgen::Error),
    #[error("a token cannot be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// The keys that were made at one time.
#[derive(Debug, Clone)]
struct Generation {
    rsa: DemoKey,
    ec: DemoKey,
}

impl Generation {
    fn generate() -> Result<Generation, SigningError> {
        Ok(Generation {
            rsa: DemoKey::generate(SigningAlgorithm::RS256)?,
            ec: DemoKey::generate(SigningAlgorithm::ES256)?,
        })
    }
}

#[derive(Clone)]
struct DemoKey {
    private: EncodingKey,
    public: Jwk,
}

impl fmt::Debug for DemoKey {
    /// Only the key id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.key_id()).finish()
    }
}

impl DemoKey {
    fn generate(algorithm: SigningAlgorithm) -> Result<DemoKey, SigningError> {
        let kind = match algorithm {
            SigningAlgorithm::RS256 => &rcgen::PKCS_RSA_SHA256,
            SigningAlgorithm::ES256 => &rcgen::PKCS_ECDSA_P256_SHA256,
        };
        let pem = KeyPair::generate_for(kind).map_err(SigningError::Generate)?.serialize_pem();
        let private = match algorithm {
            SigningAlgorithm::RS256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
            SigningAlgorithm::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()),
        };
        let private = private.map_err(SigningError::Sign)?;
        let mut public =
            Jwk::from_encoding_key(&private, algorithm.into()).map_err(SigningError::Sign)?;
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        public.common.key_id =
            Some(public.thumbprint(ThumbprintHash::SHA256).map_err(SigningError::Sign)?);
        Ok(DemoKey { private, public })
    }

    fn key_id(&self) -> &str {
        self.public.common.key_id.as_deref().unwrap_or_default()
    }
}
