//! An object as the API shows it: kept in the store, or declared in a file and read-only.

use crate::admin::refused::Refused;
use crate::store::Record;

#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    pub record: Record,
    /// The file and line of an object that a file declares; only that file can change it.
    pub declared_at: Option<String>,
}

impl Object {
    pub fn kept(record: Record) -> Self {
        Self { record, declared_at: None }
    }

    pub fn declared(record: Record, place: String) -> Self {
        Self { record, declared_at: Some(place) }
    }

    /// Refuses a change of an object of a file. `what` names its kind.
    pub(super) fn changeable(&self, what: &str) -> Result<(), Refused> {
        match &self.declared_at {
            Some(place) => Err(Refused::declared(what, place)),
            None => Ok(()),
        }
    }
}
