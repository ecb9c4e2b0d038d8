//! One counter: the counts of all quotas of a limit, and its burst, for one caller.

use std::sync::Arc;

use crate::limiter::burst::BurstCell;
use crate::limiter::key::CounterKey;
use crate::limiter::limit::{Followers, Limit, LimitPart, QuotaRule};
use crate::limiter::quota_cells::QuotaCells;
use crate::limiter::share::Share;
use crate::limiter::time::CountingTime;
use crate::model::policy::{Quota, QuotaUnit};

/// The counts of one caller. 136 bytes for a policy of one quota of requests and a burst.
///
/// The order of the fields is kept: what a request writes lies together, so that two cores that
/// count one caller hand over little memory.
#[derive(Debug, Clone)]
#[repr(C)]
pub struct Counter {
    /// The key in halves: a number of 128 bits would need a place at every sixteenth byte.
    key: [u64; 2],
    /// The limit at the last use of this counter.
    limit: Arc<Limit>,
    burst: BurstCell,
    /// The number of requests that ever went into the burst; it wraps. Other gateways get the
    /// difference.
    spent: u32,
    /// The followers whose list of changes has this counter.
    pub(super) listed: Followers,
    /// It ends with the past, which few requests look at.
    quotas: QuotaCells,
}

/// A request beyond a limit: the exceeded part, and the milliseconds until it has room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Excess {
    pub(super) part: LimitPart,
    pub(super) wait: u64,
}

/// An amount that is known after the request: bytes of both bodies, and the units that the backend
/// reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    pub bandwidth: u64,
    pub events: u64,
}

/// A count in one window, as a file or another gateway has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The position of the quota in its limit.
    pub quota: u8,
    /// The sub-window's number, or the first second of the day or month.
    pub at: u64,
    pub amount: u64,
}

/// The state of one quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaLeft {
    pub quota: Quota,
    pub left: u64,
    /// Milliseconds until the part that was used first is available again; 0 if nothing was used.
    pub reset: u64,
}

impl Counter {
    pub(super) fn new(key: CounterKey, limit: &Arc<Limit>) -> Self {
        Self {
            key: halves(key),
            limit: Arc::clone(limit),
            quotas: QuotaCells::of(&limit.rules),
            burst: BurstCell::default(),
            spent: 0,
            listed: Followers::default(),
        }
    }

    /// The same counts under another name.
    pub(super) fn renamed(&self, key: CounterKey) -> Self {
        Self { key: halves(key), listed: Followers::default(), ..self.clone() }
    }

    pub fn key(&self) -> CounterKey {
        let [low, high] = self.key;
        CounterKey(u128::from(low) | u128::from(high) << u64::BITS)
    }

    /// Tells whether this is the counter that callers share if the table is full.
    pub(super) fn is_overflow(&self) -> bool {
        self.key() == self.limit.overflow()
    }

    pub fn limit(&self) -> &Arc<Limit> {
        &self.limit
    }

    /// Returns the followers whose list of changes does not have this counter.
    pub(super) fn unlisted(&self) -> Followers {
        self.limit.followers.without(self.listed)
    }

    /// Forgets expired windows, by the present limit.
    pub(super) fn advance(&mut self, limit: &Arc<Limit>, now: CountingTime) {
        self.has_room(limit, now);
    }

    /// Forgets expired windows, by the present limit. Tells whether every quota and the burst have
    /// room for one more request.
    pub(super) fn has_room(&mut self, limit: &Arc<Limit>, now: CountingTime) -> bool {
        if !Arc::ptr_eq(&self.limit, limit) {
            self.limit = Arc::clone(limit);
        }
        self.advance_cells(now)
    }

    fn advance_cells(&mut self, now: CountingTime) -> bool {
        let has_room = self.quotas.has_room(&self.limit.rules, now);
        let Some(burst) = self.limit.bucket else { return has_room };
        self.burst.advance(burst, now.steady);
        has_room & self.burst.has_room(burst)
    }

