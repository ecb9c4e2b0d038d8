//! Tokens that ended before their time: by themselves, by their id, or with all that a client or a subject got before a
//! moment.
//!
//! Decides whether a token is revoked; never what may revoke it. Read by every worker on every request: nothing is looked
//! up while nothing is revoked, and then only hashes that a verdict brings with it. What is kept outlives a restart, and
//! is forgotten when the tokens would have expired.
//!
//! The walk through the files: [`marks`] (what a token may be revoked by), [`record`] (one revocation as it is kept),
//! [`ledger`] (who, when, of what; taking back), [`journal`] (the file), [`keeping`] (who owns the file), [`outbox`] (what other gateways have yet to hear), [`channel`] (Redis or Valkey between the gateways),
//! [`counts`] (what operators see); [`revocations`] puts them together.

pub mod channel;
mod counts;
mod error;
pub mod journal;
mod keeping;
mod ledger;
mod marks;
mod outbox;
pub mod record;
mod revocations;

#[cfg(test)]
mod tests;

pub use error::RevocationError;
pub use ledger::ListedRevocation;
pub use marks::{HolderNames, Holders, Marks};
pub use revocations::{Ground, Revocations};
