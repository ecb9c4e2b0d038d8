//! The bytes of the journal: a header, then frames, each with its number and a checksum.
//!
//! It reads any bytes: damage is reported, and every whole frame behind it is found again. The
//! header holds the length of the file at the last sync, so a missing end is noticed too. Only the
//! end of the file may be half a frame. A crash in the middle of a write leaves that, and no call
//! in it was answered.

use std::io::{self, Read};

use aws_lc_rs::digest::{SHA256, digest};

use crate::revocation::record::{MOST_RECORD_BYTES, OLD_RECORD_BYTES, RevocationRecord};

/// The first bytes of the file; the number is the version of the format.
const MAGIC: &[u8; 25] = b"portcullis-revocations/2\n";

/// The header after the magic number: the length of the file at the last sync, and a checksum of
/// both.
pub(super) const HEADER_BYTES: usize = MAGIC.len() + 8 + SUM_BYTES;

/// The offset of the part of the header that changes.
pub(super) const SYNCED_AT: u64 = MAGIC.len() as u64;

/// Begins each frame, and is looked for behind damage.
const SYNC: [u8; 2] = [0xA7, 0x5E];
const SUM_BYTES: usize = 8;
/// Sync, length, number.
const FRAME_HEAD: usize = 2 + 2 + 4;
const MOST_FRAME: usize = FRAME_HEAD + MOST_RECORD_BYTES + SUM_BYTES;

/// The bytes that are read at a time.
const CHUNK: usize = 256 * 1024;

/// The content of a file.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) records: Vec<RevocationRecord>,
    /// Frames in the file, those that were filtered out among them.
    pub(super) frames: u64,
    /// The end of the last whole frame.
    pub(super) end: u64,
    /// The number of the next frame.
    pub(super) next: u32,
    /// The file is of an earlier build.
    pub(super) is_old: bool,
    /// Bytes of half a frame at the end.
    pub(super) torn: u64,
    pub(super) damage: Option<Damage>,
}

/// The damage of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    #[error("it is empty")]
    Empty,
    #[error("it is gone")]
    Gone,
    #[error("another file has taken its place")]
    Replaced,
    #[error("its length was changed by something else")]
    Resized,
    #[error(
        "{unreadable} bytes are unreadable, at least {missing} records are missing{}",
        if *.header { ", its beginning was changed" } else { "" }
    )]
    Broken { unreadable: u64, missing: u64, header: bool },
}

/// The whole header.
pub(super) fn header(synced: u64) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    let fields = [&MAGIC[..], &synced_part(synced)].concat();
    bytes.copy_from_slice(&fields);
    bytes
}

/// The part of the header that changes.
pub(super) fn synced_part(synced: u64) -> [u8; 8 + SUM_BYTES] {
    let mut part = [0; 8 + SUM_BYTES];
    let number = synced.to_be_bytes();
    let fields = [&number[..], &sum(&[&MAGIC[..], &number].concat())].concat();
    part.copy_from_slice(&fields);
    part
}

pub(super) fn frame(record: &RevocationRecord, number: u32) -> Vec<u8> {
    let payload = record.to_bytes();
    let mut bytes = Vec::with_capacity(FRAME_HEAD + payload.len() + SUM_BYTES);
    bytes.extend(SYNC);
    bytes.extend(u16::try_from(payload.len()).unwrap_or_default().to_be_bytes());
    bytes.extend(number.to_be_bytes());
    bytes.extend(payload);
    bytes.extend(sum(&bytes));
    bytes
}

/// Reads a file. With `is_new` the file must be of this format, whatever its first bytes are.
/// Records that `keeps` refuses are counted and left out.
pub(super) fn read(
    file: impl Read,
    is_new: bool,
    keeps: impl Fn(&RevocationRecord) -> bool,
) -> io::Result<Contents> {
    let mut window = FileWindow { file, bytes: Vec::new(), at: 0, offset: 0, ended: false };
    window.fill()?;
    let start = window.rest();
    if start.is_empty() {
        let damage = is_new.then_some(Damage::Empty);
        return Ok(Contents { damage, ..Contents::default() });
    }
    let synced = synced(start);
    if !is_new && synced.is_none() && !start.starts_with(MAGIC) && !holds_frame(start) {
        return old(window, keeps);
    }
    if synced.is_some() {
        window.skip(HEADER_BYTES);
    }
    frames(window, synced, keeps)
}

/// Reads frames one after the other, without a header, as a running gateway appended them.
pub(super) fn appended(bytes: &[u8]) -> (Vec<RevocationRecord>, usize) {
    let (mut records, mut at) = (Vec::new(), 0_usize);
    while let Some((_, payload, length)) = bytes.get(at..).and_then(whole_frame) {
        records.extend(RevocationRecord::from_bytes(payload));
        at = at.saturating_add(length);
    }
    (records, at)
}

fn frames(
    mut window: FileWindow<impl Read>,
    synced: Option<u64>,
    keeps: impl Fn(&RevocationRecord) -> bool,
) -> io::Result<Contents> {
    let mut found = Contents { end: window.offset(), ..Contents::default() };
    let (mut unreadable, mut missing, mut run) = (0_u64, 0_u64, Run::default());
    loop {
        window.fill()?;
        let rest = window.rest();
        if rest.is_empty() {
            break;
        }
        let Some((number, payload, length)) = whole_frame(rest) else {
            let skipped = to_next_sync(rest);
            run.extend(window.offset(), rest.get(..skipped).unwrap_or_default());
            window.skip(skipped);
            continue;
        };
        unreadable = unreadable.saturating_add(run.take().length);
        missing = missing.saturating_add(number.saturating_sub(found.next).into());
        match RevocationRecord::from_bytes(payload) {
            Some(record) if keeps(&record) => found.records.push(record),
            Some(_) => {}
            None => missing = missing.saturating_add(1),
        }
        found.frames = found.frames.saturating_add(1);
        found.next = number.saturating_add(1);
        window.skip(length);
        found.end = window.offset();
    }
    let reached = window.offset();
    if run.length > 0 {
        if run.is_torn(synced.unwrap_or_default()) {
            found.torn = run.length;
        } else {
            unreadable = unreadable.saturating_add(run.length);
        }
    }
    if synced.is_some_and(|synced| reached < synced) {
        missing = missing.saturating_add(1);
    }
    if unreadable > 0 || missing > 0 || synced.is_none() {
        let header = synced.is_none();
        found.damage = Some(Damage::Broken { unreadable, missing, header });
    }
    Ok(found)
}

