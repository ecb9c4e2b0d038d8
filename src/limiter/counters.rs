//! The table of counters: all counts of one gateway, bounded.
//!
//! A request's counters lie in several shards. Their locks are held, in the order of the
//! shards, while all counters are checked and then all are counted: a refused request consumes
//! nothing on any level, and with any number of threads exactly the quota is granted.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;

use crate::limiter::counter::{Counted, Counter, QuotaLeft, Usage};
pub use crate::limiter::counter_claim::{
    CounterClaim, Exceeded, Noted, Passed, PlacedClaim, Tightest,
};
use crate::limiter::key::{CounterKey, KeySpace};
use crate::limiter::limit::Follower;
use crate::limiter::lock_order::{INLINE, Place, SHARDS, shard_of};
pub use crate::limiter::lock_order::{LockOrder, PlaceHint};
use crate::limiter::locked::{Locked, Places, judge_one};
use crate::limiter::shard::Shard;
use crate::limiter::time::{CountingTime, TimeScale};
use crate::model::clock::Moment;

/// The counters of one gateway, shared by all workers.
#[derive(Debug)]
pub struct Counters {
    shards: Box<[LockedAlone]>,
    keys: KeySpace,
    scale: TimeScale,
    live: AtomicUsize,
    most: AtomicUsize,
    /// Requests that were counted in a shared counter of their policy.
    overflowed: AtomicU64,
}

/// A shard in memory of its own: a thread that waits for one lock does not disturb the holder of
/// the next.
#[derive(Debug, Default)]
#[repr(align(64))]
struct LockedAlone(Mutex<Shard>);

