//! The table of counters: all counts of one gateway, bounded.
//!
//! A request's counters lie in up to eight shards. Their locks are held, in the order of the
//! shards, while all counters are checked and then all are counted: a refused request consumes
//! nothing on any level, and with any number of threads exactly the quota is granted.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;

pub use crate::limiter::claim::{Claim, Exceeded, Noted, Passed, Tightest};
use crate::limiter::counter::{Counted, Counter, Excess, QuotaLeft, Share, Usage};
use crate::limiter::key::{CounterKey, KeySpace};
use crate::limiter::limit::{ExcessRule, Follower};
use crate::limiter::shard::Shard;
use crate::limiter::time::{CountingTime, TimeScale};
use crate::model::clock::Moment;

/// The number of shards, a power of two: enough that two cores seldom want the same one.
const SHARDS: usize = 512;

/// Counters of a request that need no allocation: the levels of a call, and some custom policies.
const INLINE: usize = 8;

/// The counters of one gateway, shared by all workers.
#[derive(Debug)]
pub struct Counters {
    shards: Box<[Mutex<Shard>]>,
    keys: KeySpace,
    scale: TimeScale,
    live: AtomicUsize,
    most: AtomicUsize,
    /// Requests that were counted in a shared counter of their policy.
    overflowed: AtomicU64,
}

impl Counters {
    /// Counters whose names are as random as the process' hash tables: they are never kept.
    pub fn unkept() -> Self {
        let random = || RandomState::new().hash_one(0_u8).to_le_bytes();
        let mut bytes = [0; 32];
        for part in bytes.as_chunks_mut::<8>().0 {
            *part = random();
        }
        Self::new(0, KeySpace::from_bytes(bytes), TimeScale::default())
    }

    pub fn new(most: usize, keys: KeySpace, scale: TimeScale) -> Self {
        Self {
            scale,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            keys,
            live: AtomicUsize::new(0),
            most: AtomicUsize::new(most),
            overflowed: AtomicU64::new(0),
        }
    }

    pub fn keys(&self) -> KeySpace {
        self.keys
    }

    /// The time of a request, by the monotonic time and the wall clock's milliseconds.
    pub fn time(&self, moment: Moment, wall: u64) -> CountingTime {
        self.scale.at(moment, wall)
    }

