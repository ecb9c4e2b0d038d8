//! Servers of Redis or Valkey, and how the gateway logs in to them.

use crate::model::key_manager::{ClientCertificate, PemFile};
use crate::model::secret::Secret;

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisServer {
    pub at: HostPort,
    pub login: RedisLogin,
}

/// The address of a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    pub host: String,
    pub port: u16,
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(formatter, "[{host}]:{port}")
        } else {
            write!(formatter, "{host}:{port}")
        }
    }
}

/// TLS, name and password, database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RedisLogin {
    /// `rediss://`.
    pub tls: Option<RedisTls>,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub database: u16,
}

/// Trusted authorities beside the system's, and the gateway's certificate for servers that ask for
/// one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RedisTls {
    pub ca: Option<PemFile>,
    pub client_certificate: Option<ClientCertificate>,
}

/// Several servers that hold one set of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisServers {
    pub layout: RedisLayout,
    /// The servers that the file names: one server, the sentinels, or some servers of the cluster.
    pub seeds: Vec<HostPort>,
    pub login: RedisLogin,
}

/// The way to the server that takes writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisLayout {
    Single,
    /// Sentinels know the primary server by this name.
    Sentinel {
        name: String,
    },
    Cluster,
}

impl RedisServers {
    pub fn server(&self, at: &HostPort) -> RedisServer {
        RedisServer { at: at.clone(), login: self.login.clone() }
    }
}
