//! The signs by which a file's content counts as unchanged without being read.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

/// The age from which a change time counts: a later change of the same file has another one, on any
/// file system that keeps times of a second or finer. Tests do not wait for it.
const SETTLED: Duration = if cfg!(test) { Duration::ZERO } else { Duration::from_secs(2) };

/// Identity, length and times of a plain file. The time of the last change (`ctime`) cannot be set
/// back, unlike that of the last modification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContentStamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl ContentStamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Tells whether the file has rested for a while. A change at this very moment could leave the
    /// times as they are.
    pub(super) fn is_settled(&self) -> bool {
        let (seconds, nanoseconds) = self.changed;
        let since_epoch = u64::try_from(seconds).ok().zip(u32::try_from(nanoseconds).ok());
        since_epoch
            .and_then(|(seconds, nanoseconds)| {
                SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds))
            })
            .and_then(|changed| changed.elapsed().ok())
            .is_some_and(|age| age >= SETTLED)
    }
}
