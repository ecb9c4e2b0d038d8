//! The name of a token in the access log.

/// The first bytes of a cryptographic hash of the token: enough to find its other lines, too little
/// to be it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 8]);
