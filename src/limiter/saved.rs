//! Counts as bytes, for a file that survives the process.
//!
//! A file begins with a head: a magic number, the secret of the counters' names, and a checksum.
//! Batches follow: a length, a checksum, the steady time of the write, and counters with all of
//! their counts. A later record of a counter replaces an earlier one. A batch that is cut off or
//! damaged ends the file; everything before it holds.

use std::collections::HashMap;

use crate::limiter::burst::milliseconds;
use crate::limiter::counter::{Counted, Counter};
use crate::limiter::key::{CounterKey, KeySpace};
use crate::limiter::limit::Limit;
use crate::limiter::sliding::sub_window;
use crate::limiter::time::CountingTime;
use crate::model::policy::Window;

const MAGIC: &[u8; 8] = b"PORTCNT1";
const KEYS: usize = 32;
const SUM: usize = 8;

/// The length of a file's head.
pub const HEAD_BYTES: usize = MAGIC.len() + KEYS + SUM;

/// The longest batch that is read: one record of each of a hundred million counters is not written
/// in one.
const MOST_BATCH: usize = 1 << 30;

/// One counter, as it was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedCounter {
    /// The base of its limit: a limit that no longer exists is forgotten.
    pub base: CounterKey,
    pub key: CounterKey,
    /// The steady time of the record.
    pub at: u64,
    pub counted: Vec<Counted>,
}

impl SavedCounter {
    /// The counts for a counter of this limit. Where the clock was ahead when they were saved,
    /// their sub-windows lie in the future: they are moved to the present.
    pub fn counted_at(&self, limit: &Limit, now: CountingTime) -> Vec<Counted> {
        let all = self.counted.iter().filter_map(|counted| {
            let quota = limit.quotas.get(usize::from(counted.quota))?;
            let Window::Sliding(length) = quota.window else { return Some(*counted) };
            let length = milliseconds(length);
            let current = sub_window(now.steady, length);
            let ahead = sub_window(self.at, length).saturating_sub(current);
            let at = counted.at.saturating_sub(ahead).min(current);
            Some(Counted { at, ..*counted })
        });
        all.collect()
    }
}

/// Writes a file's head.
pub fn head(keys: KeySpace) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(keys.to_bytes());
    let sum = checksum(keys, &bytes);
    bytes.extend(sum);
    bytes
}

/// Reads a file's head. Returns `None` if it is damaged, or not of this version.
pub fn read_head(bytes: &[u8]) -> Option<KeySpace> {
    let (known, rest) = bytes.split_at_checked(MAGIC.len() + KEYS)?;
    let keys = KeySpace::from_bytes(known.strip_prefix(MAGIC)?.try_into().ok()?);
    (rest.get(..SUM)? == checksum(keys, known)).then_some(keys)
}

/// A batch of counters that is being written.
#[derive(Debug)]
pub struct Batch {
    keys: KeySpace,
    payload: Vec<u8>,
    records: usize,
}

impl Batch {
    /// Begins a batch at a steady time.
    pub fn new(keys: KeySpace, steady: u64) -> Self {
        Self { keys, payload: steady.to_le_bytes().to_vec(), records: 0 }
    }

    pub fn add(&mut self, counter: &Counter) {
        let counted: Vec<Counted> = counter.counted().collect();
        let length = u16::try_from(counted.len()).unwrap_or(u16::MAX);
        self.payload.extend(counter.limit().base().0.to_le_bytes());
        self.payload.extend(counter.key().0.to_le_bytes());
        self.payload.extend(length.to_le_bytes());
        for counted in counted.iter().take(length.into()) {
            self.payload.push(counted.quota);
            self.payload.extend(counted.at.to_le_bytes());
            self.payload.extend(counted.amount.to_le_bytes());
        }
        self.records += 1;
    }

    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// The bytes so far.
    pub fn len(&self) -> usize {
        self.payload.len()
    }

    pub fn into_bytes(self) -> Vec<u8> {
        let mut bytes =
            u32::try_from(self.payload.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        bytes.extend(checksum(self.keys, &self.payload));
        bytes.extend(self.payload);
        bytes
    }
}

/// Reads the batches after the head: the last record of each counter, and the number of intact
/// bytes.
pub fn read_batches(keys: KeySpace, bytes: &[u8]) -> (Vec<SavedCounter>, usize) {
    let mut found = HashMap::new();
    let mut rest = bytes;
    while let Some((payload, after)) = batch(keys, rest) {
        let Some(records) = records(payload) else { break };
        found.extend(records.into_iter().map(|record| (record.key, record)));
        rest = after;
    }
    (found.into_values().collect(), bytes.len() - rest.len())
}

fn batch(keys: KeySpace, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<SUM>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (payload, rest) = rest.split_at_checked(length).filter(|_| length <= MOST_BATCH)?;
    (*sum == checksum(keys, payload)).then_some((payload, rest))
}

fn records(payload: &[u8]) -> Option<Vec<SavedCounter>> {
    let (at, mut rest) = payload.split_first_chunk::<8>()?;
    let at = u64::from_le_bytes(*at);
    let mut records = Vec::new();
    while !rest.is_empty() {
        let (base, after) = rest.split_first_chunk::<16>()?;
        let (key, after) = after.split_first_chunk::<16>()?;
        let (length, mut after) = after.split_first_chunk::<2>()?;
        let mut counted = Vec::new();
        for _ in 0..u16::from_le_bytes(*length) {
            let ([quota], next) = after.split_first_chunk::<1>()?;
            let (window, next) = next.split_first_chunk::<8>()?;
            let (amount, next) = next.split_first_chunk::<8>()?;
            let (at, amount) = (u64::from_le_bytes(*window), u64::from_le_bytes(*amount));
            counted.push(Counted { quota: *quota, at, amount });
            after = next;
        }
        let (base, key) = (u128::from_le_bytes(*base), u128::from_le_bytes(*key));
        records.push(SavedCounter { base: CounterKey(base), key: CounterKey(key), at, counted });
        rest = after;
    }
    Some(records)
}

/// Detects damage, not forgery: only the gateway's user can write into the folder.
fn checksum(keys: KeySpace, bytes: &[u8]) -> [u8; SUM] {
    let whole = keys.fingerprint([b"batch".as_slice(), bytes]).0;
    u64::try_from(whole & u128::from(u64::MAX)).unwrap_or_default().to_le_bytes()
}
