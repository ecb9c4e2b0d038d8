//! Keeps revocations in a file: appends and syncs, and writes the file anew at the start and when
//! half of it is of no more use.
//!
//! Decides the content of the file and nothing else. A crash loses nothing that was synced. The
//! journal notices changes that something else makes ([`mod@format`]: the bytes): at the start by
//! checksums, and at the next write by looking whether it is still the same file. A damaged file is
//! kept aside and never overwritten.

pub mod follower;
mod format;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::model::clock::UnixSeconds;
pub use crate::revocation::journal::format::Damage;
use crate::revocation::journal::format::{Contents, SYNCED_AT};
use crate::revocation::record::RevocationRecord;
use crate::state_dir;

const FILE: &str = "revocations";

/// Marks that there was a journal of this format here, so an empty or missing one is no fresh
/// start.
const FORMAT_FILE: &str = "format";
const FORMAT: &[u8] = b"2\n";

/// With no more useless records than this, a rewrite does not pay.
const SPARE: u64 = 10_000;

/// The open file.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// `None` if the file cannot be appended to; it is written anew as soon as there is room.
    open: Option<OpenJournal>,
    /// The records in the file, including useless ones.
    records: u64,
    /// A write failed, so the file lacks records that memory has.
    behind: bool,
}

#[derive(Debug)]
struct OpenJournal {
    file: File,
    /// The device and number of the file, by which another file of the same name is recognized.
    identity: (u64, u64),
    length: u64,
    /// The number of the next frame.
    next: u32,
}

/// The journal in its state at the start.
#[derive(Debug)]
pub struct Opened {
    pub journal: Journal,
    /// The records that still count.
    pub records: Vec<RevocationRecord>,
    pub damage: Option<(Damage, Option<PathBuf>)>,
}

impl Journal {
    /// Opens the journal of this folder with the records that still count. If the disk has no room
    /// for the rewrite, the gateway starts and uses the file as it is.
    pub fn open(folder: &Path, now: UnixSeconds) -> io::Result<Opened> {
        let path = folder.join(FILE);
        let found = contents(folder, now)?;
        if found.torn > 0 {
            tracing::info!(
                target: "portcullis::revocation",
                bytes = found.torn,
                "the last write to the journal of revocations was cut off, as a crash does; \
                 nothing in it was answered",
            );
        }
        if found.is_old && found.frames > 0 {
            tracing::info!(
                target: "portcullis::revocation",
                records = found.frames,
                "the journal of revocations is of an earlier build; it is written anew",
            );
        }
        let damage = found.damage.clone().map(|damage| {
            let aside = keep_aside(&path);
            tell(&path, &damage, aside.as_deref(), found.records.len());
            (damage, aside)
        });
        let journal = match rewritten(&path, found.records.iter().cloned()) {
            Ok((open, records)) => {
                mark(folder);
                Self { path, open: Some(open), records, behind: false }
            }
            Err(error) => {
                tracing::warn!(
                    target: "portcullis::revocation",
                    %error,
                    "the journal of revocations cannot be rewritten; it is used as it is",
                );
                Self::as_it_is(path, &found)?
            }
        };
        Ok(Opened { journal, records: found.records, damage })
    }

    /// Reads the records that still count without touching the file: for `explain` beside a running
    /// gateway.
    pub fn look(folder: &Path, now: UnixSeconds) -> io::Result<Vec<RevocationRecord>> {
        Ok(contents(folder, now)?.records)
    }

