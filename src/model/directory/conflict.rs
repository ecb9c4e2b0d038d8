//! The facts that two applications cannot share.

use crate::model::provenance::Provenance;

/// The reason why an application cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    #[error("application \"{name}\" is defined twice")]
    Name { name: String, other: Provenance },
    #[error(
        "consumer key \"{consumer_key}\" of this key manager belongs to application \"{application}\" already"
    )]
    ConsumerKey { consumer_key: String, application: String, other: Provenance },
    #[error("too many applications: their names and keys must fit into 4 GiB")]
    Full,
}

impl Conflict {
    /// Returns the place of the other application.
    pub fn other(&self) -> Option<Provenance> {
        match self {
            Self::Name { other, .. } | Self::ConsumerKey { other, .. } => Some(*other),
            Self::Full => None,
        }
    }
}
