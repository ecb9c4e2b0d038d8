//! Names that may be used once.

use std::collections::HashMap;

use crate::config::problems::{At, Problems};

/// Names that may be used once: tells of the second.
#[derive(Debug, Default)]
pub(super) struct Unique {
    pub(super) seen: HashMap<String, At>,
}

impl Unique {
    /// Whether the name is new; a second one is a problem at its place.
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
