//! The source of a key manager's keys, and how documents are fetched from its server.

use std::path::PathBuf;
use std::time::Duration;

use crate::model::network::NetworkRule;

/// The source of the keys that verify signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The `jwks_uri` of the discovery document at this address. When the key manager's issuer is
    /// written too, the document's `issuer` must equal it.
    Discovery { well_known_url: String },
    /// A JWKS address; with a `well_known_url` the discovery document is still read for a missing
    /// issuer.
    Jwks { url: String, well_known_url: Option<String> },
    /// None: every token is introspected.
    None,
    /// One or more PEM certificates or public keys, read when the configuration is read.
    Pem { path: PathBuf, content: Vec<u8> },
    /// A JWKS in a file, read when the configuration is read.
    JwksFile { path: PathBuf, content: Vec<u8> },
}

/// The rules for fetching documents from the authorization server and for their age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The time between background fetches of the key set.
    pub refresh: Duration,
    /// The shortest time between two fetches for an unknown `kid` or a bad signature.
    pub min_refetch: Duration,
    /// The time for which the last good keys are used while the server cannot be read.
    pub keep_stale: Duration,
    pub connect_timeout: Duration,
    /// The limit for the whole fetch of one document, not for each read.
    pub request_timeout: Duration,
    pub max_document_bytes: u64,
    /// Allows plain HTTP to an address that is not loopback.
    pub allow_http: bool,
    pub proxy: ProxyChoice,
    /// Authorities that are trusted besides the system's: PEM content, with its file.
    pub ca: Option<PemFile>,
    /// The client certificate, for servers that ask for one.
    pub client_certificate: Option<ClientCertificate>,
    /// The networks that may be called. `None` allows all, since the address stands in a file.
    pub networks: Option<NetworkRule>,
}

impl Default for Fetch {
    /// The values that apply if the operator wrote none.
    fn default() -> Self {
        Self {
            refresh: Duration::from_mins(10),
            min_refetch: Duration::from_secs(10),
            keep_stale: Duration::from_hours(24),
            connect_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(5),
            max_document_bytes: 512 * 1024,
            allow_http: false,
            proxy: ProxyChoice::Environment,
            ca: None,
            client_certificate: None,
            networks: None,
        }
    }
}

/// The HTTP proxy of fetches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyChoice {
    /// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`.
    Environment,
    Direct,
    Url(String),
}

/// A certificate chain with its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    pub certificate: PemFile,
    pub key: PemFile,
}

/// A file with its content at the time the configuration was read.
#[derive(Clone, PartialEq, Eq)]
pub struct PemFile {
    pub path: PathBuf,
    pub content: Vec<u8>,
}

impl std::fmt::Debug for PemFile {
    /// Shows only the path, because the content may be a private key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PemFile").field(&self.path).finish()
    }
}
