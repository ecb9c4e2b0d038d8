//! The locked parts of the table that hold a request's counters: all are checked, then all are
//! counted.

use std::sync::MutexGuard;

use smallvec::SmallVec;

use crate::limiter::claim::{Claim, Exceeded, Noted, Passed, Tightest};
use crate::limiter::counter::{Counter, Excess, Share};
use crate::limiter::key::CounterKey;
use crate::limiter::limit::ExcessRule;
use crate::limiter::shard::Shard;
use crate::limiter::time::CountingTime;

/// Counters of a request that need no allocation: the levels of a call, and some custom policies.
const INLINE: usize = 8;

/// The locked shards of a request.
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
    pub(super) fn new(
        keys: impl Iterator<Item = CounterKey>,
        lock: impl Fn(u16) -> Option<MutexGuard<'t, Shard>>,
    ) -> Self {
        let mut order: SmallVec<[u16; INLINE]> = SmallVec::new();
        keys.for_each(|key| order.push(Shard::number(key)));
        order.sort_unstable();
        let (mut all, mut last) = (SmallVec::new(), None);
        for number in order {
            if last != Some(number)
                && let Some(guard) = lock(number)
            {
                all.push((number, guard));
            }
            last = Some(number);
        }
        Self(all)
    }

    pub(super) fn find(&self, key: CounterKey) -> Option<Place> {
        let guard = self.guard(key)?;
        let slot = self.0.get(guard)?.1.find(key)?;
        Some(Place { guard: u32::try_from(guard).ok()?, slot })
    }

    pub(super) fn find_all(&self, claims: &[Claim<'_>]) -> Places {
        let mut places = Places::new();
        for claim in claims {
            places.push(self.find(claim.key));
        }
        places
    }

    pub(super) fn counter(&mut self, place: Place) -> Option<&mut Counter> {
        self.0.get_mut(place.guard as usize)?.1.counter(place.slot)
    }

    pub(super) fn change<R>(
        &mut self,
        place: Place,
        change: impl FnOnce(&mut Counter) -> R,
    ) -> Option<R> {
        self.0.get_mut(place.guard as usize)?.1.change(place.slot, change)
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
        let mut tightest: Option<(Share, usize, Place)> = None;
        for (claim, place) in places.iter().enumerate() {
            let Some(place) = *place else { continue };
            let share = self.change(place, Counter::commit).flatten();
            if let Some(share) = share
                && tightest.is_none_or(|(least, ..)| share.is_below(least))
            {
                tightest = Some((share, claim, place));
            }
        }
        let tightest = tightest.and_then(|(share, claim, place)| {
            Some(share.of_claim(claim, self.counter(place)?, now))
        });
        Ok(Passed { tightest, noted })
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
            counter.advance(asked.limit, now);
            if counter.has_room() {
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
    counter.advance(claim.limit, now);
    let mut noted = None;
    if !counter.has_room() {
        let (refusing, excess) = excess(counter, claim.limit.excess, now);
        if let Some(Excess { part, wait }) = refusing {
            return Err(Exceeded { claim: 0, part, wait });
        }
        noted = excess.map(|Excess { part, .. }| Noted { claim: 0, part });
        if claim.limit.excess == ExcessRule::Observe {
            return Ok(Passed { tightest: None, noted });
        }
    }
    let tightest = shard.change(slot, |counter| Some(counter.commit()?.of_claim(0, counter, now)));
    Ok(Passed { tightest: tightest.flatten(), noted })
}

impl Share {
    fn of_claim(self, claim: usize, counter: &Counter, now: CountingTime) -> Tightest {
        let Self { position, left, .. } = self;
        Tightest { claim, position, left, reset: counter.reset(position, now) }
    }
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
