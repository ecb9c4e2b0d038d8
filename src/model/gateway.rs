//! The gateway's own settings: listeners, limits, management, errors and telemetry.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::key_manager::{Fetch, PemFile};
use crate::model::provenance::Provenance;
use crate::model::proxies::TrustedProxies;
use crate::model::rate::Rate;
use crate::model::secret::{Secret, SecretKey};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// The name of this gateway in its fleet.
    pub name: String,
    /// The folder of the last good key sets; created if missing.
    pub state_dir: PathBuf,
    pub workers: Workers,
    /// The memory for remembered verdicts on tokens, in bytes, over all workers; zero remembers
    /// none.
    pub token_cache_bytes: u64,
    /// The time for which a stop goes on accepting after readiness failed, so that load balancers
    /// can notice.
    pub drain_delay: Duration,
    pub drain_timeout: Duration,
    /// A reload leaves out an API, a key manager or an application file that is broken.
    pub quarantine: bool,
    /// The share of listeners, APIs or applications, in thousandths, that a reload can remove
    /// without confirmation.
    pub reload_max_removed: u16,
    /// The DNS servers; empty for the system's.
    pub dns_servers: Vec<SocketAddr>,
    /// The proxies that are trusted about clients, and their headers.
    pub trusted_proxies: TrustedProxies,
    /// Request headers that are removed, for display: the operator's list, or the default one.
    pub remove_request_headers: Vec<String>,
    /// The key for nonces of DPoP proofs; `None` is a secret of the process.
    pub dpop_nonce_key: Option<SecretKey>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// One worker per core.
    Auto,
    Count(u16),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    pub name: String,
    pub address: SocketAddr,
    pub protocols: Protocols,
    pub proxy_protocol: ProxyProtocol,
    pub max_connections: usize,
    /// The number of connections of one client address, over all workers.
    pub max_connections_per_address: usize,
    pub tls: Option<ListenerTls>,
    pub place: Provenance,
}

/// The rule for a PROXY header, which names the client, at the start of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocol {
    Off,
    /// With or without the header, for listeners that only trusted balancers reach.
    Optional,
    Required,
}

/// The protocols of a listener: offered by ALPN with TLS, told apart by HTTP/2's preface without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocols {
    Http1,
    Http2,
    Both,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTls {
    /// The pair for names that no other pair has, and for clients that send no name.
    pub default: CertifiedPair,
    pub by_name: Vec<NamedPair>,
    pub clients: ClientAuth,
}

/// The rule for client certificates, and the authorities that are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAuth {
    None,
    Optional(PemFile),
    Required(PemFile),
}

/// A PEM chain and its key, as the files stood when they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedPair {
    pub certificate: PemFile,
    pub key: PemFile,
}

/// A pair for some server names: exact, or `*.example` for one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPair {
    pub names: Vec<String>,
    pub pair: CertifiedPair,
}

