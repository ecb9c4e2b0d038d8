//! Keeps the objects of the management API, in SQLite or PostgreSQL, with a revision for each
//! change.
//!
//! Every object is a [`Record`]: its kind, its id, its unique strings, and a document in the form
//! of `gateway.toml`, so that the configuration compiler reads files and store by the same rules. A
//! [`Write`] changes several records or none. It gets the next revision with its audit entries in
//! one transaction. Gateways follow the store by revision ([`StoreChanges`]).
//!
//! The files: [`kind`] and [`record`] (the objects), [`write`](mod@write) (changes and their
//! conditions), [`query`] (lists), [`changes`] (the changes after a revision), [`audit`] (the audit
//! log), [`fleet`] (gateways, and last uses), [`error`]; [`storage`] is the interface of a
//! database. [`sql`] implements it in SQL, [`sqlite`] and [`postgres`] run that, and
//! [`open`](mod@open) chooses. [`shared`] is PostgreSQL with a copy in `state_dir` ([`replica`]).
//! [`secrets`] encrypts secrets. [`digest`] adds up whole states, [`difference`] compares two
//! states of an object.

mod audit;
mod changes;
mod difference;
mod digest;
mod error;
mod fleet;
mod kind;
mod open;
mod postgres;
mod query;
mod record;
mod replica;
mod secrets;
mod served;
mod shared;
mod sql;
mod sqlite;
mod storage;
#[cfg(test)]
mod suite;
#[cfg(test)]
pub(crate) use suite::write_of;
mod write;

pub use audit::{AuditEntry, AuditQuery, FieldChange};
pub use changes::{Removal, StoreChanges, StoreHead};
pub use digest::StateDigest;
pub use error::StoreError;
pub use fleet::{GatewayState, LastUse};
pub use kind::Kind;
pub use open::{open, open_beside, open_to_read};
pub use postgres::PostgresStore;
#[cfg(test)]
pub(crate) use postgres::server;
pub use query::{Query, SortBy, SortOrder, StorePage};
pub use record::{QUOTA_RESETS, Record};
pub use secrets::{SecretPlace, StoreKeys, has_sealed, is_sealed};
pub use served::{Served, ServedApplication};
pub use shared::SharedStore;
pub use sqlite::SqliteStore;
pub use storage::{Answer, Store};
pub use write::{Author, Change, Write, WriteCondition, WriteProgress, Written};
