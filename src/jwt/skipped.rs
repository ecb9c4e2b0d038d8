//! Keys of a document that cannot be used, and why; one of them never spoils the others.

use crate::jwt::excerpt::Excerpt;

/// A key that was left out of a key set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its place in the document, from 0.
    pub position: usize,
    /// Its `kid`, made printable.
    pub key_id: Option<String>,
    pub reason: SkipReason,
}

/// The reason why a key cannot be used. Display is for the log, [`SkipReason::label`] for a metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    #[error("not a JSON object")]
    NotAnObject,
    #[error("a member is named twice")]
    DuplicateMember,
    #[error("`{member}` is missing")]
    Missing { member: &'static str },
    #[error("`{member}` has the wrong type")]
    WrongType { member: &'static str },
    #[error("`kid` is longer than {limit} bytes")]
    KeyIdTooLong { limit: usize },
    #[error("a symmetric key has no place in a public key set")]
    Symmetric,
    #[error("key type {name} is not supported")]
    UnknownKeyType { name: Excerpt },
    #[error("curve {name} is not supported")]
    UnknownCurve { name: Excerpt },
    #[error("`alg` {name} is not a supported signature algorithm of this kind of key")]
    Algorithm { name: Excerpt },
    #[error("`use` is {name}, not sig")]
    Use { name: Excerpt },
    #[error("`key_ops` does not contain verify")]
    KeyOperations,
    #[error("`{member}` is not base64url")]
    Base64 { member: &'static str },
    #[error("an RSA modulus of {bits} bits; {min} to {max} are accepted")]
    RsaSize { bits: usize, min: usize, max: usize },
    #[error("an even RSA modulus")]
    RsaModulus,
    #[error("an RSA exponent that is even, below 3 or longer than 4 bytes")]
    RsaExponent,
    #[error(
        "an RSA key of a broken generator (ROCA, CVE-2017-15361): whoever wants can compute its \
         private half"
    )]
    RsaRoca,
    #[error("a coordinate or point of {bytes} bytes; the curve has {expected}")]
    PointLength { bytes: usize, expected: usize },
    #[error("the numbers do not form a public key, such as a point that is not on its curve")]
    Rejected,
    #[error("a PEM block of type {label}; certificates and public keys are used")]
    PemBlock { label: Excerpt },
    #[error("a PEM block whose content is not the DER of a {expected}")]
    Der { expected: &'static str },
}

impl SkipReason {
    /// Tells whether the key is good for something else: many servers publish their encryption keys
    /// in the same set.
    pub fn is_for_another_use(&self) -> bool {
        matches!(self, Self::Use { .. } | Self::KeyOperations)
    }

    pub fn label(&self) -> &'static str {
        match self {
            Self::NotAnObject => "not_an_object",
            Self::DuplicateMember => "duplicate_member",
            Self::Missing { .. } => "missing_member",
            Self::WrongType { .. } => "wrong_type",
            Self::KeyIdTooLong { .. } => "key_id_too_long",
            Self::Symmetric => "symmetric",
            Self::UnknownKeyType { .. } => "key_type",
            Self::UnknownCurve { .. } => "curve",
            Self::Algorithm { .. } => "algorithm",
            Self::Use { .. } => "use",
            Self::KeyOperations => "key_operations",
            Self::Base64 { .. } => "base64",
            Self::RsaSize { .. } => "rsa_size",
            Self::RsaModulus => "rsa_modulus",
            Self::RsaExponent => "rsa_exponent",
            Self::RsaRoca => "rsa_roca",
            Self::PointLength { .. } => "point_length",
            Self::Rejected => "rejected",
            Self::PemBlock { .. } => "pem_block",
            Self::Der { .. } => "der",
        }
    }
}