/// The limits on the resources of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// The time from the first byte of a connection to the end of a request head.
    pub header_timeout: Duration,
    /// The time between requests (keep-alive).
    pub idle_timeout: Duration,
    pub max_header_bytes: usize,
    pub max_headers: usize,
    pub max_body_bytes: ByteLimit,
    /// The longest time without a byte of a body.
    pub body_stall_timeout: Duration,
    pub max_token_bytes: usize,
    /// The number of forged tokens of one client address in a minute; `None` counts none.
    pub max_forged_tokens: Option<NonZeroU32>,
    /// The rate of opaque tokens of one client address that no server has called active yet.
    pub unknown_tokens: Rate,
    /// Requests at a time of one HTTP/2 connection.
    pub max_streams: u32,
    /// A worker whose event loop lags behind by this much sheds new requests.
    pub max_loop_delay: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteLimit {
    None,
    Bytes(u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagementSettings {
    pub address: SocketAddr,
    pub tls: Option<CertifiedPair>,
    /// The users who may sign in. If there is none, callers on this machine may operate the
    /// gateway, and the REST API is closed.
    pub users: Vec<ManagementUser>,
    pub tokens: Option<ManagementTokens>,
    /// Names that the listener answers to, besides its addresses and the machine's name.
    pub hosts: Vec<String>,
    /// Calls to addresses that come by the management API: the defaults of key managers, in the
    /// networks that are permitted.
    pub calls: Arc<Fetch>,
    pub place: Provenance,
}

impl ManagementSettings {
    /// Tells whether the REST API has a user. If not, no object of a store is served.
    pub fn somebody_may_sign_in(&self) -> bool {
        !self.users.is_empty() || self.tokens.is_some()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagementUser {
    pub name: String,
    /// The hash by Argon2, as a PHC string.
    pub password_hash: Secret,
    pub roles: Vec<UserRole>,
    /// The names of groups; the applications of a group are shared by its members.
    pub groups: Vec<String>,
}

/// The bearer tokens that the REST API accepts, besides its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagementTokens {
    /// The name of the key manager that judges them.
    pub key_manager: String,
    pub roles_claim: String,
    pub groups_claim: String,
}

/// Rights of application developers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalSettings {
    /// Anybody can create an account.
    pub self_signup: bool,
    /// The address of a page that a new account must accept; empty if there is none.
    pub terms: String,
    /// Developers may map existing OAuth keys, if the key manager allows it too.
    pub key_provisioning: bool,
    /// The gateway asks servers about existing keys, if they can answer.
    pub validate_existing_keys: bool,
}

impl Default for PortalSettings {
    fn default() -> Self {
        Self {
            self_signup: false,
            terms: String::new(),
            key_provisioning: true,
            validate_existing_keys: false,
        }
    }
}

/// The role of a user of the management listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserRole {
    /// Has every right.
    Admin,
    /// Runs the gateway: reloads, revokes, refreshes keys.
    Operator,
    /// Publishes APIs.
    Publisher,
    /// Owns applications.
    Developer,
    /// Sees, and changes nothing.
    Viewer,
}

impl UserRole {
    /// The names that operators write.
    pub const NAMES: &'static [&'static str] =
        &["admin", "operator", "publisher", "developer", "viewer"];

    /// All roles, in the order of their names.
    const ALL: [Self; 5] =
        [Self::Admin, Self::Operator, Self::Publisher, Self::Developer, Self::Viewer];

    pub fn named(name: &str) -> Option<Self> {
        let position = Self::NAMES.iter().position(|known| *known == name)?;
        Self::ALL.get(position).copied()
    }

    pub fn name(self) -> &'static str {
        Self::NAMES.get(self as usize).copied().unwrap_or_default()
    }
}

/// The format of refusals for clients that prefer none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum ErrorFormat {
    /// `{"code","message","description"}`.
    #[default]
    Wso2,
    /// RFC 9457.
    Problem,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    pub log: Log,
    pub access_log: AccessLogSettings,
    /// `None` if the gateway makes no spans.
    pub traces: Option<TraceSettings>,
    /// Exchanges are counted by application too.
    pub application_label: bool,
    /// The most series that one metric family may have; the rest is counted as `other`.
    pub max_series: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    pub level: LogLevel,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Json,
    Text,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AccessLogSettings {
    pub target: AccessLogTarget,
    pub format: LogFormat,
    /// The share of exchanges that are written, 0 to 1. Refusals are always written.
    pub sample: f64,
}

/// The traces that are exported, and their collector.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSettings {
    /// The collector's address, with the path for spans.
    pub url: String,
    /// The value of `Authorization`.
    pub authorization: Option<Secret>,
    pub fetch: Fetch,
    /// The share of traces to record, 0 to 1, unless a service in front has decided.
    pub sample: f64,
    /// The duration from which an exchange is exported in any case.
    pub slow: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLogTarget {
    Off,
    Stdout,
    Stderr,
    File(PathBuf),
}
