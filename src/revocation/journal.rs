//! Revocations in a file: appended and synced one by one, read and rewritten without the expired ones at the start.
//!
//! A record that was cut by a crash is the last one, and is left out.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::model::clock::UnixSeconds;
use crate::revocation::record::{RECORD_BYTES, Record};

const FILE: &str = "revocations";

/// The open file.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Opens the journal of this folder with what still counts.
    pub fn open(folder: &Path, now: UnixSeconds) -> io::Result<(Self, Vec<Record>)> {
        let path = folder.join(FILE);
        let mut bytes = Vec::new();
        match File::open(&path) {
            Ok(mut file) => drop(file.read_to_end(&mut bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let (whole, _) = bytes.as_chunks::<RECORD_BYTES>();
        let records: Vec<_> = whole.iter().filter_map(Record::from_bytes).filter(|record| record.until >= now).collect();
        let new = folder.join(format!("{FILE}.new"));
        let mut rewritten = File::create(&new)?;
        let kept: Vec<u8> = records.iter().flat_map(|record| record.to_bytes()).collect();
        rewritten.write_all(&kept)?;
        rewritten.sync_all()?;
        std::fs::rename(&new, &path)?;
        let file = OpenOptions::new().append(true).open(&path)?;
        Ok((Self { file, path }, records))
    }

    /// Writes one more, down to the disk.
    pub fn append(&mut self, record: &Record) -> io::Result<()> {
        self.file.write_all(&record.to_bytes())?;
        self.file.sync_data()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}
