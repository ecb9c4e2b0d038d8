//! The place of the management API's objects, and the permissions of application developers.

use std::path::PathBuf;
use std::time::Duration;

use crate::model::key_manager::PemFile;
use crate::model::secret::{Secret, SecretKey};

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    pub location: StoreLocation,
    /// The folder for a copy of a shared database.
    pub state_dir: PathBuf,
    /// The time between two looks for changes, even if no notice of one came.
    pub poll_interval: Duration,
    /// The key for secrets that must be kept; `None`: no secret is kept.
    pub encryption_key: Option<SecretKey>,
    /// Former keys, with which secrets are still read.
    pub previous_encryption_keys: Vec<SecretKey>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreLocation {
    /// No store.
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
    /// Trusted authorities for its certificate besides the system's.
    pub ca: Option<PemFile>,
    pub tls: PostgresTls,
}

/// The rule for encrypting the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostgresTls {
    Required,
    /// Plain connections, on this machine only.
    Off,
}
