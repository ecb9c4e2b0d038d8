//! The ways in which a sender can fail to prove possession of a token.

use crate::jwt::dpop::ProofFault;

/// A sender that did not prove possession of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BindingFault {
    #[error("the token is bound (cnf) to something that cannot be proved here")]
    Unknown,
    #[error("the token is bound to a client certificate, and none was shown")]
    NoCertificate,
    #[error(
        "the token is bound to a client certificate, and the trusted proxy's header holds none in the format that \
         `client_certificate_header` says"
    )]
    UnreadableCertificate,
    #[error("the token is bound to another client certificate")]
    OtherCertificate,
    #[error("the token is bound to a key, and came without exactly one DPoP proof")]
    NoProof,
    #[error("the token is bound to a key, and came as a bearer token")]
    Bearer,
    #[error("the token came with the scheme DPoP and is bound to no key")]
    NotBoundToKey,
    #[error("the DPoP proof: {0}")]
    Proof(ProofFault),
    #[error("the DPoP proof is of another key than the token is bound to")]
    OtherKey,
    #[error("the DPoP proof was used before")]
    Replayed,
    #[error("the DPoP proof has no nonce of this gateway, or an old one")]
    Nonce,
    #[error("the API takes only bound tokens, and this one is not")]
    NotBound,
}
