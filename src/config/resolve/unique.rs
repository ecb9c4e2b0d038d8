//! Finds names that are defined twice.

use std::collections::HashMap;

use crate::config::problems::{At, Problems};

/// Names that must be unique, with the place of each.
#[derive(Debug, Default)]
pub(super) struct Unique {
    pub(super) seen: HashMap<String, At>,
}

impl Unique {
    /// Returns true if the name is new; reports a conflict if it is not.
    pub(super) fn claim(&mut self, name: &str, at: &At, what: &str, problems: &Problems) -> bool {
        if let Some(other) = self.seen.get(name) {
            problems.conflict(
                at.clone(),
                other.clone(),
                format!("{what} {name:?} is defined twice"),
                None,
            );
            return false;
        }
        self.seen.insert(name.to_owned(), at.clone());
        true
    }
}
