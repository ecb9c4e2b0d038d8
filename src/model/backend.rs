//! Where an API's requests go: targets, deadlines and trust.

use std::time::Duration;

use crate::model::key_manager::{ClientCertificate, PemFile};
use crate::model::place::Place;

/// The backend of production or of sandbox keys. Its targets take turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Never empty.
    pub targets: Vec<Target>,
    pub connect_timeout: Duration,
    /// From the end of connecting to the response head.
    pub response_timeout: Duration,
    /// Idle connections kept for each target, over all workers.
    pub idle_connections: usize,
    pub tls: BackendTls,
    pub place: Place,
}

/// One backend address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    pub scheme: Scheme,
    /// A DNS name or an IP address (IPv6 without brackets).
    pub host: String,
    pub port: u16,
    /// Put before the forwarded path: normal form, no trailing slash, empty for the root.
    pub base_path: String,
    /// How many of the turns it takes; at least 1.
    pub weight: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

/// Trust for `https` targets: the system's authorities, and what is written here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BackendTls {
    pub ca: Option<PemFile>,
    pub client_certificate: Option<ClientCertificate>,
    /// Checked against the certificate instead of the target's host.
    pub server_name: Option<String>,
}

impl Scheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Target {
    /// `host:port` as it stands in a `Host` header: brackets around IPv6, no port where it is the scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }
}
