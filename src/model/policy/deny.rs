//! Deny conditions: requests that are refused before anything is counted.

use crate::model::policy::AddressRange;
use crate::model::provenance::Provenance;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenyCondition {
    pub target: DenyTarget,
    pub enabled: bool,
    pub place: Provenance,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DenyTarget {
    /// All callers of one API: `/context/version`.
    Api(String),
    Application {
        owner: String,
        name: String,
    },
    /// The subject of a token.
    User(String),
    Addresses {
        range: AddressRange,
        /// All callers except these.
        inverted: bool,
    },
}

impl DenyTarget {
    /// The type as it is written.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Api(_) => "api",
            Self::Application { .. } => "application",
            Self::User(_) => "user",
            Self::Addresses { .. } => "ip",
        }
    }
}
