//! The counts that the servers are known to hold. The difference to a counter is still to be sent.

use std::collections::HashMap;
use std::sync::Arc;

use crate::limiter::counter::{Counted, Counter};
use crate::limiter::key::CounterKey;
use crate::limiter::limit::Limit;

/// A counter as it was at one moment.
#[derive(Debug, Clone)]
pub(super) struct CounterState {
    pub(super) key: CounterKey,
    pub(super) limit: Arc<Limit>,
    pub(super) counted: Vec<Counted>,
    /// Requests that went into the burst, ever; it wraps.
    pub(super) spent: u32,
}

/// One counter, as the servers hold it.
#[derive(Debug, Default)]
pub(super) struct Known {
    seen: Vec<Counted>,
    spent: u32,
    /// The servers have lost counts, so everything is sent once more.
    pub(super) lost: bool,
}

/// All counters that were sent to the servers and are still in use.
#[derive(Debug, Default)]
pub(super) struct AllKnown(HashMap<CounterKey, Known>);

impl CounterState {
    pub(super) fn of(counter: &Counter) -> Self {
        Self {
            key: counter.key(),
            limit: Arc::clone(counter.limit()),
            counted: counter.counted().collect(),
            spent: counter.burst_spent(),
        }
    }
}

impl AllKnown {
    pub(super) fn of(&mut self, key: CounterKey) -> &mut Known {
        self.0.entry(key).or_default()
    }

    /// Notes that the servers have lost all counts.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Assumes that the servers hold this. It is sent with the next change, in case they do not.
    pub(super) fn assume(&mut self, state: &CounterState) {
        let known = self.of(state.key);
        known.seen.clone_from(&state.counted);
        known.spent = state.spent;
        known.lost = true;
    }

    /// Forgets the counters that the table has forgotten.
    pub(super) fn keep(&mut self, is_live: impl Fn(CounterKey) -> bool) {
        self.0.retain(|key, _| is_live(*key));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Known {
    /// The count that the servers were last known to hold.
    pub(super) fn seen(&self, quota: u8, at: u64) -> u64 {
        let same = |seen: &&Counted| seen.quota == quota && seen.at == at;
        self.seen.iter().find(same).map_or(0, |seen| seen.amount)
    }

    /// Returns the part of a count that was not sent to the servers.
    pub(super) fn untold(&self, counted: Counted) -> u64 {
        counted.amount.saturating_sub(self.seen(counted.quota, counted.at))
    }

    pub(super) fn untold_burst(&self, spent: u32) -> u32 {
        spent.wrapping_sub(self.spent)
    }

    pub(super) fn is_told(&self, state: &CounterState) -> bool {
        !self.lost
            && self.untold_burst(state.spent) == 0
            && state.counted.iter().all(|counted| self.untold(*counted) == 0)
    }

    /// Notes the answer to a round: the counts that were sent, and the rest that the servers hold.
    pub(super) fn told(&mut self, spent: u32, seen: Vec<Counted>) {
        self.seen = seen;
        self.spent = spent;
        self.lost = false;
    }

    /// Notes a count that a server made itself.
    pub(super) fn add(&mut self, quota: u8, at: u64, amount: u64) {
        let same = |seen: &&mut Counted| seen.quota == quota && seen.at == at;
        match self.seen.iter_mut().find(same) {
            Some(seen) => seen.amount = seen.amount.saturating_add(amount),
            None => self.seen.push(Counted { quota, at, amount }),
        }
    }

    pub(super) fn add_burst(&mut self) {
        self.spent = self.spent.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_difference_is_told() {
        let mut known = Known::default();
        let counted = Counted { quota: 0, at: 7, amount: 5 };
        assert_eq!(known.untold(counted), 5);
        known.told(3, vec![Counted { amount: 9, ..counted }]);
        assert_eq!(known.untold(counted), 0, "the others' counts are in it");
        assert_eq!(known.untold(Counted { amount: 11, ..counted }), 2);
        assert_eq!(known.untold_burst(4), 1);
        known.add(0, 7, 2);
        known.add(1, 8, 1);
        known.add_burst();
        assert_eq!((known.seen(0, 7), known.seen(1, 8), known.untold_burst(4)), (11, 1, 0));
    }

    #[test]
    fn the_number_of_burst_requests_wraps() {
        let mut known = Known::default();
        known.told(u32::MAX, Vec::new());
        assert_eq!(known.untold_burst(2), 3);
    }
}
