//! The revocations in use: entered, looked up by every worker, and forgotten in time.

mod facts;
mod journaling;
mod listing;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use hashbrown::HashMap;

use crate::model::clock::UnixSeconds;
use crate::revocation::channel::used_proofs::ProofClaims;
use crate::revocation::counts::{RevocationCounters, RevocationOrigin};
use crate::revocation::error::{MOST, RevocationError};
use crate::revocation::journal::Opened;
use crate::revocation::keeping::Keeping;
use crate::revocation::ledger::Ledger;
use crate::revocation::marks::Marks;
use crate::revocation::outbox::Outbox;
use crate::revocation::record::{Mark, RevocationKind, RevocationRecord};

/// Locks that share the marks, so that workers seldom meet.
pub(super) const SHARDS: usize = 64;

/// The mark by which a token is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    Token,
    Id,
    Client,
    Subject,
}

type Shard = HashMap<Mark, MarkEntry, foldhash::fast::RandomState>;

/// Seconds since 1970; a `u32` reaches to 2106.
#[derive(Debug, Clone, Copy)]
struct MarkEntry {
    until: u32,
    /// Tokens issued up to then are revoked; `u32::MAX` for one token.
    before: u32,
}

/// The outcome of entering a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entered {
    Changed,
    Known,
    Full,
}

/// All revocations that still count. Locks are taken in the order journal, ledger, shard.
#[derive(Debug)]
pub struct Revocations {
    shards: Box<[RwLock<Shard>]>,
    /// The number of revoked tokens, and of revoked holders.
    tokens: AtomicUsize,
    holders: AtomicUsize,
    generation: AtomicU64,
    /// Some are bound to names of key managers, as in earlier builds.
    has_named: AtomicBool,
    ledger: Mutex<Ledger>,
    journal: Mutex<Keeping>,
    pub(super) outbox: Outbox,
    pub(super) claims: ProofClaims,
    pub(super) counts: RevocationCounters,
}

impl Revocations {
    /// Makes revocations that are kept in memory only: for `explain` and tests.
    pub fn in_memory() -> Self {
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        Self {
            shards,
            tokens: AtomicUsize::new(0),
            holders: AtomicUsize::new(0),
            generation: AtomicU64::new(0),
            has_named: AtomicBool::new(false),
            ledger: Mutex::default(),
            journal: Mutex::default(),
            outbox: Outbox::default(),
            claims: ProofClaims::default(),
            counts: RevocationCounters::default(),
        }
    }

    /// Returns the claims by which only one gateway accepts a proof, if gateways share a channel.
    pub fn claims(&self) -> &ProofClaims {
        &self.claims
    }

    /// Holds these records, which another process keeps on the disk.
    pub fn seen(records: &[RevocationRecord]) -> Self {
        let revocations = Self::in_memory();
        for record in records {
            revocations.enter(record);
        }
        revocations
    }

    /// Starts with the records of the journal.
    pub fn kept(opened: Opened) -> Self {
        let revocations = Self::in_memory();
        revocations.own(opened);
        revocations
    }

    /// Revokes, or lifts revocations, from the next request on. Writes the journal first and waits
    /// for the disk. Then tells the other gateways, even if the journal could not be written.
    pub fn revoke(&self, records: &[RevocationRecord]) -> Result<(), RevocationError> {
        let (changed, full) = self.apply(&self.after_lifts(records), RevocationOrigin::Management);
        // a caller that repeats a failed call wants to know whether it is kept now
        let kept = if self.is_behind() { self.rewrite() } else { self.keep(&changed) };
        self.outbox.offer(&changed, &self.counts);
        match full {
            0 => kept,
            _ => Err(RevocationError::Full),
        }
    }

    /// Takes revocations of another gateway; new ones are kept in the journal too. Waits for the
    /// disk.
    pub fn take(
        &self,
        records: &[RevocationRecord],
        now: UnixSeconds,
    ) -> Result<(), RevocationError> {
        let current: Vec<_> =
            records.iter().filter(|record| record.until >= now).cloned().collect();
        let (changed, full) = self.apply(&current, RevocationOrigin::Channel);
        let kept = self.keep(&changed);
        match full {
            0 => kept,
            _ => Err(RevocationError::Full),
        }
    }

