//! Tokens that ended before their time: by themselves, by their id, or with all that a client or a subject got before a
//! moment.
//!
//! Decides whether a token is revoked; never what may revoke it. Read by every worker on every request: nothing is looked
//! up while nothing is revoked, and then only hashes that a verdict brings with it. What is kept outlives a restart, and
//! is forgotten when the tokens would have expired.
//!
//! The walk through the files: [`record`] (one revocation as it is kept), [`journal`] (the file).

pub mod journal;
pub mod record;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use hashbrown::HashMap;

use crate::model::clock::UnixSeconds;
use crate::revocation::journal::Journal;
use crate::revocation::record::{Kind, Mark, Record};

/// Locks that share the marks, so that workers seldom meet.
const SHARDS: usize = 64;

/// The marks by which a token may be revoked, made once for a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    pub token: Mark,
    pub id: Option<Mark>,
    pub client: Option<Mark>,
    pub subject: Option<Mark>,
    pub issued_at: Option<UnixSeconds>,
}

type Shard = HashMap<Mark, Entry, foldhash::fast::RandomState>;

/// Seconds since 1970; a `u32` reaches to 2106.
#[derive(Debug, Clone, Copy)]
struct Entry {
    until: u32,
    /// Tokens issued up to then are revoked; `u32::MAX` for one token.
    before: u32,
}

/// All revocations that are still of use.
#[derive(Debug)]
pub struct Revocations {
    shards: Box<[RwLock<Shard>]>,
    /// Of single tokens, and of all that somebody got.
    tokens: AtomicUsize,
    holders: AtomicUsize,
    generation: AtomicU64,
    journal: Option<Mutex<Journal>>,
}

impl Revocations {
    /// Kept in memory only: for `explain` and tests.
    pub fn in_memory() -> Self {
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        let (tokens, holders) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { shards, tokens, holders, generation: AtomicU64::new(0), journal: None }
    }

    /// With what the journal has kept.
    pub fn kept(journal: Journal, records: &[Record]) -> Self {
        let revocations = Self { journal: Some(Mutex::new(journal)), ..Self::in_memory() };
        for record in records {
            revocations.enter(record);
        }
        revocations
    }

    /// Revokes; holds from the next request on. An error says that it will not outlive a restart.
    pub fn revoke(&self, record: &Record) -> std::io::Result<()> {
        self.enter(record);
        self.generation.fetch_add(1, Ordering::Release);
        match &self.journal {
            Some(journal) => journal.lock().unwrap_or_else(PoisonError::into_inner).append(record),
            None => Ok(()),
        }
    }

    /// Whether a token with these marks is revoked.
    pub fn is_revoked(&self, marks: &Marks, now: UnixSeconds) -> bool {
        let one = self.tokens.load(Ordering::Relaxed) > 0
            && (self.holds(&marks.token, None, now) || marks.id.as_ref().is_some_and(|id| self.holds(id, None, now)));
        // a token that does not say when it was issued may be from before
        let issued = || Some(marks.issued_at.map_or(0, |at| seconds(at.0)));
        one || (self.holders.load(Ordering::Relaxed) > 0
            && [&marks.client, &marks.subject].into_iter().flatten().any(|mark| self.holds(mark, issued(), now)))
    }

    /// Grows with each revocation.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub fn count(&self) -> usize {
        self.tokens.load(Ordering::Relaxed).saturating_add(self.holders.load(Ordering::Relaxed))
    }

    /// Forgets what no token can be good for any more.
    pub fn forget_expired(&self, now: UnixSeconds) {
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            let (mut tokens, mut holders) = (0, 0);
            shard.retain(|_, entry| {
                let keep = u64::from(entry.until) >= now.0;
                if !keep {
                    *if entry.before == u32::MAX { &mut tokens } else { &mut holders } += 1;
                }
                keep
            });
            self.tokens.fetch_sub(tokens, Ordering::Relaxed);
            self.holders.fetch_sub(holders, Ordering::Relaxed);
        }
    }

    fn enter(&self, record: &Record) {
        let before = match record.kind {
            Kind::Token => u32::MAX,
            Kind::Holder { before } => seconds(before.0).min(u32::MAX.saturating_sub(1)),
        };
        let new = Entry { until: seconds(record.until.0), before };
        let mut shard = self.shard(&record.mark).write().unwrap_or_else(PoisonError::into_inner);
        match shard.get_mut(&record.mark) {
            // the later end and the later moment hold
            Some(entry) => *entry = Entry { until: entry.until.max(new.until), before: entry.before.max(new.before) },
            None => {
                shard.insert(record.mark, new);
                let count = if before == u32::MAX { &self.tokens } else { &self.holders };
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn holds(&self, mark: &Mark, issued_at: Option<u32>, now: UnixSeconds) -> bool {
        let shard = self.shard(mark).read().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = shard.get(mark) else { return false };
        u64::from(entry.until) >= now.0 && issued_at.is_none_or(|issued| issued <= entry.before)
    }

    fn shard(&self, mark: &Mark) -> &RwLock<Shard> {
        let position = usize::from(mark.0.first().copied().unwrap_or_default()).checked_rem(SHARDS).unwrap_or_default();
        // there are as many as the remainder allows
        self.shards.get(position).unwrap_or_else(|| unreachable!("a shard for each remainder"))
    }
}

fn seconds(of: u64) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
