//! One counter: the counts of all quotas of a limit, and its burst, for one caller.

use std::sync::Arc;

use crate::limiter::burst::{BurstCell, milliseconds};
use crate::limiter::calendar::CalendarCell;
use crate::limiter::key::CounterKey;
use crate::limiter::limit::{Followers, Limit, LimitPart};
use crate::limiter::sliding::SlidingCell;
use crate::limiter::time::CountingTime;
use crate::model::policy::{Quota, QuotaUnit, Window};

/// The counts of one caller. 144 bytes for a policy of one quota of requests and a burst.
#[derive(Debug, Clone)]
pub struct Counter {
    key: CounterKey,
    /// The limit as it was when this counter was used last.
    limit: Arc<Limit>,
    first: QuotaCell,
    burst: BurstCell,
    /// Further quotas: few policies have any.
    #[expect(
        clippy::box_collection,
        reason = "8 bytes for the many counters that have no second quota"
    )]
    more: Option<Box<Vec<QuotaCell>>>,
    /// Followers whose list of changes has this counter.
    pub(super) listed: Followers,
}

#[derive(Debug, Clone, Default)]
enum QuotaCell {
    /// A limit that has a burst and no quota.
    #[default]
    None,
    Requests(SlidingCell<u32>),
    Units(Box<SlidingCell<u64>>),
    Calendar(CalendarCell),
}

/// A request beyond a limit: by which part, and how many milliseconds it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Excess {
    pub(super) part: LimitPart,
    pub(super) wait: u64,
}

/// An amount that is known after the request: bytes of both bodies, and what the backend reported.
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

/// The part of a quota that is left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    pub(super) position: u8,
    left: u64,
    most: u64,
}

impl Share {
    pub(super) fn new(position: u8, total: u64, most: u64) -> Self {
        Self { position, left: most.saturating_sub(total), most }
    }

    pub(super) fn is_below(self, other: Self) -> bool {
        u128::from(self.left) * u128::from(other.most)
            < u128::from(other.left) * u128::from(self.most)
    }
}

impl Counter {
    pub(super) fn new(key: CounterKey, limit: &Arc<Limit>) -> Self {
        let mut cells = limit.quotas.iter().map(|quota| QuotaCell::of(*quota));
        let first = cells.next().unwrap_or_default();
        let more: Vec<_> = cells.collect();
        Self {
            key,
            limit: Arc::clone(limit),
            first,
            burst: BurstCell::default(),
            more: (!more.is_empty()).then(|| Box::new(more)),
            listed: Followers::default(),
        }
    }

    /// The same counts under another name.
    pub(super) fn renamed(&self, key: CounterKey) -> Self {
        Self { key, listed: Followers::default(), ..self.clone() }
    }

    pub fn key(&self) -> CounterKey {
        self.key
    }

    /// The counter of everybody who came when the table was full.
    pub(super) fn is_overflow(&self) -> bool {
        self.key == self.limit.overflow()
    }

    pub fn limit(&self) -> &Arc<Limit> {
        &self.limit
    }

    /// Forgets all that is over, by the limit as it is now.
    pub(super) fn advance(&mut self, limit: &Arc<Limit>, now: CountingTime) {
        if !Arc::ptr_eq(&self.limit, limit) {
            self.limit = Arc::clone(limit);
        }
        self.advance_cells(now);
    }

    fn advance_cells(&mut self, now: CountingTime) {
        let limit = &self.limit;
        let cells =
            std::iter::once(&mut self.first).chain(self.more.iter_mut().flat_map(|m| m.iter_mut()));
        for (quota, cell) in limit.quotas.iter().zip(cells) {
            cell.advance(quota.window, now);
        }
        if let Some(burst) = limit.burst {
            self.burst.advance(burst, now.steady);
        }
    }

    /// The first quota that has no room for one more request, with the longest wait of all such
    /// quotas.
    pub(super) fn quota_excess(&self, now: CountingTime) -> Option<Excess> {
        let mut found: Option<Excess> = None;
        for (position, (quota, cell)) in (0_u8..).zip(self.cells()) {
            if cell.total() < quota.most.get() {
                continue;
            }
            let wait = cell.until_at_most(quota.most.get() - 1, quota.window, now);
            let first = found.get_or_insert(Excess { part: LimitPart::Quota(position), wait });
            first.wait = first.wait.max(wait);
        }
        found
    }

    pub(super) fn burst_excess(&self) -> Option<Excess> {
        let wait = self.burst.wait(self.limit.burst?);
        (wait > 0).then_some(Excess { part: LimitPart::Burst, wait })
    }

    /// Counts one request.
    pub(super) fn commit(&mut self) {
        if let Some(burst) = self.limit.burst {
            self.burst.add(burst, 1);
        }
        self.add(|unit| u64::from(unit == QuotaUnit::Requests));
    }

    /// Counts what is known only afterwards.
    pub(super) fn charge(&mut self, usage: Usage) {
        self.add(|unit| match unit {
            QuotaUnit::Requests => 0,
            QuotaUnit::Bandwidth => usage.bandwidth,
            QuotaUnit::Events => usage.events,
        });
    }

    fn add(&mut self, amount: impl Fn(QuotaUnit) -> u64) {
        let limit = &self.limit;
        let cells =
            std::iter::once(&mut self.first).chain(self.more.iter_mut().flat_map(|m| m.iter_mut()));
        for (quota, cell) in limit.quotas.iter().zip(cells) {
            match amount(quota.unit) {
                0 => {}
                amount => cell.add(amount),
            }
        }
    }

