//! The locked parts of the table that hold a request's counters: all are checked, then all are
//! counted.

use std::sync::MutexGuard;

use smallvec::SmallVec;

use crate::limiter::counter::{Counter, Excess};
use crate::limiter::counter_claim::{Claim, Exceeded, Noted, Passed};
use crate::limiter::key::CounterKey;
use crate::limiter::limit::ExcessRule;
use crate::limiter::shard::Shard;
use crate::limiter::share::Share;
use crate::limiter::time::CountingTime;

/// Counters of a request that need no allocation: the levels of a call, and some custom policies.
const INLINE: usize = 8;

/// The locked shards of a request.
#[derive(Default)]
pub(super) struct Locked<'t>(SmallVec<[(u16, MutexGuard<'t, Shard>); INLINE]>);

/// A counter in a locked shard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    guard: u32,
    slot: u32,
}

/// The counters of a request. `None` stands for one that does not exist, or is not counted.
pub(super) type Places = SmallVec<[Option<Place>; INLINE]>;

impl<'t> Locked<'t> {
    /// Locks the shards of these keys, in their order: two requests never wait for each other.
    /// Finds the places of the counters in them, and visits each counter with its position. It is
    /// done once, when nothing is locked yet.
    #[inline]
    pub(super) fn lock(
        &mut self,
        keys: &(impl Iterator<Item = CounterKey> + Clone),
        places: &mut Places,
        lock: impl Fn(u16) -> Option<MutexGuard<'t, Shard>>,
        mut visit: impl FnMut(usize, &mut Counter),
    ) {
        let mut next = None::<u16>;
        for key in keys.clone() {
            places.push(None);
            next = next.into_iter().chain([Shard::number(key)]).min();
        }
        // a request has few keys, so looking at all of them again costs less than sorting
        while let Some(number) = next.take() {
            let Some(mut shard) = lock(number) else { break };
            let guard = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
            for (position, (key, place)) in keys.clone().zip(&mut *places).enumerate() {
                let other = Shard::number(key);
                if other == number {
                    let Some(slot) = shard.find(key) else { continue };
                    *place = Some(Place { guard, slot });
                    shard.counter(slot).into_iter().for_each(|counter| visit(position, counter));
                } else if other > number && next.is_none_or(|next| other < next) {
                    next = Some(other);
                }
            }
            self.0.push((number, shard));
        }
    }

    pub(super) fn find(&self, key: CounterKey) -> Option<Place> {
        let guard = self.guard(key)?;
        let slot = self.0.get(guard)?.1.find(key)?;
        Some(Place { guard: u32::try_from(guard).ok()?, slot })
    }

    pub(super) fn counter(&mut self, place: Place) -> Option<&mut Counter> {
        self.0.get_mut(place.guard as usize)?.1.counter(place.slot)
    }

    pub(super) fn change(&mut self, place: Place, change: impl FnOnce(&mut Counter)) {
        if let Some((_, shard)) = self.0.get_mut(place.guard as usize) {
            shard.change(place.slot, change);
        }
    }

    pub(super) fn insert(&mut self, counter: Counter) -> Place {
        let guard = self.guard(counter.key()).unwrap_or_default();
        let slot = self.0.get_mut(guard).map_or(0, |(_, shard)| shard.insert(counter));
        Place { guard: u32::try_from(guard).unwrap_or_default(), slot }
    }

    /// Removes a counter that has a place in the table; tells whether it did. A shared one stays.
    pub(super) fn remove(&mut self, place: Place) -> bool {
        let own = self.counter(place).is_some_and(|counter| !counter.is_overflow());
        if let Some((_, shard)) = self.0.get_mut(place.guard as usize).filter(|_| own) {
            shard.remove(place.slot);
        }
        own
    }

    fn guard(&self, key: CounterKey) -> Option<usize> {
        let shard = Shard::number(key);
        self.0.iter().position(|(number, _)| *number == shard)
    }

    /// Checks all claims, then counts all of them.
    pub(super) fn judge(
        &mut self,
        claims: &[Claim<'_>],
        places: &mut [Option<Place>],
        now: CountingTime,
    ) -> Result<Passed, Exceeded> {
        let noted = self.weigh(claims, places, now)?;
        Ok(self.count(places, noted, now))
    }

    /// Counts a request that may pass in all of its counters.
    pub(super) fn count(
        &mut self,
        places: &[Option<Place>],
        noted: Option<Noted>,
        now: CountingTime,
    ) -> Passed {
        let (mut tightest, mut of) = (Share::NONE, 0);
        for (claim, place) in places.iter().enumerate() {
            let Some(Place { guard, slot }) = *place else { continue };
            let Some((_, shard)) = self.0.get_mut(guard as usize) else { continue };
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
        claims: &[Claim<'_>],
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
pub(super) fn judge_one(
    shard: &mut Shard,
    slot: u32,
    claim: &Claim<'_>,
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
