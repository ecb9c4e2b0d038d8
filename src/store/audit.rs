//! The audit log: one entry for each changed object.

use std::net::IpAddr;

use serde_json::Value;
use uuid::Uuid;

use crate::store::kind::Kind;

/// One change of one object, without secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    pub revision: u64,
    /// Milliseconds since the epoch.
    pub at: i64,
    pub author: String,
    pub address: Option<IpAddr>,
    pub action: String,
    pub kind: Kind,
    pub id: Uuid,
    pub name: String,
    pub fields: Vec<FieldChange>,
}

/// A field before and after; `None` if it did not exist.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldChange {
    /// Its path in the document, such as `keys.consumer_key`.
    pub field: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// A page of the audit log, the latest first.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    pub author: Option<String>,
    pub kind: Option<Kind>,
    pub id: Option<Uuid>,
    /// Milliseconds since the epoch.
    pub since: Option<i64>,
    pub offset: u64,
    /// The most entries of a page: at most 1,000.
    pub limit: u64,
}
