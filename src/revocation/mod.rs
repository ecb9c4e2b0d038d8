//! Holds revocations: of single tokens, of token ids, and of all tokens that a client or a subject
//! got before a moment. Decides whether a token is revoked, and never who may revoke it.
//!
//! Every worker reads this room on every request. While nothing is revoked, nothing is looked up.
//! Otherwise only hashes are looked up, which a verdict brings with it. Revocations outlive a
//! restart, and are forgotten when their tokens would have expired.
//!
//! The walk through the files: [`marks`] (the marks of a token), [`record`] (one revocation as it
//! is kept), [`ledger`] (authors and times), [`journal`] (the file), [`keeping`] (the owner of the
//! file), [`outbox`] (the queue to other gateways), [`channel`] (Redis or Valkey between the
//! gateways), [`counts`] (numbers for operators); [`revocations`] puts them together.

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
