//! Names the owner of the journal.
//!
//! One process at a time writes to the journal. A process that handed it over follows the writes of
//! the other one.

use crate::revocation::journal::Journal;

/// The place where revocations are kept.
#[derive(Debug, Default)]
pub(super) enum Keeping {
    /// For `explain` and tests.
    #[default]
    Memory,
    Journal(Box<Journal>),
    /// Another process writes the journal; what is to be kept is its affair.
    HandedOver,
}
