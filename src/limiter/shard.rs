//! One part of the table: counters in a slab, found by a hash table of their places.

use std::cell::Cell;

use hashbrown::HashTable;
use slab::Slab;

use crate::limiter::counter::Counter;
use crate::limiter::key::CounterKey;
use crate::limiter::limit::Follower;
use crate::limiter::share::Share;
use crate::limiter::time::CountingTime;

/// The slab grows by an eighth, not to twice its size: memory is promised for a million counters.
const GROWTH: usize = 8;

/// The least that the slab grows by.
const LEAST_GROWTH: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Shard {
    places: HashTable<u32>,
    counters: Slab<Counter>,
    /// For each follower, the counters that have changed.
    changed: [Vec<u32>; Follower::ALL.len()],
}

impl Shard {
    pub(super) fn find(&self, key: CounterKey) -> Option<u32> {
        let counters = &self.counters;
        let is_it = |slot: &u32| counters.get(index(*slot)).is_some_and(|c| c.key() == key);
        self.places.find(hash(key), is_it).copied()
    }

    /// Finds a counter, first in the slot where it was the last time.
    #[inline]
    pub(super) fn find_slot(&self, last: &Cell<u32>, key: CounterKey) -> Option<u32> {
        let there = self.counters.get(index(last.get()));
        if there.is_none_or(|counter| counter.key() != key) {
            last.set(self.find(key)?);
        }
        Some(last.get())
    }

    pub(super) fn counter(&mut self, slot: u32) -> Option<&mut Counter> {
        self.counters.get_mut(index(slot))
    }

    /// Adds a counter whose key is not in the table.
    pub(super) fn insert(&mut self, counter: Counter) -> u32 {
        if self.counters.len() == self.counters.capacity() {
            let more = (self.counters.len() / GROWTH).max(LEAST_GROWTH);
            self.counters.reserve_exact(more);
        }
        let (key, followers) = (counter.key(), counter.limit().followers);
        let slot = u32::try_from(self.counters.insert(counter)).unwrap_or(u32::MAX);
        let counters = &self.counters;
        self.places.insert_unique(hash(key), slot, |slot| {
            counters.get(index(*slot)).map_or(0, |counter| hash(counter.key()))
        });
        for follower in Follower::ALL.into_iter().filter(|follower| followers.has(*follower)) {
            // so that a request that only counts allocates nothing
            if let Some(list) = self.changed.get_mut(follower.position()) {
                list.reserve(self.counters.len().saturating_sub(list.len()));
            }
        }
        slot
    }

    /// Removes a counter.
    pub(super) fn remove(&mut self, slot: u32) {
        let Some(counter) = self.counters.try_remove(index(slot)) else { return };
        if let Ok(entry) = self.places.find_entry(hash(counter.key()), |other| *other == slot) {
            entry.remove();
        }
    }

    /// Counts one request. Returns the quota with the smallest share left.
    #[inline]
    pub(super) fn count(&mut self, slot: u32, now: CountingTime) -> Share {
        let Some(counter) = self.counters.get_mut(index(slot)) else { return Share::NONE };
        let share = counter.commit(now);
        if !counter.unlisted().is_empty() {
            self.note(slot);
        }
        share
    }

    /// Changes a counter, and notes it for its followers.
    pub(super) fn change(&mut self, slot: u32, change: impl FnOnce(&mut Counter)) {
        if let Some(counter) = self.counters.get_mut(index(slot)) {
            change(counter);
            self.note(slot);
        }
    }

    /// Notes a changed counter for the followers that do not have it in their list.
    #[inline(never)]
    fn note(&mut self, slot: u32) {
        let Some(counter) = self.counters.get_mut(index(slot)) else { return };
        let new = counter.unlisted();
        for follower in Follower::ALL.into_iter().filter(|follower| new.has(*follower)) {
            counter.listed.insert(follower);
            if let Some(list) = self.changed.get_mut(follower.position()) {
                list.push(slot);
            }
        }
    }

    /// Shows a follower the counters that have changed since the last time.
    pub(super) fn changed(&mut self, follower: Follower, show: &mut impl FnMut(&Counter)) {
        let Some(list) = self.changed.get_mut(follower.position()) else { return };
        for slot in list.drain(..) {
            if let Some(counter) = self.counters.get_mut(index(slot))
                && counter.listed.remove(follower)
            {
                show(counter);
            }
        }
    }

    pub(super) fn counters(&self) -> impl Iterator<Item = &Counter> {
        self.counters.iter().map(|(_, counter)| counter)
    }

    /// Forgets idle counters; returns the number of those that had a place in the table.
    pub(super) fn sweep(&mut self, now: CountingTime) -> usize {
        let Self { places, counters, .. } = self;
        let mut gone = 0;
        counters.retain(|slot, counter| {
            if !counter.is_idle(now) || !counter.listed.is_empty() {
                return true;
            }
            if let Ok(entry) = places.find_entry(hash(counter.key()), |o| index(*o) == slot) {
                entry.remove();
            }
            gone += usize::from(!counter.is_overflow());
            false
        });
        if counters.is_empty() {
            counters.shrink_to_fit();
            places.shrink_to_fit(|_| 0);
        }
        gone
    }
}

fn hash(key: CounterKey) -> u64 {
    u64::try_from(key.0 >> u64::BITS).unwrap_or_default()
}

fn index(slot: u32) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}