    /// Returns the first quota without room for one more request, with the longest wait of all such
    /// quotas.
    pub(super) fn quota_excess(&self, now: CountingTime) -> Option<Excess> {
        let mut found: Option<Excess> = None;
        for (position, (rule, cell)) in (0_u8..).zip(self.cells()) {
            if cell.total() < rule.most {
                continue;
            }
            let wait = cell.until_at_most(rule.most - 1, rule, now);
            let first = found.get_or_insert(Excess { part: LimitPart::Quota(position), wait });
            first.wait = first.wait.max(wait);
        }
        found
    }

    pub(super) fn burst_excess(&self) -> Option<Excess> {
        let wait = self.burst.wait(self.limit.bucket?);
        (wait > 0).then_some(Excess { part: LimitPart::Burst, wait })
    }

    /// Counts one request. Returns the quota with the smallest share left, of those that clients
    /// are told of.
    pub(super) fn commit(&mut self, now: CountingTime) -> Share {
        if let Some(burst) = self.limit.bucket {
            self.burst.add(burst);
            self.spent = self.spent.wrapping_add(1);
        }
        let share = self.quotas.count(&self.limit.rules, now);
        if self.limit.is_told { share } else { Share::NONE }
    }

    /// Counts an amount that is known afterwards.
    pub(super) fn charge(&mut self, usage: Usage) {
        for (rule, cell) in self.limit.rules.iter().zip(self.quotas.all_mut()) {
            match rule.unit {
                QuotaUnit::Requests => {}
                QuotaUnit::Bandwidth => cell.add(usage.bandwidth),
                QuotaUnit::Events => cell.add(usage.events),
            }
        }
    }

    /// Adds a count of another gateway, or of a file, to its window.
    pub(super) fn absorb(&mut self, counted: Counted) {
        let at = usize::from(counted.quota);
        if let (Some(rule), Some(cell)) = (self.limit.rules.get(at), self.quotas.at_mut(at)) {
            cell.absorb(rule, counted.at, counted.amount);
        }
    }

    /// Requests that went into the burst, ever; it wraps.
    pub fn burst_spent(&self) -> u32 {
        self.spent
    }

    /// Takes over the level of the burst over all gateways, as of the time at which it was `spent`.
    pub(super) fn absorb_burst(&mut self, level: u64, spent: u32) {
        if let Some(burst) = self.limit.bucket {
            self.burst.absorb(burst, level, self.spent.wrapping_sub(spent));
        }
    }

    /// Returns all present counts, except the burst.
    pub fn counted(&self) -> impl Iterator<Item = Counted> {
        (0_u8..).zip(self.cells()).flat_map(|(quota, (rule, cell))| {
            cell.counted(rule).into_iter().map(move |(at, amount)| Counted { quota, at, amount })
        })
    }

    pub(super) fn left(&self, now: CountingTime) -> impl Iterator<Item = QuotaLeft> {
        self.limit.quotas.iter().zip(self.cells()).map(move |(quota, (rule, cell))| QuotaLeft {
            quota: *quota,
            left: rule.most.saturating_sub(cell.total()),
            reset: cell.until_first_leaves(now),
        })
    }

    /// Requests that may follow at once, where the limit has a burst.
    pub(super) fn burst_left(&self) -> Option<u64> {
        self.limit.bucket.map(|burst| self.burst.left(burst))
    }

    /// Tells whether nothing is counted any more.
    pub(super) fn is_idle(&mut self, now: CountingTime) -> bool {
        self.advance_cells(now);
        self.burst.is_idle() && self.quotas.all().iter().all(|cell| cell.is_idle(now))
    }

    fn cells(&self) -> impl Iterator<Item = (&QuotaRule, &QuotaCells)> {
        self.limit.rules.iter().zip(self.quotas.all())
    }
}

fn halves(key: CounterKey) -> [u64; 2] {
    let low = u64::try_from(key.0 & u128::from(u64::MAX)).unwrap_or_default();
    [low, u64::try_from(key.0 >> u64::BITS).unwrap_or_default()]
}
