//! Revocations in a file: appended and synced, rewritten without what is of no more use at the start and when half of it
//! is.
//!
//! Decides what the file holds and nothing else. All records have one length: what a crash has cut off is the end of the
//! last one and is left out, and what a full disk has cut off is taken back at once, so that the next record begins where
//! it should.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crate::model::clock::UnixSeconds;
use crate::revocation::record::{RECORD_BYTES, Record};

const FILE: &str = "revocations";

/// So many records of no more use are never worth a rewrite.
const SPARE: u64 = 10_000;

/// The open file.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    /// In the file, those of no more use among them.
    records: u64,
    /// Something could not be written: the file lacks what memory has.
    behind: bool,
}

impl Journal {
    /// Opens the journal of this folder with what still counts. A disk without room for the rewrite is no reason not to
    /// start: then the file is used as it is.
    pub fn open(folder: &Path, now: UnixSeconds) -> io::Result<(Self, Vec<Record>)> {
        let path = folder.join(FILE);
        let (records, whole) = read(&path, now)?;
        match rewritten(&path, records.iter().copied()) {
            Ok((file, count)) => Ok((Self { file, path, records: count, behind: false }, records)),
            Err(error) => {
                tracing::warn!(target: "portcullis::revocation", %error, "the journal of revocations cannot be rewritten; it is used as it is");
                let file = OpenOptions::new().append(true).create(true).open(&path)?;
                file.set_len(whole.saturating_mul(RECORD_BYTES as u64))?;
                Ok((Self { file, path, records: whole, behind: false }, records))
            }
        }
    }

    /// What still counts, without touching the file: for `explain` beside a running gateway.
    pub fn look(folder: &Path, now: UnixSeconds) -> io::Result<Vec<Record>> {
        Ok(read(&folder.join(FILE), now)?.0)
    }

    /// Writes these too, down to the disk: all of them, or none.
    pub fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let bytes: Vec<u8> = records.iter().flat_map(|record| record.to_bytes()).collect();
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => self.records = self.records.saturating_add(records.len() as u64),
            Err(_) => {
                self.behind = true;
                // half a record in the middle would make all that follow unreadable
                self.file.set_len(self.records.saturating_mul(RECORD_BYTES as u64))?;
            }
        }
        written
    }

    /// Whether something that holds is not in it.
    pub fn is_behind(&self) -> bool {
        self.behind
    }

    /// Whether it should be written anew, for it lacks something or holds too much.
    pub fn wants_rewrite(&self, live: u64) -> bool {
        self.behind || self.records > live.saturating_mul(2).saturating_add(SPARE)
    }

    /// Writes it anew with these; the file before stays if that fails.
    pub fn rewrite(&mut self, records: impl Iterator<Item = Record>) -> io::Result<()> {
        let (file, count) = rewritten(&self.path, records)?;
        (self.file, self.records, self.behind) = (file, count, false);
        Ok(())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What still counts, and how many whole records there are.
fn read(path: &Path, now: UnixSeconds) -> io::Result<(Vec<Record>, u64)> {
    let mut file = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(error) => return Err(error),
    };
    let (mut records, mut whole, mut bytes) = (Vec::new(), 0_u64, [0; RECORD_BYTES]);
    loop {
        match file.read_exact(&mut bytes) {
            Ok(()) => whole = whole.saturating_add(1),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok((records, whole));
            }
            Err(error) => return Err(error),
        }
        records.extend(Record::from_bytes(&bytes).filter(|record| record.until >= now));
    }
}

/// A new file in the place of the one before, whole or not at all.
fn rewritten(path: &Path, records: impl Iterator<Item = Record>) -> io::Result<(File, u64)> {
    let new = path.with_extension("new");
    let written = (|| -> io::Result<u64> {
        let mut out = BufWriter::new(File::create(&new)?);
        let mut count = 0_u64;
        for record in records {
            out.write_all(&record.to_bytes())?;
            count = count.saturating_add(1);
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(count)
    })();
    let count = written.inspect_err(|_| drop(fs::remove_file(&new)))?;
    fs::rename(&new, path)?;
    // the new name has to be on the disk too
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok((OpenOptions::new().append(true).open(path)?, count))
}
