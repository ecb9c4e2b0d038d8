//! The backends of an API: targets, deadlines and trust.

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
    /// Used if no target is usable.
    pub failover: Vec<Target>,
    pub balance: Balance,
    pub connect_timeout: Duration,
    /// The time from the end of connecting to the response head.
    pub response_timeout: Duration,
    /// The longest time between two bytes of an answer's body, or of its request's. `None` sets no
    /// limit.
    pub response_stall_timeout: Option<Duration>,
    /// The whole exchange, to the last byte of the answer.
    pub request_timeout: Option<Duration>,
    pub http2: Http2,
    /// The time between pings on an HTTP/2 connection while an exchange waits and no byte comes.
    /// `None` sends no pings.
    pub http2_ping_interval: Option<Duration>,
    pub retries: Retries,
    pub health: Option<HealthRule>,
    pub eject: Option<EjectRule>,
    /// In thousandths. If the share of usable targets is smaller, health is ignored.
    pub panic_threshold: u16,
    pub slow_start: Duration,
    /// Idle connections kept for each target, over all workers.
    pub idle_connections: usize,
    pub tls: BackendTls,
    pub addressing: Addressing,
    /// The most that this backend may be sent, over all applications.
    pub hard_limit: Option<Quota>,
    /// The networks that may be called. `None` allows all, since the addresses stand in a file.
    pub networks: Option<NetworkRule>,
    pub place: Provenance,
}

/// The addresses that a backend and a client learn of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Addressing {
    /// The backend gets the client's `Host`.
    pub preserve_host: bool,
    /// A `Location` that names the backend is given the client's address.
    pub rewrite_location: bool,
    /// `X-Forwarded-Prefix` names the part of the path that was removed.
    pub forward_prefix: bool,
}

/// The way in which targets take turns.
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
    /// The consumer key; the client's address if there is no token.
    ConsumerKey,
    Header(HeaderName),
}

/// The version of HTTP for the targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Http2 {
    /// HTTP/2 if the target agrees to it in TLS.
    Auto,
    /// HTTP/2 by prior knowledge.
    Always,
    Never,
}

/// The failures after which a request is sent again, and the number of attempts.
#[expect(clippy::struct_excessive_bools, reason = "one for each cause that may be written")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// The number of attempts after the first.
    pub attempts: u32,
    pub connect: bool,
    pub reset: bool,
    pub bad_gateway: bool,
    pub unavailable: bool,
    /// Retries as a share of requests, in thousandths.
    pub budget: u16,
}

/// The rules of active checks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HealthRule {
    pub path: String,
    pub interval: Duration,
    pub timeout: Duration,
    pub healthy: u32,
    pub unhealthy: u32,
}

/// The rules of passive ejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EjectRule {
    pub consecutive_failures: u32,
    pub duration: Duration,
    /// The largest share of ejected targets, in thousandths.
    pub max_ejected: u16,
}

/// The default: only a request that was never sent is sent again.
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
    /// The path that is put before the forwarded path: in normal form, without a trailing slash,
    /// empty for the root.
    pub base_path: String,
    /// The weight of the target in taking turns; at least 1.
    pub weight: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BackendScheme {
    Http,
    Https,
}

/// The trust in `https` targets: the system's authorities, and those of the configuration.
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
    /// Returns `host:port` as a `Host` header has it: brackets around IPv6, and no port if it is
    /// the scheme's own.
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }
}
