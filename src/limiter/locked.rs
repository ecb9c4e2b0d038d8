//! The locked parts of the table that hold a request's counters: all are checked, then all are
//! counted.

use std::sync::MutexGuard;

use smallvec::SmallVec;

use crate::limiter::counter::{Counter, Excess};
use crate::limiter::counter_claim::{CounterClaim, Exceeded, Noted, Passed};
use crate::limiter::key::CounterKey;
use crate::limiter::limit::ExcessRule;
use crate::limiter::lock_order::{INLINE, LockOrder, Place, PlaceHint};
use crate::limiter::shard::Shard;
use crate::limiter::share::Share;
use crate::limiter::time::CountingTime;

/// The locked shards of a request, in their order.
pub(super) struct Locked<'t> {
    order: &'t LockOrder,
    guards: SmallVec<[MutexGuard<'t, Shard>; INLINE]>,
}

/// The counters of a request. `None` stands for one that does not exist, or is not counted.
pub(super) type Places = SmallVec<[Option<Place>; INLINE]>;

impl<'t> Locked<'t> {
    #[inline]
    pub(super) fn new(
        order: &'t LockOrder,
        lock: impl Fn(u16) -> Option<MutexGuard<'t, Shard>>,
    ) -> Self {
        let mut guards = SmallVec::new();
        for number in order.shards() {
            let Some(guard) = lock(*number) else { break };
            guards.push(guard);
        }
        Self { order, guards }
    }

    pub(super) fn find(&self, key: CounterKey) -> Option<Place> {
        let guard = self.order.position(key)?;
        Some(Place { guard, slot: self.guards.get(guard)?.find(key)? })
    }

    /// Finds a counter, first where it was the last time.
    #[inline]
    pub(super) fn find_near(&mut self, hint: &PlaceHint, key: CounterKey) -> Option<&mut Counter> {
        let shard = self.guards.get_mut(hint.place().guard)?;
        let slot = shard.find_slot(hint.slot(), key)?;
        shard.counter(slot)
    }

    #[inline]
    pub(super) fn counter(&mut self, place: Place) -> Option<&mut Counter> {
        self.guards.get_mut(place.guard)?.counter(place.slot)
    }

    pub(super) fn change(&mut self, place: Place, change: impl FnOnce(&mut Counter)) {
        if let Some(shard) = self.guards.get_mut(place.guard) {
            shard.change(place.slot, change);
        }
    }

    pub(super) fn insert(&mut self, counter: Counter) -> Place {
        let guard = self.order.position(counter.key()).unwrap_or_default();
        let slot = self.guards.get_mut(guard).map_or(0, |shard| shard.insert(counter));
        Place { guard, slot }
    }

    /// Removes a counter that has a place in the table; tells whether it did. A shared one stays.
    pub(super) fn remove(&mut self, place: Place) -> bool {
        let own = self.counter(place).is_some_and(|counter| !counter.is_overflow());
        if let Some(shard) = self.guards.get_mut(place.guard).filter(|_| own) {
            shard.remove(place.slot);
        }
        own
    }

    /// Checks all claims, then counts all of them.
    pub(super) fn judge(
        &mut self,
        claims: &[CounterClaim<'_>],
        places: &mut [Option<Place>],
        now: CountingTime,
    ) -> Result<Passed, Exceeded> {
        let noted = self.weigh(claims, places, now)?;
        Ok(self.count(places.iter().copied(), noted, now))
    }

    /// Counts a request that may pass in all of its counters.
    #[inline]
    pub(super) fn count(
        &mut self,
        places: impl Iterator<Item = Option<Place>>,
        noted: Option<Noted>,
        now: CountingTime,
    ) -> Passed {
        let (mut tightest, mut of) = (Share::NONE, 0);
        for (claim, place) in places.enumerate() {
            let Some(Place { guard, slot }) = place else { continue };
            let Some(shard) = self.guards.get_mut(guard) else { continue };
            let share = shard.count(slot, now);
            if share.is_below(&tightest) {
                (tightest, of) = (share, claim);
            }
        }
        Passed { tightest: tightest.of_claim(of), noted }
    }

    /// Checks all claims; the places of those that are not counted are cleared. A counter that does
    /// not exist has room.
    pub(super) fn weigh(
        &mut self,
        claims: &[CounterClaim<'_>],
        places: &mut [Option<Place>],
        now: CountingTime,
    ) -> Result<Option<Noted>, Exceeded> {
        let mut refused: Option<Exceeded> = None;
        let mut first_noted = None;
        for (claim, (asked, place)) in claims.iter().zip(places).enumerate() {
            let Some(counter) = place.and_then(|place| self.counter(place)) else { continue };
            if counter.has_room(asked.limit, now) {
                continue;
            }
            let (refusing, noted) = excess(counter, asked.limit.excess, now);
            if let Some(Excess { part, wait }) = refusing {
                let first = refused.get_or_insert(Exceeded { claim, part, wait });
                first.wait = first.wait.max(wait);
            }
            if let Some(Excess { part, .. }) = noted {
                first_noted.get_or_insert(Noted { claim, part });
                if asked.limit.excess == ExcessRule::Observe {
                    *place = None;
                }
            }
        }
        refused.map_or(Ok(first_noted), Err)
    }
}

/// Judges a request that counts on one level only.
#[inline]
pub(super) fn judge_one(
    shard: &mut Shard,
    slot: u32,
    claim: &CounterClaim<'_>,
    now: CountingTime,
) -> Result<Passed, Exceeded> {
    let Some(counter) = shard.counter(slot) else { return Ok(Passed::default()) };
    let mut noted = None;
    if !counter.has_room(claim.limit, now) {
        let (refusing, excess) = excess(counter, claim.limit.excess, now);
        if let Some(Excess { part, wait }) = refusing {
            return Err(Exceeded { claim: 0, part, wait });
        }
        noted = excess.map(|Excess { part, .. }| Noted { claim: 0, part });
        if claim.limit.excess == ExcessRule::Observe {
            return Ok(Passed { tightest: None, noted });
        }
    }
    Ok(Passed { tightest: shard.count(slot, now).of_claim(0), noted })
}

/// The excess that refuses, and the one that is only noted.
#[cold]
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
