//! The gateways of one store, and which application used which API last.

use uuid::Uuid;

/// A gateway as it reports itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayState {
    /// `gateway.name` of its file.
    pub name: String,
    pub version: String,
    /// The revision in force.
    pub revision: u64,
    pub started_at: i64,
    /// Milliseconds since the epoch, set by the store.
    pub seen_at: i64,
}

/// The last day on which an application used an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    pub application: Uuid,
    /// `name:version`.
    pub api: String,
    /// Days since the epoch.
    pub day: u32,
}