    /// Returns the records that were new, and the number for which there was no room.
    fn apply(
        &self,
        records: &[RevocationRecord],
        source: RevocationOrigin,
    ) -> (Vec<RevocationRecord>, usize) {
        let mut changed = Vec::new();
        let mut full = 0_usize;
        for record in records {
            match self.enter(record) {
                Entered::Changed => {
                    self.counts.applied(record, source);
                    changed.push(record.clone());
                }
                Entered::Known => {}
                Entered::Full => {
                    self.counts.refused_full();
                    full = full.saturating_add(1);
                }
            }
        }
        if !changed.is_empty() {
            self.generation.fetch_add(1, Ordering::Release);
        }
        (changed, full)
    }

    /// Tells whether a token with these marks is revoked.
    pub fn is_revoked(&self, marks: &Marks, now: UnixSeconds) -> bool {
        self.ground(marks, now).is_some()
    }

    /// Returns the mark by which a token is revoked.
    pub fn ground(&self, marks: &Marks, now: UnixSeconds) -> Option<Ground> {
        let scopes = || std::iter::once(&marks.own).chain(marks.family.as_deref());
        if self.tokens.load(Ordering::Relaxed) > 0 {
            if self.holds(&marks.token, None, now) {
                return Some(Ground::Token);
            }
            let mut ids = scopes().filter_map(|scope| scope.id.as_ref());
            if ids.any(|id| self.holds(id, None, now)) {
                return Some(Ground::Id);
            }
        }
        if self.holders.load(Ordering::Relaxed) == 0 {
            return None;
        }
        // a token without a time of issue may be older than the moment
        let issued = Some(marks.issued_at.map_or(0, |at| seconds(at.0)));
        let held =
            |mark: &Option<Mark>| mark.as_ref().is_some_and(|mark| self.holds(mark, issued, now));
        if scopes().any(|scope| held(&scope.client)) {
            return Some(Ground::Client);
        }
        let subject = scopes().any(|scope| held(&scope.subject) || held(&scope.entity));
        subject.then_some(Ground::Subject)
    }

    /// Tells whether some revocations are bound to the name of a key manager and not to its issuer.
    pub fn has_named(&self) -> bool {
        self.has_named.load(Ordering::Relaxed)
    }

    /// Asks the channel, if there is one, to compare everything.
    pub fn compare_channel(&self) {
        self.outbox.compare.notify_one();
    }

