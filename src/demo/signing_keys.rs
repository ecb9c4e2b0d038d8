//! The keys of the demo's authorization server: one RSA and one EC key that sign, and the two
//! before them. The old ones are published until the next rotation, so that their tokens stay valid
//! for a while.

use std::fmt;

use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use serde_json::{Value, json};

/// The keys at one time; a rotation makes a new value.
#[derive(Debug, Clone)]
pub(super) struct SigningKeys {
    current: Generation,
    previous: Option<Generation>,
}

impl SigningKeys {
    /// Generates keys. RSA takes up to a second.
    pub(super) fn generate() -> Result<SigningKeys, SigningError> {
        Ok(SigningKeys { current: Generation::generate()?, previous: None })
    }

    /// Returns keys of which `new`'s sign, today's stay published, and older ones are dropped.
    #[must_use]
    pub(super) fn followed_by(&self, new: &SigningKeys) -> SigningKeys {
        SigningKeys { current: new.current.clone(), previous: Some(self.current.clone()) }
    }

    /// Returns the public keys, newest first.
    pub(super) fn jwks(&self) -> Value {
        let keys: Vec<&Jwk> = self
            .generations()
            .flat_map(|generation| [&generation.rsa.public, &generation.ec.public])
            .collect();
        json!({ "keys": keys })
    }

    /// Returns the ids of the public keys, newest first.
    pub(super) fn key_ids(&self) -> Vec<&str> {
        self.generations()
            .flat_map(|generation| [generation.rsa.key_id(), generation.ec.key_id()])
            .collect()
    }

    /// Returns an RFC 9068 access token with these claims.
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

/// The algorithm that signs a client's tokens.
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

/// The error of making or using a key.
#[derive(Debug, thiserror::Error)]
pub(super) enum SigningError {
    #[error("the signing key cannot be generated")]
    Generate(#[source] rcgen::Error),
    #[error("the token cannot be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// The keys of one generation.
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
    /// Shows only the key id.
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
