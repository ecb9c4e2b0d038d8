//! The reasons for which the store refuses, or cannot answer.

use uuid::Uuid;

use crate::store::kind::Kind;

/// A refused write leaves everything as it was.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another object has this name or place.
    #[error("another {} has this name", kind.as_str())]
    Taken { kind: Kind, name: String, holder: Uuid },
    #[error("there is no such {}", kind.as_str())]
    Missing { kind: Kind, id: Uuid },
    /// The object was changed since the caller read it.
    #[error("the {} is of revision {revision} now", kind.as_str())]
    Changed { kind: Kind, id: Uuid, revision: u64 },
    /// Another object still points to it, or belongs to it.
    #[error("a {} still uses it", kind.as_str())]
    InUse { kind: Kind, by: Option<Uuid> },
    /// An object that a change points to was deleted after the caller saw it.
    #[error("the {} {name:?} was deleted in the meantime", kind.as_str())]
    Gone { kind: Kind, name: String },
    /// Objects of this kind were written after the caller looked at them.
    #[error("objects of kind {} were written in the meantime; try again", .0.as_str())]
    Overtaken(Kind),
    /// A text of it is longer than 2,000 bytes, or holds a NUL character.
    #[error("a name of the {} cannot be kept", .0.as_str())]
    Unfit(Kind),
    #[error("the disk of the store is full")]
    Full,
    /// The database cannot be reached, or does not answer in time.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    /// The database holds something that this version cannot read.
    #[error("the store cannot be read: {0}")]
    Unreadable(String),
    /// No encryption key is configured, and a secret would have to be kept.
    #[error("`store.encryption_key` is not configured, so no secret can be kept")]
    NoEncryptionKey,
}
