//! The closed list of signature algorithms, and the algorithms that a key of each kind can verify
//! (RFC 7518 3.1, RFC 8037 3.1).
//!
//! The kind of the key decides; a token's `alg` is only compared with the algorithms of the key.
//! There is no symmetric algorithm and no `none`.

use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, RsaParameters};

use crate::model::key_manager::SignatureAlgorithm;

/// The elliptic curves of ECDSA keys, each tied to one algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// The curve of a JWK's `crv`.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "P-256" => Some(Self::P256),
            "P-384" => Some(Self::P384),
            "P-521" => Some(Self::P521),
            _ => None,
        }
    }

    /// The curve of a certificate's key (RFC 5480 2.1.1.1).
    pub(super) fn from_oid(oid: &str) -> Option<Self> {
        match oid {
            "1.2.840.10045.3.1.7" => Some(Self::P256),
            "1.3.132.0.34" => Some(Self::P384),
            "1.3.132.0.35" => Some(Self::P521),
            _ => None,
        }
    }

    /// Bytes of one coordinate, and of each half of a signature.
    pub(super) fn coordinate_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    pub(super) fn algorithm(self) -> SignatureAlgorithm {
        match self {
            Self::P256 => SignatureAlgorithm::ES256,
            Self::P384 => SignatureAlgorithm::ES384,
            Self::P521 => SignatureAlgorithm::ES512,
        }
    }

    /// Signatures are `r || s` of fixed length (RFC 7518 3.4), never DER.
    pub(super) fn verification(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &signature::ECDSA_P256_SHA256_FIXED,
            Self::P384 => &signature::ECDSA_P384_SHA384_FIXED,
            Self::P521 => &signature::ECDSA_P521_SHA512_FIXED,
        }
    }
}

/// The algorithms of an RSA key that nothing narrows, with the parameters of each. The salt of PSS
/// is as long as the digest.
pub(super) const RSA_ALGORITHMS: [(SignatureAlgorithm, &RsaParameters); 6] = [
    (SignatureAlgorithm::RS256, &signature::RSA_PKCS1_2048_8192_SHA256),
    (SignatureAlgorithm::RS384, &signature::RSA_PKCS1_2048_8192_SHA384),
    (SignatureAlgorithm::RS512, &signature::RSA_PKCS1_2048_8192_SHA512),
    (SignatureAlgorithm::PS256, &signature::RSA_PSS_2048_8192_SHA256),
    (SignatureAlgorithm::PS384, &signature::RSA_PSS_2048_8192_SHA384),
    (SignatureAlgorithm::PS512, &signature::RSA_PSS_2048_8192_SHA512),
];
