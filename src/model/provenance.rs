//! Where something was written, for reports and for `explain`: a file and a line.

use std::path::{Path, PathBuf};

/// A file (by its position in [`SourceFiles`]) and a line, counted from 1. Packed, for a million
/// applications have one each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Provenance {
    pub file: u16,
    pub line: u32,
}

/// The files that a configuration was read from, in the order of reading.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceFiles(Vec<PathBuf>);

impl SourceFiles {
    /// Adds a file and returns its number, or `None` when there are 65,535 already.
    pub fn add(&mut self, path: PathBuf) -> Option<u16> {
        let number = u16::try_from(self.0.len()).ok()?;
        self.0.push(path);
        Some(number)
    }

    pub fn path(&self, place: Provenance) -> Option<&Path> {
        self.0.get(usize::from(place.file)).map(PathBuf::as_path)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(PathBuf::as_path)
    }

    /// `gateway.toml:12`, as an operator's editor opens it.
    pub fn describe(&self, place: Provenance) -> String {
        match self.path(place) {
            Some(path) => format!("{}:{}", path.display(), place.line),
            None => format!("line {}", place.line),
        }
    }
}
