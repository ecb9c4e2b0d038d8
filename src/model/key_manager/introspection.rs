//! The settings by which a key manager's server is asked about tokens, and the gateway's
//! credentials there.

use std::time::Duration;

use crate::model::key_manager::fetch::PemFile;
use crate::model::secret::Secret;

/// The way in which tokens are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenValidation {
    SelfValidate,
    /// The server is asked about every token, also about JWTs.
    Introspection,
    /// The gateway verifies JWTs itself, and asks the server about each at most once in this time.
    Both {
        every: Duration,
        on_failure: OnIntrospectionFailure,
    },
}

/// The verdict on a JWT with a good signature if its server cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnIntrospectionFailure {
    Refuse,
    Allow,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introspection {
    /// `None`: the discovery document names it.
    pub endpoint: Option<String>,
    /// `None` if a client certificate authenticates the gateway.
    pub credentials: Option<Credentials>,
    /// The time for which an answer is remembered, never beyond the token's `exp`. Zero remembers
    /// none.
    pub cache: Duration,
    /// Only signed answers are accepted (RFC 9701).
    pub signed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The client id; empty only if the server asks for none.
    pub username: String,
    pub proof: ClientProof,
}

/// The proof of the gateway's identity for a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientProof {
    Password {
        secret: Secret,
        carrier: SecretCarrier,
    },
    /// None (`method = "none"`): the server admits callers by their network.
    None,
    /// A signed assertion for each question (RFC 7523).
    Key {
        key: PemFile,
        /// `None`: the thumbprint of the key.
        id: Option<String>,
        /// `None`: the issuer, or the endpoint if no issuer is known.
        audience: Option<String>,
    },
    /// The client certificate of the connection (RFC 8705).
    Certificate,
}

/// The way in which a client secret is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretCarrier {
    /// HTTP Basic with both parts form-encoded (RFC 6749 section 2.3.1).
    Basic,
    /// HTTP Basic with both parts unencoded, as WSO2 reads it.
    BasicRaw,
    /// In the form (`client_secret_post`).
    Form,
}
