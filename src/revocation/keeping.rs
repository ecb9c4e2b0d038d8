//! Names the owner of the journal. One process at a time writes to it. A process that handed it
//! over follows the writes of the other one.

use crate::revocation::journal::Journal;

/// The place where revocations are kept.
#[derive(Debug, Default)]
pub(super) enum Keeping {
    /// No journal, for `explain` and tests.
    #[default]
    Memory,
    Journal(Box<Journal>),
    /// Another process writes the journal and keeps the records.
    HandedOver,
}
