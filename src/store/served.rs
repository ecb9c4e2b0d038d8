//! The objects that a gateway reads from the store when it starts: a million applications, and
//! little of each.

use crate::store::record::Record;

/// An object of a rare kind, or an application.
#[derive(Debug, Clone, PartialEq)]
pub enum Served {
    Table(Record),
    Application(ServedApplication),
}

/// An application with its keys and subscriptions.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedApplication {
    /// The latest of all its parts.
    pub revision: u64,
    /// The documents of its records as one, in the form of a line of an application file. The store
    /// joins them without parsing, so that a million applications are parsed once.
    pub line: String,
}