    fn as_it_is(path: PathBuf, found: &Contents) -> io::Result<Self> {
        let can_grow = !found.is_old && found.damage.is_none();
        let open = match state_dir::write(&path) {
            Ok(file) if can_grow => {
                file.set_len(found.end)?;
                let identity = identity(&file)?;
                Some(OpenJournal { file, identity, length: found.end, next: found.next })
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(_) | Err(_) => None,
        };
        let behind = open.is_none();
        Ok(Self { path, open, records: found.frames, behind })
    }

    /// Appends these records and syncs: all of them, or none.
    pub fn append(&mut self, records: &[RevocationRecord]) -> io::Result<()> {
        let Some(open) = &mut self.open else {
            self.behind = true;
            return Err(io::Error::other("the journal has to be written anew first"));
        };
        let (mut bytes, mut next) = (Vec::new(), open.next);
        for record in records {
            bytes.extend(format::frame(record, next));
            next = next.wrapping_add(1);
        }
        let written =
            open.file.write_all_at(&bytes, open.length).and_then(|()| open.file.sync_data());
        match written {
            Ok(()) => {
                open.length = open.length.saturating_add(bytes.len() as u64);
                open.next = next;
                self.records = self.records.saturating_add(records.len() as u64);
                // after the sync: the header never promises more than the disk has
                let _ = open.file.write_all_at(&format::synced_part(open.length), SYNCED_AT);
            }
            Err(_) => {
                self.behind = true;
                open.file.set_len(open.length)?;
            }
        }
        written
    }

    /// Tells whether the journal lacks a revocation that holds.
    pub fn is_behind(&self) -> bool {
        self.behind
    }

    /// Tells whether the journal must be written anew, because it lacks records or holds too many.
    pub fn wants_rewrite(&self, live: u64) -> bool {
        // the numbers of frames must not begin anew within a file
        let numbered_out = self.open.as_ref().is_some_and(|open| open.next > u32::MAX / 2);
        self.behind || numbered_out || self.records > live.saturating_mul(2).saturating_add(SPARE)
    }

    /// Writes the journal anew with these records. If that fails, the former file stays.
    pub fn rewrite(&mut self, records: impl Iterator<Item = RevocationRecord>) -> io::Result<()> {
        let (open, records) = rewritten(&self.path, records)?;
        (self.open, self.records, self.behind) = (Some(open), records, false);
        Ok(())
    }

    /// Checks whether another program removed the file, replaced it or changed its length. If so,
    /// the present file is kept aside, and the journal must be written anew.
    pub fn check(&mut self) -> Option<Damage> {
        let open = self.open.as_ref()?;
        let damage = match fs::symlink_metadata(&self.path) {
            Ok(facts) if (facts.dev(), facts.ino()) != open.identity => Damage::Replaced,
            Ok(facts) if facts.len() != open.length => Damage::Resized,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Damage::Gone,
            // the next write reports a file that cannot be inspected
            Ok(_) | Err(_) => return None,
        };
        let aside = keep_aside(&self.path);
        tell(&self.path, &damage, aside.as_deref(), 0);
        self.behind = true;
        Some(damage)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn contents(folder: &Path, now: UnixSeconds) -> io::Result<Contents> {
    let known = fs::symlink_metadata(folder.join(FORMAT_FILE)).is_ok();
    match state_dir::read(&folder.join(FILE)) {
        Ok(file) => format::read(file, known, |record| record.until >= now),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(Contents { damage: known.then_some(Damage::Gone), ..Contents::default() })
        }
        Err(error) => Err(error),
    }
}

/// Notes that a missing journal is no fresh start from now on. If the note cannot be written, the
/// next start tries again.
fn mark(folder: &Path) {
    let path = folder.join(FORMAT_FILE);
    if state_dir::read(&path).is_err() {
        let _ = state_dir::create(&path).and_then(|mut file| file.write_all(FORMAT));
    }
}

/// Gives the damaged file a second name with the time of its last write, which the rewrite keeps.
fn keep_aside(path: &Path) -> Option<PathBuf> {
    let written = fs::symlink_metadata(path).ok()?.mtime();
    let aside = state_dir::aside(path, written);
    fs::hard_link(path, &aside).ok().map(|()| aside)
}

fn tell(path: &Path, damage: &Damage, aside: Option<&Path>, readable: usize) {
    let (file, aside) = (path.display(), aside.map(|path| path.display().to_string()));
    let aside = aside.as_deref().unwrap_or("nothing was there to keep");
    if readable == 0 && matches!(damage, Damage::Gone | Damage::Replaced | Damage::Resized) {
        tracing::error!(
            target: "portcullis::revocation",
            %file,
            %damage,
            aside,
            "the journal of revocations was changed by something else; it is written anew. Find \
             out what did it",
        );
    } else {
        tracing::error!(
            target: "portcullis::revocation",
            %file,
            %damage,
            aside,
            readable,
            "the journal of revocations is damaged: tokens that were revoked may pass again. Every \
             readable record holds; revoke again what is missing, and find out what did it",
        );
    }
}

/// A new file in the place of the one before, whole or not at all.
fn rewritten(
    path: &Path,
    records: impl Iterator<Item = RevocationRecord>,
) -> io::Result<(OpenJournal, u64)> {
    let new = path.with_extension("new");
    let written = (|| -> io::Result<(OpenJournal, u64)> {
        let mut out = BufWriter::new(state_dir::create(&new)?);
        let (mut length, mut next) = (format::HEADER_BYTES as u64, 0_u32);
        out.write_all(&format::header(length))?;
        for record in records {
            let frame = format::frame(&record, next);
            out.write_all(&frame)?;
            length = length.saturating_add(frame.len() as u64);
            next = next.saturating_add(1);
        }
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.write_all_at(&format::synced_part(length), SYNCED_AT)?;
        file.sync_all()?;
        let identity = identity(&file)?;
        Ok((OpenJournal { file, identity, length, next }, next.into()))
    })();
    let written = written.inspect_err(|_| drop(fs::remove_file(&new)))?;
    state_dir::replace(&new, path)?;
    Ok(written)
}

fn identity(file: &File) -> io::Result<(u64, u64)> {
    let facts = file.metadata()?;
    Ok((facts.dev(), facts.ino()))
}
