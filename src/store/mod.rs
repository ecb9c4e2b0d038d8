//! Keeps what the management API creates, in SQLite or PostgreSQL, with a revision for each change.
//!
//! Every object is a [`Record`]: its kind, its id, the texts that must be unique, and a document in
//! the form that `gateway.toml` has for it, so that the configuration compiler reads files and store
//! by the same rules. A [`Write`] changes several records or none, and gets the next revision with
//! its audit entries in one transaction. Gateways follow the store by revision ([`Changes`]).
//!
//! The files: [`kind`] and [`record`] (what is kept), [`write`](mod@write) (changes and their
//! conditions), [`query`] (lists), [`changes`] (what followed a revision), [`audit`] (who changed
//! what), [`fleet`] (gateways, and who used what last), [`error`]; [`storage`] is what a database
//! has to do.

mod audit;
mod changes;
mod error;
mod fleet;
mod kind;
mod query;
mod record;
mod storage;
mod write;

pub use audit::{AuditEntry, AuditQuery, FieldChange};
pub use changes::{Changes, Head, Removal};
pub use error::StoreError;
pub use fleet::{GatewayState, LastUse};
pub use kind::Kind;
pub use query::{Page, Query, SortBy, SortOrder};
pub use record::Record;
pub use storage::{Answer, Store};
pub use write::{Author, Change, Condition, Write, Written};
