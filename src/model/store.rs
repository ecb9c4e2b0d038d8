//! Where the objects of the management API are kept, and what application developers may do.

use std::path::PathBuf;
use std::time::Duration;

use crate::model::key_manager::PemFile;
use crate::model::secret::{Secret, SecretKey};

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    pub location: StoreLocation,
    /// Where a copy of a shared database is kept.
    pub state_dir: PathBuf,
    /// How often a gateway asks for changes even if nobody told it of one.
    pub poll_interval: Duration,
    /// For the secrets that must be kept; `None`: none is kept.
    pub encryption_key: Option<SecretKey>,
    /// Still read.
    pub previous_encryption_keys: Vec<SecretKey>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreLocation {
    /// Files alone say everything.
    None,
    /// A database file.
    Sqlite(PathBuf),
    Postgres(Box<PostgresServer>),
}

/// A database that several gateways share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresServer {
    /// `postgres://user@host:port/database`, without a password.
    pub url: String,
    pub password: Option<Secret>,
    /// Trust in its certificate beside the system's authorities.
    pub ca: Option<PemFile>,
    pub tls: PostgresTls,
}

/// Whether a connection must be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostgresTls {
    Required,
    /// On this machine only.
    Off,
}