    /// Adds a count of another gateway, or of a file, where it belongs.
    pub(super) fn absorb(&mut self, counted: Counted) {
        let limit = &self.limit;
        let at = usize::from(counted.quota);
        let mut cells =
            std::iter::once(&mut self.first).chain(self.more.iter_mut().flat_map(|m| m.iter_mut()));
        if let (Some(quota), Some(cell)) = (limit.quotas.get(at), cells.nth(at)) {
            cell.absorb(quota.window, counted);
        }
    }

    /// Requests that went into the burst, ever; it wraps.
    pub fn burst_spent(&self) -> u32 {
        self.burst.spent()
    }

    /// Takes over the level that the burst has over all gateways, as of the time when it was
    /// `spent`.
    pub(super) fn absorb_burst(&mut self, level: u64, spent: u32) {
        if let Some(burst) = self.limit.burst {
            self.burst.absorb(burst, level, spent);
        }
    }

    /// Everything that is counted now, but for the burst.
    pub fn counted(&self) -> impl Iterator<Item = Counted> {
        (0_u8..).zip(self.cells()).flat_map(|(quota, (_, cell))| {
            cell.counted().into_iter().map(move |(at, amount)| Counted { quota, at, amount })
        })
    }

    pub(super) fn left(&self, now: CountingTime) -> impl Iterator<Item = QuotaLeft> {
        self.cells().map(move |(quota, cell)| {
            let total = cell.total();
            let oldest = total.saturating_sub(1);
            let reset = if total == 0 { 0 } else { cell.until_at_most(oldest, quota.window, now) };
            QuotaLeft { quota: *quota, left: quota.most.get().saturating_sub(total), reset }
        })
    }

    /// The quota of which the smallest share is left.
    pub(super) fn tightest(&self) -> Option<Share> {
        let all = (0_u8..)
            .zip(self.cells())
            .map(|(position, (quota, cell))| Share::new(position, cell.total(), quota.most.get()));
        all.reduce(|one, other| if other.is_below(one) { other } else { one })
    }

    pub(super) fn left_of(&self, position: u8, now: CountingTime) -> Option<QuotaLeft> {
        self.left(now).nth(usize::from(position))
    }

    /// Requests that may follow at once, where the limit has a burst.
    pub(super) fn burst_left(&self) -> Option<u64> {
        self.limit.burst.map(|burst| self.burst.left(burst))
    }

    /// Nothing is counted any more.
    pub(super) fn is_idle(&mut self, now: CountingTime) -> bool {
        self.advance_cells(now);
        self.burst.is_idle() && self.cells().all(|(_, cell)| cell.is_idle(now))
    }

    fn cells(&self) -> impl Iterator<Item = (&Quota, &QuotaCell)> {
        let cells = std::iter::once(&self.first).chain(self.more.iter().flat_map(|m| m.iter()));
        self.limit.quotas.iter().zip(cells)
    }
}

impl QuotaCell {
    fn of(quota: Quota) -> Self {
        match (quota.window, quota.unit) {
            (Window::Day | Window::Month, _) => Self::Calendar(CalendarCell::default()),
            (Window::Sliding(_), QuotaUnit::Requests) => Self::Requests(SlidingCell::default()),
            (Window::Sliding(_), _) => Self::Units(Box::default()),
        }
    }

    fn advance(&mut self, window: Window, now: CountingTime) {
        let length = milliseconds(window.length());
        match self {
            Self::None => {}
            Self::Requests(cell) => cell.advance(now.steady, length),
            Self::Units(cell) => cell.advance(now.steady, length),
            Self::Calendar(cell) => cell.advance(now.wall, window),
        }
    }

    fn total(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Requests(cell) => cell.total(),
            Self::Units(cell) => cell.total(),
            Self::Calendar(cell) => cell.total(),
        }
    }

    fn add(&mut self, amount: u64) {
        match self {
            Self::None => {}
            Self::Requests(cell) => cell.add(amount),
            Self::Units(cell) => cell.add(amount),
            Self::Calendar(cell) => cell.add(amount),
        }
    }

    fn until_at_most(&self, most: u64, window: Window, now: CountingTime) -> u64 {
        let length = milliseconds(window.length());
        match self {
            Self::None => 0,
            Self::Requests(cell) => cell.until_at_most(most, now.steady, length),
            Self::Units(cell) => cell.until_at_most(most, now.steady, length),
            Self::Calendar(cell) => cell.until_end(now.wall),
        }
    }

    fn absorb(&mut self, window: Window, counted: Counted) {
        match self {
            Self::None => {}
            Self::Requests(cell) => cell.absorb(counted.at, counted.amount),
            Self::Units(cell) => cell.absorb(counted.at, counted.amount),
            Self::Calendar(cell) => cell.absorb(counted.at, counted.amount, window),
        }
    }

    fn counted(&self) -> Vec<(u64, u64)> {
        match self {
            Self::None => Vec::new(),
            Self::Requests(cell) => cell.counted().collect(),
            Self::Units(cell) => cell.counted().collect(),
            Self::Calendar(cell) => cell.counted().collect(),
        }
    }

    fn is_idle(&self, now: CountingTime) -> bool {
        match self {
            Self::Calendar(cell) => cell.is_idle(now.wall),
            _ => self.total() == 0,
        }
    }
}
