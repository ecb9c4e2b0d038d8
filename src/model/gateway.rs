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
    /// In the fleet.
    pub name: String,
    /// Last good key sets; created if missing.
    pub state_dir: PathBuf,
    pub workers: Workers,
    /// What all workers' verdicts of tokens may take, in bytes; zero: none is remembered.
    pub token_cache_bytes: u64,
    /// A stop goes on accepting for this long after readiness failed, so that load balancers can
    /// notice.
    pub drain_delay: Duration,
    pub drain_timeout: Duration,
    /// A reload goes without an API, a key manager or an application file that is broken.
    pub quarantine: bool,
    /// The share of listeners, APIs or applications, in thousandths, that a reload may take away
    /// unconfirmed.
    pub reload_max_removed: u16,
    /// Empty: the system's.
    pub dns_servers: Vec<SocketAddr>,
    /// Who is believed about clients, and in which headers.
    pub trusted_proxies: TrustedProxies,
    /// Request headers that are removed, as they are shown: the operator's list, or the default
    /// one.
    pub remove_request_headers: Vec<String>,
    /// What makes nonces for DPoP proofs; `None`: a secret of the process.
    pub dpop_nonce_key: Option<SecretKey>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// One per core.
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
    /// Of one client address, over all workers.
    pub max_connections_per_address: usize,
    pub tls: Option<ListenerTls>,
    pub place: Provenance,
}

/// Whether connections begin with a PROXY header that names the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocol {
    Off,
    /// With or without: for listeners that only trusted balancers reach.
    Optional,
    Required,
}

/// What a listener speaks: offered by ALPN with TLS; told apart by HTTP/2's preface without.
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

/// Whether clients show a certificate, and whose are believed.
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

/// What one client may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// First byte of a connection to the end of a request head.
    pub header_timeout: Duration,
    /// Keep-alive, between requests.
    pub idle_timeout: Duration,
    pub max_header_bytes: usize,
    pub max_headers: usize,
    pub max_body_bytes: ByteLimit,
    /// No byte of a body for this long.
    pub body_stall_timeout: Duration,
    pub max_token_bytes: usize,
    /// Of one client address in a minute; `None`: uncounted.
    pub max_forged_tokens: Option<NonZeroU32>,
    /// Opaque tokens of one client address that no server has vouched for yet.
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
    /// The users who may sign in. Without one, callers on this machine may operate the gateway, and
    /// nobody may use the REST API.
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
    /// Whether anybody can sign in to the REST API. Without, nothing of a store is served.
    pub fn somebody_may_sign_in(&self) -> bool {
        !self.users.is_empty() || self.tokens.is_some()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagementUser {
    pub name: String,
    /// Argon2, as a PHC string.
    pub password_hash: Secret,
    pub roles: Vec<UserRole>,
    /// Names of the groups whose applications are the user's own too.
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
    /// Anybody may make an account.
    pub self_signup: bool,
    /// The address of a page that a new account must accept; empty: there is none.
    pub terms: String,
    /// Developers may map existing OAuth keys, where the key manager allows it too.
    pub key_provisioning: bool,
    /// Servers are asked about existing keys, where they can tell.
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

/// What a user of the management listener is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserRole {
    /// May do everything.
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

    /// In the order of their names.
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

/// How a refusal is written when the client does not ask otherwise.
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
    /// `None`: the gateway makes no spans.
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

/// Which traces are exported, and where to.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSettings {
    /// The collector's address, with the path for spans.
    pub url: String,
    /// The value of `Authorization`.
    pub authorization: Option<Secret>,
    pub fetch: Fetch,
    /// The share of traces that nobody in front of the gateway has decided on, 0 to 1.
    pub sample: f64,
    /// An exchange that takes as long is exported in any case.
    pub slow: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLogTarget {
    Off,
    Stdout,
    Stderr,
    File(PathBuf),
}