    /// Grows with each revocation.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub fn count(&self) -> usize {
        self.tokens.load(Ordering::Relaxed).saturating_add(self.holders.load(Ordering::Relaxed))
    }

    /// Returns the memory of the revocations.
    pub fn bytes(&self) -> usize {
        let shards = self
            .shards
            .iter()
            .map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).allocation_size());
        shards.fold(0, usize::saturating_add)
    }

    /// Forgets revocations whose tokens have all expired, and tidies the journal. Waits for the
    /// disk.
    pub fn forget_expired(&self, now: UnixSeconds) -> Result<(), RevocationError> {
        {
            let mut ledger = self.ledger();
            for shard in &self.shards {
                let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
                let (mut tokens, mut holders) = (0, 0);
                shard.retain(|mark, entry| {
                    let keep = u64::from(entry.until) >= now.0;
                    if !keep {
                        *if entry.is_token() { &mut tokens } else { &mut holders } += 1;
                        ledger.noted.remove(mark);
                    }
                    keep
                });
                // a wave that has gone should not keep its memory
                if shard.len() < shard.capacity() / 4 {
                    shard.shrink_to_fit();
                }
                self.tokens.fetch_sub(tokens, Ordering::Relaxed);
                self.holders.fetch_sub(holders, Ordering::Relaxed);
                self.counts.expired(tokens.saturating_add(holders));
            }
            ledger.forget_lifted(now);
        }
        self.tidy()
    }

    /// The revocations of one of [`SHARDS`] parts: all of them at once would double the memory.
    pub(super) fn shard_records(&self, shard: usize) -> Vec<RevocationRecord> {
        let Some(shard) = self.shards.get(shard) else { return Vec::new() };
        let ledger = self.ledger();
        let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
        let record = |(mark, entry): (&Mark, &MarkEntry)| {
            let noted = ledger.noted.get(mark).cloned().unwrap_or_default();
            RevocationRecord { at: noted.at, note: noted.note, ..entry.record(*mark) }
        };
        shard.iter().map(record).collect()
    }

    pub(super) fn enter(&self, record: &RevocationRecord) -> Entered {
        let mut ledger = self.ledger();
        if record.kind == RevocationKind::Lifted {
            let news = ledger.lift(record);
            let removed = ledger.said_at(&record.mark) <= record.at && self.remove(&record.mark);
            if removed {
                ledger.noted.remove(&record.mark);
            }
            return if news || removed { Entered::Changed } else { Entered::Known };
        }
        if ledger.overrules(record) {
            return Entered::Known;
        }
        let entered = self.insert(record);
        // repeated later, it outlives a lifting in between that this gateway does not know yet
        let is_later = entered == Entered::Known && record.at > ledger.said_at(&record.mark);
        if entered == Entered::Changed || is_later {
            if record.at == 0 {
                self.has_named.store(true, Ordering::Relaxed);
            }
            ledger.note(record);
            return Entered::Changed;
        }
        entered
    }

    fn insert(&self, record: &RevocationRecord) -> Entered {
        let before = match record.kind {
            RevocationKind::Token | RevocationKind::Lifted => u32::MAX,
            RevocationKind::Holder { before } => seconds(before.0).min(u32::MAX.saturating_sub(1)),
        };
        let new = MarkEntry { until: seconds(record.until.0), before };
        let mut shard = self.shard(&record.mark).write().unwrap_or_else(PoisonError::into_inner);
        match shard.get_mut(&record.mark) {
            Some(entry) => {
                // the later end and the later moment hold
                let merged = MarkEntry {
                    until: entry.until.max(new.until),
                    before: entry.before.max(new.before),
                };
                if (merged.until, merged.before) == (entry.until, entry.before) {
                    return Entered::Known;
                }
                self.count_of(*entry).fetch_sub(1, Ordering::Relaxed);
                self.count_of(merged).fetch_add(1, Ordering::Relaxed);
                *entry = merged;
                Entered::Changed
            }
            None if self.count() >= MOST => Entered::Full,
            None => {
                shard.insert(record.mark, new);
                self.count_of(new).fetch_add(1, Ordering::Relaxed);
                Entered::Changed
            }
        }
    }

    fn remove(&self, mark: &Mark) -> bool {
        let mut shard = self.shard(mark).write().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = shard.remove(mark) else { return false };
        self.count_of(entry).fetch_sub(1, Ordering::Relaxed);
        true
    }

    fn count_of(&self, entry: MarkEntry) -> &AtomicUsize {
        if entry.is_token() { &self.tokens } else { &self.holders }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn holds(&self, mark: &Mark, issued_at: Option<u32>, now: UnixSeconds) -> bool {
        let shard = self.shard(mark).read().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = shard.get(mark) else { return false };
        u64::from(entry.until) >= now.0 && issued_at.is_none_or(|issued| issued <= entry.before)
    }

    fn shard(&self, mark: &Mark) -> &RwLock<Shard> {
        let position = usize::from(mark.0.first().copied().unwrap_or_default())
            .checked_rem(SHARDS)
            .unwrap_or_default();
        // there are as many as the remainder allows
        self.shards.get(position).unwrap_or_else(|| unreachable!("a shard for each remainder"))
    }
}

impl MarkEntry {
    fn is_token(self) -> bool {
        self.before == u32::MAX
    }

    fn record(self, mark: Mark) -> RevocationRecord {
        let kind = if self.is_token() {
            RevocationKind::Token
        } else {
            RevocationKind::Holder { before: UnixSeconds(self.before.into()) }
        };
        RevocationRecord::new(mark, kind, UnixSeconds(self.until.into()))
    }
}

fn seconds(of: u64) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}
