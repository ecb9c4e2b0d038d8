//! The order in which a request's counters are locked, and the places where they lay the last time.

use std::cell::Cell;

use smallvec::SmallVec;

use crate::limiter::key::CounterKey;

/// Counters of a request that need no allocation: the levels of a call, and some custom policies.
pub(super) const INLINE: usize = 8;

/// The number of shards, a power of two: enough that two cores seldom want the same one.
pub(super) const SHARDS: usize = 512;

/// The shards of a request's counters: each of them once, sorted. Every request locks its shards in
/// this order, so two requests never wait for each other.
#[derive(Debug, Clone, Default)]
pub struct LockOrder(SmallVec<[u16; INLINE]>);

/// The place where a counter was found the last time. It is only a hint: the counter may be gone,
/// and another one in its place, so its key is compared.
#[derive(Debug, Clone, Default)]
pub struct PlaceHint {
    /// The position of the counter's shard in the order.
    guard: u16,
    slot: Cell<u32>,
}

/// A counter in a locked shard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) guard: usize,
    pub(super) slot: u32,
}

impl LockOrder {
    pub fn of(keys: impl Iterator<Item = CounterKey>) -> Self {
        let mut shards: SmallVec<[u16; INLINE]> = keys.map(shard_of).collect();
        shards.sort_unstable();
        shards.dedup();
        Self(shards)
    }

    /// Returns a hint for a counter that was never found.
    pub fn hint(&self, key: CounterKey) -> PlaceHint {
        let guard = self.position(key).and_then(|guard| u16::try_from(guard).ok());
        PlaceHint { guard: guard.unwrap_or_default(), slot: Cell::default() }
    }

    pub(super) fn position(&self, key: CounterKey) -> Option<usize> {
        self.0.binary_search(&shard_of(key)).ok()
    }

    pub(super) fn shards(&self) -> &[u16] {
        &self.0
    }
}

impl PlaceHint {
    pub(super) fn place(&self) -> Place {
        Place { guard: self.guard.into(), slot: self.slot.get() }
    }

    pub(super) fn slot(&self) -> &Cell<u32> {
        &self.slot
    }
}

/// The shard of a key. Not by the bits that the hash table of a shard uses.
pub(super) fn shard_of(key: CounterKey) -> u16 {
    u16::try_from(key.home() % SHARDS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_sorted_and_each_is_locked_once() {
        let keys = [3_u128, 1, 3, 0, 1].map(|shard| CounterKey(shard << 32 | 7 << 64));
        let order = LockOrder::of(keys.into_iter());
        assert_eq!(order.shards(), [0, 1, 3]);
        let guards = keys.map(|key| order.hint(key).place().guard);
        assert_eq!(guards, [2, 1, 2, 0, 1]);
    }
}
