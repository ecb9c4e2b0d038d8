//! What a gateway reads of a store when it starts: a million applications, and little of each.

use crate::store::record::Record;

/// An object of a kind of which there are few, or an application.
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
    /// The documents of its records as one, in the form of a line of an application file. It was
    /// put together without being read: a million applications are read once.
    pub line: String,
}
