//! The changes after a revision.

use uuid::Uuid;

use crate::store::kind::Kind;
use crate::store::record::Record;

/// The state of a store as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreHead {
    /// A random id from the creation of the store. A different one, or a revision that went back,
    /// means that an operator restored a backup.
    pub epoch: Uuid,
    pub revision: u64,
}

/// Records that were written after a revision, each once, in the order of revisions.
#[derive(Debug, Clone)]
pub struct StoreChanges {
    pub head: StoreHead,
    pub written: Vec<Record>,
    pub removed: Vec<Removal>,
    /// The revision up to which these changes are complete; less than the head's if more follow.
    pub complete_to: u64,
    /// False if the store no longer knows what was removed since; then the whole state must be
    /// read.
    pub known: bool,
}

/// An object that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    pub kind: Kind,
    pub id: Uuid,
    pub name: String,
    pub parent: Option<Uuid>,
    pub revision: u64,
}
