//! Where gateways tell each other of revocations.

use crate::model::key_manager::{ClientCertificate, PemFile};
use crate::model::secret::Secret;

/// A Redis or Valkey server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationChannel {
    pub host: String,
    pub port: u16,
    /// `rediss://`.
    pub tls: Option<ChannelTls>,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub database: u16,
}

/// Trust beside the system's, and what the gateway shows where it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelTls {
    pub ca: Option<PemFile>,
    pub client_certificate: Option<ClientCertificate>,
}
