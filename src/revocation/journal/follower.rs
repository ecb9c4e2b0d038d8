//! Reads the entries that another process appends to the journal. A gateway that was replaced goes
//! on with streams for a while, and they end when the new process is told that their token is
//! revoked.

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::model::clock::UnixSeconds;
use crate::revocation::journal::{FILE, contents, format};
use crate::revocation::record::RevocationRecord;
use crate::state_dir;

/// Bytes at a time.
const PAGE: u64 = 1024 * 1024;

/// A position in a journal that another process writes.
#[derive(Debug)]
pub struct JournalFollower {
    folder: PathBuf,
    identity: Option<(u64, u64)>,
    at: u64,
}

impl JournalFollower {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), identity: None, at: 0 }
    }

    /// Returns the new records, or all of them after the file was written anew.
    pub fn read(&mut self, now: UnixSeconds) -> io::Result<Vec<RevocationRecord>> {
        let path = self.folder.join(FILE);
        let facts = fs::symlink_metadata(&path)?;
        let identity = (facts.dev(), facts.ino());
        if self.identity != Some(identity) || facts.len() < self.at {
            let found = contents(&self.folder, now)?;
            (self.identity, self.at) = (Some(identity), found.end);
            return Ok(found.records);
        }
        if facts.len() == self.at {
            return Ok(Vec::new());
        }
        let length = facts.len().saturating_sub(self.at).min(PAGE);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        state_dir::read(&path)?.read_exact_at(&mut bytes, self.at)?;
        let (records, read) = format::appended(&bytes);
        self.at = self.at.saturating_add(read as u64);
        Ok(records)
    }
}