    /// Counters that exist.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// Sets the bound, for new counters.
    pub fn set_most(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Requests that were counted in a shared counter, because the table was full.
    pub fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// Counts a request in all of its counters, or in none.
    pub fn admit(&self, claims: &[Claim<'_>], now: CountingTime) -> Result<Passed, Exceeded> {
        let mut locked = self.lock(claims.iter().map(|claim| claim.key));
        let mut places = locked.find_all(claims);
        if places.iter().all(Option::is_some) {
            return locked.judge(claims, &mut places, now);
        }
        drop(locked);
        self.admit_new(claims, now)
    }

    /// As [`Self::admit`], where a counter is missing. A new counter begins with the count of its
    /// policy's shared one, if that has any: its caller may be among those who were counted there.
    #[cold]
    fn admit_new(&self, claims: &[Claim<'_>], now: CountingTime) -> Result<Passed, Exceeded> {
        let overflows = claims.iter().map(|claim| claim.limit.overflow());
        let mut locked = self.lock(claims.iter().map(|claim| claim.key).chain(overflows));
        let mut places = locked.find_all(claims);
        let mut made: SmallVec<[Place; INLINE]> = SmallVec::new();
        for (claim, place) in claims.iter().zip(&mut places).filter(|(_, place)| place.is_none()) {
            let new = locked.make(self, claim, now);
            made.push(new);
            *place = Some(new);
        }
        let judged = locked.judge(claims, &mut places, now);
        if judged.is_err() {
            // nobody makes the table grow by being refused
            made.iter().for_each(|place| locked.unmake(self, *place));
        }
        judged
    }

    /// Tells whether a request would be admitted now, and counts nothing.
    pub fn check(&self, claims: &[Claim<'_>], now: CountingTime) -> Result<(), Exceeded> {
        let mut locked = self.lock(claims.iter().map(|claim| claim.key));
        let mut places = locked.find_all(claims);
        locked.weigh(claims, &mut places, now).map(|_| ())
    }

    /// Adds what a request has used, when that is known. Nothing is refused any more.
    pub fn charge(&self, claim: Claim<'_>, usage: Usage, now: CountingTime) {
        let mut locked = self.lock([claim.key, claim.limit.overflow()].into_iter());
        let place = locked.find(claim.key).unwrap_or_else(|| locked.make(self, &claim, now));
        locked.change(place, |counter| {
            counter.advance(claim.limit, now);
            counter.charge(usage);
        });
    }

    /// The state of a claim's quotas, and of its burst, without counting.
    pub fn look(&self, claim: Claim<'_>, now: CountingTime) -> (Vec<QuotaLeft>, Option<u64>) {
        let mut locked = self.lock([claim.key, claim.limit.overflow()].into_iter());
        let found = locked.find(claim.key).or_else(|| locked.find(claim.limit.overflow()));
        let mut counter = match found.and_then(|place| locked.counter(place)) {
            Some(counter) => counter.renamed(claim.key),
            None => Counter::new(claim.key, claim.limit),
        };
        counter.advance(claim.limit, now);
        (counter.left(now).collect(), counter.burst_left())
    }

    /// Adds counts of another gateway, or of a file. They lie in the past: the caller corrects
    /// other clocks.
    pub fn absorb(&self, claim: Claim<'_>, counted: &[Counted], now: CountingTime) {
        let mut locked = self.lock([claim.key, claim.limit.overflow()].into_iter());
        let place = locked.find(claim.key).unwrap_or_else(|| locked.make(self, &claim, now));
        locked.change(place, |counter| {
            for counted in counted {
                counter.absorb(*counted);
            }
            counter.advance(claim.limit, now);
        });
    }

    /// Counts a request that others have admitted.
    pub fn record(&self, claims: &[Claim<'_>], now: CountingTime) {
        let all = claims.iter().flat_map(|claim| [claim.key, claim.limit.overflow()]);
        let mut locked = self.lock(all);
        for claim in claims {
            let place = locked.find(claim.key).unwrap_or_else(|| locked.make(self, claim, now));
            locked.change(place, |counter| {
                counter.advance(claim.limit, now);
                counter.commit();
            });
        }
    }

    /// Takes over the level that a burst has over all gateways, as of the time when `spent`
    /// requests had gone into it here.
    pub fn absorb_burst(&self, claim: Claim<'_>, level: u64, spent: u32, now: CountingTime) {
        let mut locked = self.lock(std::iter::once(claim.key));
        if let Some(counter) = locked.find(claim.key).and_then(|place| locked.counter(place)) {
            counter.advance(claim.limit, now);
            counter.absorb_burst(level, spent);
        }
    }

    /// Whether a counter is in the table.
    pub fn has(&self, key: CounterKey) -> bool {
        self.lock(std::iter::once(key)).find(key).is_some()
    }

    /// Shows a follower every counter that has changed since the last time.
    pub fn changed(&self, follower: Follower, mut show: impl FnMut(&Counter)) {
        for shard in &self.shards {
            lock(shard).changed(follower, &mut show);
        }
    }

    /// Shows every counter.
    pub fn each(&self, mut show: impl FnMut(&Counter)) {
        for shard in &self.shards {
            lock(shard).counters().for_each(&mut show);
        }
    }

    /// Forgets idle counters in one of `parts` parts of the table.
    pub fn sweep(&self, part: usize, parts: usize, now: CountingTime) {
        for shard in self.shards.iter().skip(part).step_by(parts.max(1)) {
            let gone = lock(shard).sweep(now);
            self.live.fetch_sub(gone, Ordering::Relaxed);
        }
    }

    fn lock(&self, keys: impl Iterator<Item = CounterKey>) -> Locked<'_> {
        let mut order: SmallVec<[u16; INLINE]> =
            keys.map(|key| Shard::number(key, SHARDS)).collect();
        order.sort_unstable();
        order.dedup();
        let all = order.into_iter().filter_map(|number| {
            let shard = self.shards.get(usize::from(number))?;
            Some((number, lock(shard)))
        });
        Locked(all.collect())
    }

    /// Takes a place for one more counter.
    fn reserve(&self) -> bool {
        let most = self.most();
        self.live
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |live| {
                (live < most).then_some(live + 1)
            })
            .is_ok()
    }
}

/// The locked shards of a request.
struct Locked<'t>(SmallVec<[(u16, MutexGuard<'t, Shard>); INLINE]>);

/// A counter in a locked shard.
#[derive(Debug, Clone, Copy)]
struct Place {
    guard: u32,
    slot: u32,
}

