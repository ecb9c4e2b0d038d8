//! Where an API's requests go: targets, deadlines and trust.

use std::time::Duration;

use http::HeaderName;

use crate::model::key_manager::{ClientCertificate, PemFile};
use crate::model::network::NetworkRule;
use crate::model::policy::Quota;
use crate::model::provenance::Provenance;

/// The backend of production or of sandbox keys. Its targets take turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Never empty.
    pub targets: Vec<Target>,
    /// Asked when no target is usable.
    pub failover: Vec<Target>,
    pub balance: Balance,
    pub connect_timeout: Duration,
    /// From the end of connecting to the response head.
    pub response_timeout: Duration,
    /// Between two bytes of an answer's body, or of its request's; `None`: no limit.
    pub response_stall_timeout: Option<Duration>,
    /// The whole exchange, to the last byte of the answer.
    pub request_timeout: Option<Duration>,
    pub http2: Http2,
    /// How often an HTTP/2 connection is pinged while something waits and nothing comes; `None`:
    /// never.
    pub http2_ping_interval: Option<Duration>,
    pub retries: Retries,
    pub health: Option<HealthRule>,
    pub eject: Option<EjectRule>,
    /// In thousandths: with a smaller share of usable targets, health is ignored.
    pub panic_threshold: u16,
    pub slow_start: Duration,
    /// Idle connections kept for each target, over all workers.
    pub idle_connections: usize,
    pub tls: BackendTls,
    pub addressing: Addressing,
    /// The most that this backend may be sent, over all applications.
    pub hard_limit: Option<Quota>,
    /// The networks that may be called; `None` (the addresses stand in a file): all.
    pub networks: Option<NetworkRule>,
    pub place: Provenance,
}

/// What a backend learns of the address that the client used, and whether its own one is told to
/// the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Addressing {
    /// The backend gets the client's `Host`.
    pub preserve_host: bool,
    /// A `Location` that names the backend is given the client's address.
    pub rewrite_location: bool,
    /// `X-Forwarded-Prefix` tells which part of the path was taken off.
    pub forward_prefix: bool,
}

/// Whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Balance {
    RoundRobin,
    /// The less busy one of two that are drawn.
    LeastRequests,
    /// Requests of one key go to one target for as long as it is usable.
    ConsistentHash(HashKey),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashKey {
    /// The client's address where there is no token.
    ConsumerKey,
    Header(HeaderName),
}

/// Which HTTP is spoken with the targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Http2 {
    /// Where TLS agrees on it.
    Auto,
    /// By prior knowledge.
    Always,
    Never,
}

/// What is sent again, and how often.
#[expect(clippy::struct_excessive_bools, reason = "one for each cause that may be written")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// After the first try.
    pub attempts: u32,
    pub connect: bool,
    pub reset: bool,
    pub bad_gateway: bool,
    pub unavailable: bool,
    /// Retries as a share of requests, in thousandths.
    pub budget: u16,
}

/// Active checks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HealthRule {
    pub path: String,
    pub interval: Duration,
    pub timeout: Duration,
    pub healthy: u32,
    pub unhealthy: u32,
}

/// Passive ejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EjectRule {
    pub consecutive_failures: u32,
    pub duration: Duration,
    /// In thousandths of the targets.
    pub max_ejected: u16,
}

/// Where nothing is written: only what never left is sent again.
impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 2,
            connect: true,
            reset: false,
            bad_gateway: false,
            unavailable: false,
            budget: 200,
        }
    }
}

/// One backend address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    pub scheme: BackendScheme,
    /// A DNS name or an IP address (IPv6 without brackets); of SRV records, the domain that they
    /// belong to.
    pub host: String,
    /// `_orders._tcp.bank.example`: the records that name hosts and ports.
    pub service: Option<String>,
    pub port: u16,
    /// Put before the forwarded path: normal form, no trailing slash, empty for the root.
    pub base_path: String,
    /// How many of the turns it takes; at least 1.
    pub weight: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BackendScheme {
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

impl BackendScheme {
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
    /// `host:port` as it stands in a `Host` header: brackets around IPv6, no port where it is the
    /// scheme's own.
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }
}
