//! Finds tables over all files of a configuration.

use crate::config::problems::Problems;
use crate::config::reader::{Placed, Table};

/// The top tables of all files.
pub(super) struct RootTables<'a> {
    pub(super) tables: Vec<Table<'a>>,
    pub(super) problems: &'a Problems,
}

impl<'a> RootTables<'a> {
    /// Returns a table that may stand in one file only.
    pub(super) fn once(&self, key: &str) -> Option<Table<'a>> {
        let mut found: Option<Table<'a>> = None;
        for root in &self.tables {
            let Some(table) = root.table(key) else { continue };
            match &found {
                None => found = Some(table),
                Some(first) => self.problems.conflict(
                    table.at(),
                    first.at(),
                    format!("[{key}] stands in two files, but may stand in one only"),
                    None,
                ),
            }
        }
        found
    }

    /// Returns the tables of a list, over all files.
    pub(super) fn every(&self, key: &str) -> Vec<Table<'a>> {
        self.tables.iter().flat_map(|root| root.tables(key)).collect()
    }

    pub(super) fn application_files(&self) -> Vec<Placed<&'a str>> {
        self.tables.iter().filter_map(|root| root.texts("application_files")).flatten().collect()
    }

    pub(super) fn refuse_nested_includes(&self) {
        for (position, root) in self.tables.iter().enumerate() {
            if position == 0 {
                // reading it reports a value of a wrong type
                let _ = root.texts("include");
            } else if root.has("include") {
                root.error("include", "only the main file may include others".to_owned(), None);
            }
        }
    }
}