impl Locked<'_> {
    fn guard(&self, key: CounterKey) -> Option<usize> {
        let shard = Shard::number(key, SHARDS);
        self.0.iter().position(|(number, _)| *number == shard)
    }

    fn find(&self, key: CounterKey) -> Option<Place> {
        let guard = self.guard(key)?;
        let slot = self.0.get(guard)?.1.find(key)?;
        Some(Place { guard: u32::try_from(guard).ok()?, slot })
    }

    fn find_all(&self, claims: &[Claim<'_>]) -> SmallVec<[Option<Place>; INLINE]> {
        claims.iter().map(|claim| self.find(claim.key)).collect()
    }

    fn counter(&mut self, place: Place) -> Option<&mut Counter> {
        self.0.get_mut(place.guard as usize)?.1.counter(place.slot)
    }

    fn change(&mut self, place: Place, change: impl FnOnce(&mut Counter)) {
        if let Some((_, shard)) = self.0.get_mut(place.guard as usize) {
            shard.change(place.slot, change);
        }
    }

    /// Makes the counter of a claim, or finds the shared one of its policy when the table is full.
    fn make(&mut self, counters: &Counters, claim: &Claim<'_>, now: CountingTime) -> Place {
        let overflow = claim.limit.overflow();
        let shared = self.find(overflow);
        if !counters.reserve() {
            counters.overflowed.fetch_add(1, Ordering::Relaxed);
            return shared.unwrap_or_else(|| self.insert(Counter::new(overflow, claim.limit)));
        }
        let begun = shared.and_then(|place| self.counter(place)).map(|counter| {
            counter.advance(claim.limit, now);
            counter.renamed(claim.key)
        });
        self.insert(begun.unwrap_or_else(|| Counter::new(claim.key, claim.limit)))
    }

    fn insert(&mut self, counter: Counter) -> Place {
        let guard = self.guard(counter.key()).unwrap_or_default();
        let slot = self.0.get_mut(guard).map_or(0, |(_, shard)| shard.insert(counter));
        Place { guard: u32::try_from(guard).unwrap_or_default(), slot }
    }

    /// Removes a counter that was made for a request that is refused. A shared one stays.
    fn unmake(&mut self, counters: &Counters, place: Place) {
        let own = self.counter(place).is_some_and(|counter| !counter.is_overflow());
        if let Some((_, shard)) = self.0.get_mut(place.guard as usize).filter(|_| own) {
            shard.remove(place.slot);
            counters.live.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Checks all claims, then counts all of them.
    fn judge(
        &mut self,
        claims: &[Claim<'_>],
        places: &mut [Option<Place>],
        now: CountingTime,
    ) -> Result<Passed, Exceeded> {
        let noted = self.weigh(claims, places, now)?;
        let mut tightest: Option<(Share, usize, Place)> = None;
        for (claim, place) in places.iter().enumerate() {
            let Some(place) = *place else { continue };
            self.change(place, Counter::commit);
            let share = self.counter(place).and_then(|counter| counter.tightest());
            if let Some(share) = share
                && tightest.is_none_or(|(least, ..)| share.is_below(least))
            {
                tightest = Some((share, claim, place));
            }
        }
        let tightest = tightest.and_then(|(share, claim, place)| {
            let left = self.counter(place)?.left_of(share.position, now)?;
            Some(Tightest { claim, position: share.position, left })
        });
        Ok(Passed { tightest, noted })
    }

    /// Checks all claims; the places of those that are not counted are cleared. A counter that does
    /// not exist has room.
    fn weigh(
        &mut self,
        claims: &[Claim<'_>],
        places: &mut [Option<Place>],
        now: CountingTime,
    ) -> Result<Option<Noted>, Exceeded> {
        let mut refused: Option<Exceeded> = None;
        let mut first_noted = None;
        for (claim, (limit, place)) in claims.iter().map(|c| c.limit).zip(places).enumerate() {
            let Some(counter) = place.and_then(|place| self.counter(place)) else { continue };
            counter.advance(limit, now);
            let (refusing, noted) = excess(counter, limit.excess, now);
            if let Some(Excess { part, wait }) = refusing {
                let first = refused.get_or_insert(Exceeded { claim, part, wait });
                first.wait = first.wait.max(wait);
            }
            if let Some(Excess { part, .. }) = noted {
                first_noted.get_or_insert(Noted { claim, part });
                if limit.excess == ExcessRule::Observe {
                    *place = None;
                }
            }
        }
        refused.map_or(Ok(first_noted), Err)
    }
}

/// The excess that refuses, and the one that is only noted.
fn excess(
    counter: &Counter,
    rule: ExcessRule,
    now: CountingTime,
) -> (Option<Excess>, Option<Excess>) {
    let (quota, burst) = (counter.quota_excess(now), counter.burst_excess());
    let both = match (quota, burst) {
        (Some(quota), Some(burst)) => Some(Excess { wait: quota.wait.max(burst.wait), ..quota }),
        (one, other) => one.or(other),
    };
    match rule {
        ExcessRule::Refuse => (both, None),
        ExcessRule::Mark => (burst, quota),
        ExcessRule::Observe => (None, both),
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