impl Counters {
    /// Counters whose names are as random as the process' hash tables, so they are never saved.
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
            shards: (0..SHARDS).map(|_| LockedAlone::default()).collect(),
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
    pub fn admit(
        &self,
        claims: &[CounterClaim<'_>],
        now: CountingTime,
    ) -> Result<Passed, Exceeded> {
        if let [claim] = claims {
            return self.admit_one(PlacedClaim { claim: *claim, hint: &PlaceHint::default() }, now);
        }
        let order = LockOrder::of(claims.iter().map(|claim| claim.key));
        let hints = claims.iter().map(|claim| order.hint(claim.key));
        let hints: SmallVec<[PlaceHint; INLINE]> = hints.collect();
        let claims = claims.iter().zip(&hints);
        let claims = claims.map(|(claim, hint)| PlacedClaim { claim: *claim, hint });
        self.admit_placed(&order, claims, now)
    }

    /// As [`Self::admit`], for a caller that keeps the order and the hints for its next request.
    pub fn admit_placed<'l>(
        &self,
        order: &LockOrder,
        claims: impl Iterator<Item = PlacedClaim<'l>> + Clone,
        now: CountingTime,
    ) -> Result<Passed, Exceeded> {
        let mut each = claims.clone();
        if let (Some(only), None) = (each.next(), each.next()) {
            // most requests count on one level
            return self.admit_one(only, now);
        }
        let mut locked = self.lock(order);
        let (mut exist, mut have_room) = (true, true);
        for PlacedClaim { claim, hint } in claims.clone() {
            match locked.find_near(hint, claim.key) {
                Some(counter) => have_room &= counter.has_room(claim.limit, now),
                None => exist = false,
            }
        }
        let places = claims.clone().map(|placed| Some(placed.hint.place()));
        if exist && have_room {
            return Ok(locked.count(places, None, now));
        }
        let claims: SmallVec<[CounterClaim<'_>; INLINE]> =
            claims.map(|placed| placed.claim).collect();
        if exist {
            return locked.judge(&claims, &mut places.collect::<Places>(), now);
        }
        drop(locked);
        self.admit_new(&claims, now)
    }

    #[inline]
    fn admit_one(&self, only: PlacedClaim<'_>, now: CountingTime) -> Result<Passed, Exceeded> {
        if let Some(mut shard) = self.shard(shard_of(only.claim.key))
            && let Some(slot) = shard.find_slot(only.hint.slot(), only.claim.key)
        {
            return judge_one(&mut shard, slot, &only.claim, now);
        }
        self.admit_new(&[only.claim], now)
    }

    /// As [`Self::admit`], if a counter is missing. A new counter begins with the count of its
    /// policy's shared one, because its caller may be among those who were counted there.
    #[cold]
    fn admit_new(
        &self,
        claims: &[CounterClaim<'_>],
        now: CountingTime,
    ) -> Result<Passed, Exceeded> {
        let order = LockOrder::of(claims.iter().flat_map(with_overflow));
        let mut locked = self.lock(&order);
        let mut places: Places = claims.iter().map(|claim| locked.find(claim.key)).collect();
        let mut made = Places::new();
        for (claim, place) in claims.iter().zip(&mut places).filter(|(_, place)| place.is_none()) {
            *place = Some(self.make(&mut locked, claim, now));
            made.push(*place);
        }
        let judged = locked.judge(claims, &mut places, now);
        if judged.is_err() {
            // a refused request adds no counter to the table
            let gone = made.iter().flatten().filter(|place| locked.remove(**place)).count();
            self.live.fetch_sub(gone, Ordering::Relaxed);
        }
        judged
    }

    /// Tells whether a request would be admitted now, and counts nothing.
    pub fn check(&self, claims: &[CounterClaim<'_>], now: CountingTime) -> Result<(), Exceeded> {
        let order = LockOrder::of(claims.iter().map(|claim| claim.key));
        let mut locked = self.lock(&order);
        let mut places: Places = claims.iter().map(|claim| locked.find(claim.key)).collect();
        locked.weigh(claims, &mut places, now).map(|_| ())
    }

    /// Adds the usage of a request, when it is known. It refuses nothing.
    pub fn charge(&self, claim: CounterClaim<'_>, usage: Usage, now: CountingTime) {
        let order = LockOrder::of(with_overflow(&claim).into_iter());
        let mut locked = self.lock(&order);
        let place = self.find_or_make(&mut locked, &claim, now);
        locked.change(place, |counter| {
            counter.advance(claim.limit, now);
            counter.charge(usage);
        });
    }

    /// The state of a claim's quotas, and of its burst, without counting.
    pub fn look(
        &self,
        claim: CounterClaim<'_>,
        now: CountingTime,
    ) -> (Vec<QuotaLeft>, Option<u64>) {
        let order = LockOrder::of(with_overflow(&claim).into_iter());
        let mut locked = self.lock(&order);
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
    pub fn absorb(&self, claim: CounterClaim<'_>, counted: &[Counted], now: CountingTime) {
        let order = LockOrder::of(with_overflow(&claim).into_iter());
        let mut locked = self.lock(&order);
        let place = self.find_or_make(&mut locked, &claim, now);
        locked.change(place, |counter| {
            for counted in counted {
                counter.absorb(*counted);
            }
            counter.advance(claim.limit, now);
        });
    }

    /// Counts a request that others have admitted.
    pub fn record(&self, claims: &[CounterClaim<'_>], now: CountingTime) {
        let order = LockOrder::of(claims.iter().flat_map(with_overflow));
        let mut locked = self.lock(&order);
        for claim in claims {
            let place = self.find_or_make(&mut locked, claim, now);
            locked.change(place, |counter| {
                counter.advance(claim.limit, now);
                counter.commit(now);
            });
        }
    }

    /// Takes over the level that a burst has over all gateways, as of the time when `spent`
    /// requests had gone into it here.
    pub fn absorb_burst(&self, claim: CounterClaim<'_>, level: u64, spent: u32, now: CountingTime) {
        let Some(mut shard) = self.shard(shard_of(claim.key)) else { return };
        if let Some(counter) = shard.find(claim.key).and_then(|slot| shard.counter(slot)) {
            counter.advance(claim.limit, now);
            counter.absorb_burst(level, spent);
        }
    }

    /// Tells whether a counter is in the table.
    pub fn has(&self, key: CounterKey) -> bool {
        self.shard(shard_of(key)).is_some_and(|shard| shard.find(key).is_some())
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

    fn shard(&self, number: u16) -> Option<MutexGuard<'_, Shard>> {
        self.shards.get(usize::from(number)).map(lock)
    }

    fn lock<'t>(&'t self, order: &'t LockOrder) -> Locked<'t> {
        Locked::new(order, |number| self.shard(number))
    }

    fn find_or_make(
        &self,
        locked: &mut Locked<'_>,
        claim: &CounterClaim<'_>,
        now: CountingTime,
    ) -> Place {
        locked.find(claim.key).unwrap_or_else(|| self.make(locked, claim, now))
    }

    /// Makes the counter of a claim, or finds the shared one of its policy when the table is full.
    fn make(&self, locked: &mut Locked<'_>, claim: &CounterClaim<'_>, now: CountingTime) -> Place {
        let overflow = claim.limit.overflow();
        let shared = locked.find(overflow);
        if !self.reserve() {
            self.overflowed.fetch_add(1, Ordering::Relaxed);
            return shared.unwrap_or_else(|| locked.insert(Counter::new(overflow, claim.limit)));
        }
        let begun = shared.and_then(|place| locked.counter(place)).map(|counter| {
            counter.advance(claim.limit, now);
            counter.renamed(claim.key)
        });
        locked.insert(begun.unwrap_or_else(|| Counter::new(claim.key, claim.limit)))
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

/// The counters of a claim: its own, and the shared one of its policy.
fn with_overflow(claim: &CounterClaim<'_>) -> [CounterKey; 2] {
    [claim.key, claim.limit.overflow()]
}

fn lock(shard: &LockedAlone) -> MutexGuard<'_, Shard> {
    shard.0.lock().unwrap_or_else(PoisonError::into_inner)
}
