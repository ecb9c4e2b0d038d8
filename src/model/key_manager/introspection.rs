//! How a key manager's server is asked about tokens, and how the gateway proves who it is.

use std::time::Duration;

use crate::model::key_manager::fetch::PemFile;
use crate::model::secret::Secret;

/// How tokens are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenValidation {
    SelfValidate,
    /// The server is asked, also about JWTs.
    Introspection,
    /// JWTs are verified here, and the server is asked about each at most once in this time.
    Both {
        every: Duration,
        on_failure: OnIntrospectionFailure,
    },
}

/// What becomes of a JWT with a good signature whose server cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnIntrospectionFailure {
    Refuse,
    Allow,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introspection {
    /// `None`: the discovery document names it.
    pub endpoint: Option<String>,
    /// `None`: the client certificate says who asks.
    pub credentials: Option<Credentials>,
    /// Never beyond the token's own `exp`; zero turns it off.
    pub cache: Duration,
    /// Only signed answers are believed (RFC 9701).
    pub signed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The client id; empty only where the server asks for none.
    pub username: String,
    pub proof: ClientProof,
}

/// What shows a server that the gateway is who it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientProof {
    Password {
        secret: Secret,
        carrier: SecretCarrier,
    },
    /// Nothing (`method = "none"`): the network decides who may ask.
    None,
    /// A signed assertion for each question (RFC 7523).
    Key {
        key: PemFile,
        /// `None`: the key's thumbprint.
        id: Option<String>,
        /// `None`: the issuer, or the endpoint where no issuer is known.
        audience: Option<String>,
    },
    /// The client certificate of the connection (RFC 8705).
    Certificate,
}

/// How a client secret is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretCarrier {
    /// HTTP Basic with both parts form-encoded (RFC 6749 section 2.3.1).
    Basic,
    /// HTTP Basic of both parts as they are, as WSO2 reads it.
    BasicRaw,
    /// In the form (`client_secret_post`).
    Form,
}
