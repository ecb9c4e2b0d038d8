//! The tables of all files, by their names.

use crate::config::problems::Problems;
use crate::config::reader::{Placed, Table};

/// All files' tables with one name.
pub(super) struct Whole<'a> {
    pub(super) roots: Vec<Table<'a>>,
    pub(super) problems: &'a Problems,
}

impl<'a> Whole<'a> {
    /// A table that may stand once over all files.
    pub(super) fn once(&self, key: &str) -> Option<Table<'a>> {
        let mut found: Option<Table<'a>> = None;
        for root in &self.roots {
            let Some(table) = root.table(key) else { continue };
            match &found {
                None => found = Some(table),
                Some(first) => self.problems.conflict(
                    table.at(),
                    first.at(),
                    format!("[{key}] may stand in one file only"),
                    None,
                ),
            }
        }
        found
    }

    /// The tables of a list, over all files.
    pub(super) fn every(&self, key: &str) -> Vec<Table<'a>> {
        self.roots.iter().flat_map(|root| root.tables(key)).collect()
    }

    pub(super) fn application_files(&self) -> Vec<Placed<&'a str>> {
        self.roots.iter().filter_map(|root| root.texts("application_files")).flatten().collect()
    }

    pub(super) fn refuse_nested_includes(&self) {
        for (position, root) in self.roots.iter().enumerate() {
            if position == 0 {
                // a list of something else is told by reading it
                let _ = root.texts("include");
            } else if root.has("include") {
                root.error("include", "only the main file may include others".to_owned(), None);
            }
        }
    }
}
