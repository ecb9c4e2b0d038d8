//! The state of a configuration's files as seen from outside, by which a change is noticed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The age from which a file counts as completely written.
pub(super) const SETTLE: Duration = Duration::from_millis(250);

/// The looks of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileStamp {
    path: PathBuf,
    resolved: Option<PathBuf>,
    /// Device and inode. A file that was replaced by a rename has others.
    identity: Option<(u64, u64)>,
    length: u64,
    modified: Option<SystemTime>,
}

/// Reads the state of the files, and of others beside them that an `include` may match.
pub(super) fn look(files: &[PathBuf]) -> Vec<FileStamp> {
    let mut paths: BTreeSet<PathBuf> = files.iter().cloned().collect();
    let folders: BTreeSet<PathBuf> =
        files.iter().filter_map(|file| file.parent()).map(folder).collect();
    for folder in folders {
        let entries =
            fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        paths.extend(
            entries.filter(|path| path.extension().is_some_and(|extension| extension == "toml")),
        );
    }
    paths.into_iter().map(FileStamp::of).collect()
}

/// Tells whether a file differs from its recorded state. A file without a recorded state is left
/// out.
pub(super) fn was_written_since(path: &Path, seen: &[FileStamp]) -> bool {
    let now = FileStamp::of(path.to_owned());
    let facts = |own: &FileStamp| (own.identity, own.length, own.modified);
    let before = seen.iter().find(|own| own.resolved.is_some() && own.resolved == now.resolved);
    before.is_some_and(|before| facts(before) != facts(&now))
}

impl FileStamp {
    pub(super) fn of(path: PathBuf) -> Self {
        let metadata = fs::metadata(&path).ok();
        Self {
            resolved: fs::canonicalize(&path).ok(),
            identity: metadata.as_ref().map(|metadata| (metadata.dev(), metadata.ino())),
            length: metadata.as_ref().map_or(0, fs::Metadata::len),
            modified: metadata.and_then(|metadata| metadata.modified().ok()),
            path,
        }
    }

    pub(super) fn same_file(pair: (&Self, &Self)) -> bool {
        pair.0.path == pair.1.path
    }

    /// Returns the time since the file was written; `None` if it is unknown or lies in the future.
    pub(super) fn age(&self) -> Option<Duration> {
        self.modified?.elapsed().ok()
    }
}

fn folder(path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() }
}
