//! The token by which the gateway tells a backend who calls.

use std::time::Duration;

use http::HeaderName;

use crate::model::key_manager::PemFile;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendJwt {
    pub header: HeaderName,
    /// A private key, PEM: RSA, or EC on P-256.
    pub key: PemFile,
    /// Private keys that signed before. Their public halves stay published while tokens of theirs
    /// can be valid.
    pub previous: Vec<PemFile>,
    pub issuer: String,
    pub ttl: Duration,
    pub encoding: AssertionEncoding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssertionEncoding {
    /// The encoding of RFC 7515.
    Base64Url,
    /// WSO2's default: the standard alphabet without padding.
    Base64,
}
