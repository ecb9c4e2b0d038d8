//! The place where an object was written: a file and a line, or a revision of the store. The
//! store's audit log has the author and the time. Reports and `explain` show it.

use std::path::{Path, PathBuf};

/// A file (by its position in [`SourceFiles`]) and a line, counted from 1; or a revision of the
/// store. Packed, for a million applications have one each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Provenance {
    pub file: u16,
    /// The revision, if the place is the store.
    pub line: u32,
}

impl Provenance {
    /// The number that stands for the store; no file has it.
    const STORE: u16 = u16::MAX;

    /// The change of the store that an object has its present form from. Revisions beyond four
    /// billion are all shown as that.
    pub fn stored(revision: u64) -> Self {
        Self { file: Self::STORE, line: u32::try_from(revision).unwrap_or(u32::MAX) }
    }

    /// The revision, if this is the store.
    pub fn revision(self) -> Option<u32> {
        (self.file == Self::STORE).then_some(self.line)
    }
}

/// The name of the store, in place of a file's path.
pub const STORE: &str = "the store";

/// The files that a configuration was read from, in the order of reading.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceFiles(Vec<PathBuf>);

impl SourceFiles {
    /// Adds a file and returns its number, or `None` if there are 65,535 already.
    pub fn add(&mut self, path: PathBuf) -> Option<u16> {
        let number = u16::try_from(self.0.len()).ok()?;
        self.0.push(path);
        Some(number)
    }

    pub fn path(&self, place: Provenance) -> Option<&Path> {
        if place.revision().is_some() {
            return Some(Path::new(STORE));
        }
        self.0.get(usize::from(place.file)).map(PathBuf::as_path)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(PathBuf::as_path)
    }

    /// `gateway.toml:12`, as an operator's editor opens it.
    pub fn describe(&self, place: Provenance) -> String {
        if let Some(revision) = place.revision() {
            return format!("{STORE}, revision {revision}");
        }
        match self.path(place) {
            Some(path) => format!("{}:{}", path.display(), place.line),
            None => format!("line {}", place.line),
        }
    }
}
