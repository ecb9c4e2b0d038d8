//! Holds revocations: of single tokens, of token ids, and of all tokens that a client or a subject
//! got before a moment.
//!
//! Decides whether a token is revoked, and never what may revoke it. Every worker reads this room
//! on every request. While nothing is revoked nothing is looked up; then only hashes are, which a
//! verdict brings with it. Revocations outlive a restart, and are forgotten when the tokens would
//! have expired.
//!
//! The walk through the files: [`marks`] (by what a token can be revoked), [`record`] (one
//! revocation as it is kept), [`ledger`] (who revoked what and when), [`journal`] (the file),
//! [`keeping`] (who owns the file), [`outbox`] (the queue to other gateways), [`channel`] (Redis or
//! Valkey between the gateways), [`counts`] (numbers for operators); [`revocations`] puts them
//! together.

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
