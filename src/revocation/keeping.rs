//! Who owns the journal.
//!
//! One process at a time writes to it. A process that handed it over goes on with what the other one writes.

use crate::revocation::journal::Journal;

/// Where revocations are kept.
#[derive(Debug, Default)]
pub(super) enum Keeping {
    /// For `explain` and tests.
    #[default]
    Memory,
    Journal(Box<Journal>),
    /// Another process writes the journal; what is to be kept is its affair.
    HandedOver,
}
