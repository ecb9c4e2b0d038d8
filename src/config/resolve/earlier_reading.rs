//! Tells whether application files are the same as at the reading in force, and what the directory
//! becomes without reading them again.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::content_stamp::ContentStamp;
use crate::config::resolve::references::References;
use crate::model::directory::{ApplicationChange, Directory, MOST_OVERLAID};
use crate::model::provenance::SourceFiles;

/// The application files of a reading, and the parts of it by which the next one is compared.
#[derive(Debug)]
pub struct ReadApplicationFiles {
    /// The names that the lines refer to.
    pub(super) references: Arc<References>,
    /// One for each file. `None` if the file changed while it was read, or a moment before.
    pub(super) stamps: Vec<Option<ContentStamp>>,
    /// The applications of tables alone.
    pub(super) tables: Directory,
    pub(super) files: SourceFiles,
}

/// The reading in force.
#[derive(Debug, Clone)]
pub struct EarlierReading {
    pub read: Arc<ReadApplicationFiles>,
    pub directory: Directory,
}

impl EarlierReading {
    /// Returns the directory in force with the applications of other tables, if the application
    /// files are the same and would be read the same.
    pub(super) fn followed_by(
        &self,
        tables: &Directory,
        references: &References,
        files: &SourceFiles,
        paths: &[PathBuf],
    ) -> Option<Directory> {
        let before = &self.read;
        if paths.is_empty() || !before.references.give_the_same(references) {
            return None;
        }
        // a place is a file's number and a line
        let mut files = files.clone();
        for path in paths {
            files.add(path.clone())?;
        }
        if files != before.files || paths.len() != before.stamps.len() {
            return None;
        }
        let same = paths.iter().zip(&before.stamps).all(|(path, stamp)| {
            let now = fs::metadata(path).ok().map(|metadata| ContentStamp::of(&metadata));
            stamp.is_some() && now == *stamp
        });
        if !same {
            return None;
        }
        let changes = before.tables.difference(tables, MOST_OVERLAID)?;
        let takes_a_name = changes.iter().any(|change| match change {
            ApplicationChange::Put(application) => {
                let name = application.name.as_str();
                before.tables.named(name).is_none() && self.directory.named(name).is_some()
            }
            ApplicationChange::Remove(_) => false,
        });
        if takes_a_name {
            return None;
        }
        self.directory.with(&changes).ok()
    }
}
