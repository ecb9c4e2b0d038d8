//! Changes that are made together, and the conditions that must hold for them.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use uuid::Uuid;

use crate::store::kind::Kind;
use crate::store::record::Record;

/// Changes of one call: all of them are made, or none.
#[derive(Debug, Clone)]
pub struct Write {
    pub author: Author,
    /// A verb for the audit log, such as "map-keys".
    pub action: &'static str,
    pub changes: Vec<Change>,
    /// The conditions, checked in the transaction, so that two callers cannot pass each other.
    pub conditions: Vec<WriteCondition>,
    /// Objects outside the store that the audit log names: nothing is changed by them.
    pub notes: Vec<Record>,
}

/// The number of changes that a long write has made so far. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct WriteProgress(Arc<AtomicUsize>);

impl WriteProgress {
    pub fn made(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(in crate::store) fn step(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The author of a change, and the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    pub name: String,
    /// `None` for a command on this machine.
    pub address: Option<IpAddr>,
}

#[derive(Debug, Clone)]
pub enum Change {
    Create(Record),
    /// Replaces the record of this kind and id. `expected` is the revision that the caller saw.
    Update {
        record: Record,
        expected: Option<u64>,
    },
    Delete {
        kind: Kind,
        id: Uuid,
        expected: Option<u64>,
    },
}

/// A state that a write relies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteCondition {
    /// This object is there, and stays until the write is done.
    Exists { kind: Kind, id: Uuid },
    /// An object of this kind and name is there, and stays until the write is done.
    Named { kind: Kind, name: String },
    /// No object of this kind was written after this revision.
    Unwritten { kind: Kind, since: u64 },
    /// No object of this kind points to this name.
    Untargeted { kind: Kind, target: String },
    /// No object of this kind has this parent.
    Childless { kind: Kind, parent: Uuid },
    /// No application, or no subscription, has this policy.
    Unheld { kind: Kind, policy: String },
}

/// A write that is kept.
#[derive(Debug, Clone)]
pub struct Written {
    pub revision: u64,
    /// The records as they are now, in the order of the changes; nothing for a deleted one.
    pub records: Vec<Record>,
}