/// A stretch of bytes that are no frame.
#[derive(Debug, Default)]
struct Run {
    from: u64,
    length: u64,
    start: Vec<u8>,
    zeros: bool,
}

impl Run {
    fn extend(&mut self, offset: u64, bytes: &[u8]) {
        if self.length == 0 {
            *self = Self { from: offset, length: 0, start: Vec::new(), zeros: true };
        }
        self.length = self.length.saturating_add(bytes.len() as u64);
        self.zeros &= bytes.iter().all(|byte| *byte == 0);
        let wanted = SYNC.len().saturating_sub(self.start.len());
        self.start.extend(bytes.iter().take(wanted));
    }

    fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Tells whether the rest is the remainder of a crash behind the synced part: the beginning of
    /// a frame, or room without content.
    fn is_torn(&self, synced: u64) -> bool {
        let begins = !self.start.is_empty() && SYNC.starts_with(&self.start);
        self.from >= synced
            && (self.zeros || begins)
            && self.length < (MOST_FRAME as u64).saturating_mul(1000)
    }
}

/// Files of earlier builds: records of one length, without a header or a checksum.
fn old(
    mut window: FileWindow<impl Read>,
    keeps: impl Fn(&RevocationRecord) -> bool,
) -> io::Result<Contents> {
    let mut found = Contents { is_old: true, ..Contents::default() };
    let mut unreadable = 0_u64;
    loop {
        window.fill()?;
        let Some((bytes, _)) = window.rest().split_first_chunk::<OLD_RECORD_BYTES>() else { break };
        match RevocationRecord::from_old_bytes(bytes) {
            Some(record) if keeps(&record) => found.records.push(record),
            Some(_) => {}
            None => unreadable = unreadable.saturating_add(OLD_RECORD_BYTES as u64),
        }
        found.frames = found.frames.saturating_add(1);
        window.skip(OLD_RECORD_BYTES);
        found.end = window.offset();
    }
    found.torn = window.rest().len() as u64;
    if unreadable > 0 {
        found.damage = Some(Damage::Broken { unreadable, missing: 0, header: false });
    }
    Ok(found)
}

/// Returns the length of the file at the last sync, if the header is whole.
fn synced(start: &[u8]) -> Option<u64> {
    let (header, _) = start.split_first_chunk::<HEADER_BYTES>()?;
    let number = header.get(MAGIC.len()..)?.first_chunk::<8>()?;
    let synced = u64::from_be_bytes(*number);
    (*header == self::header(synced)).then_some(synced)
}

fn holds_frame(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    loop {
        if whole_frame(rest).is_some() {
            return true;
        }
        rest = rest.get(to_next_sync(rest)..).unwrap_or_default();
        if rest.is_empty() {
            return false;
        }
    }
}

/// The number, the payload and the length of the frame that begins here.
fn whole_frame(bytes: &[u8]) -> Option<(u32, &[u8], usize)> {
    let rest = bytes.strip_prefix(&SYNC)?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (number, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    if length > MOST_RECORD_BYTES {
        return None;
    }
    let (payload, rest) = rest.split_at_checked(length)?;
    let (written, _) = rest.split_first_chunk::<SUM_BYTES>()?;
    let whole = FRAME_HEAD + length + SUM_BYTES;
    let summed = bytes.get(..FRAME_HEAD + length)?;
    (sum(summed) == *written).then_some((u32::from_be_bytes(*number), payload, whole))
}

/// Returns the bytes up to the next possible beginning of a frame; at least one.
fn to_next_sync(bytes: &[u8]) -> usize {
    let rest = bytes.get(1..).unwrap_or_default();
    memchr::memchr(SYNC[0], rest).map_or(bytes.len(), |found| found.saturating_add(1))
}

/// The beginning of a SHA-256.
fn sum(bytes: &[u8]) -> [u8; SUM_BYTES] {
    digest(&SHA256, bytes).as_ref().first_chunk().copied().unwrap_or_default()
}

/// A part of a file that always holds a whole frame, as long as there is one.
struct FileWindow<R> {
    file: R,
    bytes: Vec<u8>,
    at: usize,
    /// The position in the file of the first of `bytes`.
    offset: u64,
    ended: bool,
}

impl<R: Read> FileWindow<R> {
    fn fill(&mut self) -> io::Result<()> {
        if self.ended || self.rest().len() >= MOST_FRAME {
            return Ok(());
        }
        self.bytes.drain(..self.at);
        self.offset = self.offset.saturating_add(self.at as u64);
        self.at = 0;
        let wanted = CHUNK.saturating_sub(self.bytes.len()) as u64;
        let read = self.file.by_ref().take(wanted).read_to_end(&mut self.bytes)?;
        self.ended = (read as u64) < wanted;
        Ok(())
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.bytes.len());
    }

    fn offset(&self) -> u64 {
        self.offset.saturating_add(self.at as u64)
    }
}
