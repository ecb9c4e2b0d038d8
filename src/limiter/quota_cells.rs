//! The counts of a limit's quotas: a sliding window or a calendar one, by the quota's rule.

use crate::limiter::calendar::CalendarCell;
use crate::limiter::limit::QuotaRule;
use crate::limiter::share::Share;
use crate::limiter::sliding::SlidingCell;
use crate::limiter::time::CountingTime;
use crate::model::policy::{QuotaUnit, Window};

/// The counts of one quota, or those of several.
#[derive(Debug, Clone, Default)]
pub(super) enum QuotaCells {
    /// A limit that has a burst and no quota.
    #[default]
    None,
    Requests(SlidingCell<u32>),
    Units(Box<SlidingCell<u64>>),
    Calendar(CalendarCell),
    /// Several quotas. Few policies have a second one, so it costs the other counters nothing.
    Several(Box<[Self]>),
}

impl QuotaCells {
    pub(super) fn of(rules: &[QuotaRule]) -> Self {
        match rules {
            [] => Self::None,
            [one] => Self::of_one(one),
            several => Self::Several(several.iter().map(Self::of_one).collect()),
        }
    }

    fn of_one(rule: &QuotaRule) -> Self {
        match (rule.window, rule.unit) {
            (Window::Day | Window::Month, _) => Self::Calendar(CalendarCell::default()),
            (Window::Sliding(_), QuotaUnit::Requests) => Self::Requests(SlidingCell::default()),
            (Window::Sliding(_), _) => Self::Units(Box::default()),
        }
    }

    /// Returns the cells, one for each quota.
    pub(super) fn all(&self) -> &[Self] {
        match self {
            Self::Several(cells) => cells,
            one => std::slice::from_ref(one),
        }
    }

    pub(super) fn at_mut(&mut self, position: usize) -> Option<&mut Self> {
        match self {
            Self::Several(cells) => cells.get_mut(position),
            one => Some(one).filter(|_| position == 0),
        }
    }

    pub(super) fn all_mut(&mut self) -> &mut [Self] {
        match self {
            Self::Several(cells) => cells,
            one => std::slice::from_mut(one),
        }
    }

    /// Forgets expired windows. Tells whether every quota has room for one more request.
    #[inline]
    pub(super) fn has_room(&mut self, rules: &[QuotaRule], now: CountingTime) -> bool {
        match (self, rules) {
            // nearly all limits
            (Self::Requests(cell), [rule]) => {
                cell.advance(now.steady, rule.length);
                cell.total() < rule.most
            }
            (cells, rules) => cells.each_has_room(rules, now),
        }
    }

    #[inline(never)]
    fn each_has_room(&mut self, rules: &[QuotaRule], now: CountingTime) -> bool {
        rules.iter().zip(self.all_mut()).fold(true, |room, (rule, cell)| {
            match cell {
                Self::Requests(cell) => cell.advance(now.steady, rule.length),
                Self::Units(cell) => cell.advance(now.steady, rule.length),
                Self::Calendar(cell) => cell.advance(now.wall, rule.window),
                Self::None | Self::Several(_) => {}
            }
            room & (cell.total() < rule.most)
        })
    }

    /// Counts one request. Returns the quota with the smallest share left.
    #[inline]
    pub(super) fn count(&mut self, rules: &[QuotaRule], now: CountingTime) -> Share {
        match (self, rules) {
            (Self::Requests(cell), [rule]) => {
                cell.add(1);
                Share::new(0, cell.total(), rule.most, cell.until_first_leaves(now.steady))
            }
            (cells, rules) => cells.count_each(rules, now),
        }
    }

    #[inline(never)]
    fn count_each(&mut self, rules: &[QuotaRule], now: CountingTime) -> Share {
        let shares =
            (0_u8..).zip(rules.iter().zip(self.all_mut())).map(|(position, (rule, cell))| {
                if rule.unit == QuotaUnit::Requests {
                    cell.add(1);
                }
                Share::new(position, cell.total(), rule.most, cell.until_first_leaves(now))
            });
        shares.fold(Share::NONE, |least, share| if share.is_below(&least) { share } else { least })
    }

    pub(super) fn total(&self) -> u64 {
        match self {
            Self::Requests(cell) => cell.total(),
            Self::Units(cell) => cell.total(),
            Self::Calendar(cell) => cell.total(),
            Self::None | Self::Several(_) => 0,
        }
    }

    pub(super) fn add(&mut self, amount: u64) {
        match self {
            Self::Requests(cell) => cell.add(amount),
            Self::Units(cell) => cell.add(amount),
            Self::Calendar(cell) => cell.add(amount),
            Self::None | Self::Several(_) => {}
        }
    }

    /// Milliseconds until at most `most` are counted, if nothing is added.
    pub(super) fn until_at_most(&self, most: u64, rule: &QuotaRule, now: CountingTime) -> u64 {
        match self {
            Self::Requests(cell) => cell.until_at_most(most, now.steady, rule.length),
            Self::Units(cell) => cell.until_at_most(most, now.steady, rule.length),
            Self::Calendar(cell) => cell.until_end(now.wall),
            Self::None | Self::Several(_) => 0,
        }
    }

    /// Milliseconds until the part that was used first is available again; 0 if nothing was used.
    pub(super) fn until_first_leaves(&self, now: CountingTime) -> u64 {
        match self {
            Self::Requests(cell) => cell.until_first_leaves(now.steady),
            Self::Units(cell) => cell.until_first_leaves(now.steady),
            Self::Calendar(cell) if cell.total() > 0 => cell.until_end(now.wall),
            Self::Calendar(_) | Self::None | Self::Several(_) => 0,
        }
    }

    /// Adds a count of another gateway, or of a file, to the window that it is of.
    pub(super) fn absorb(&mut self, rule: &QuotaRule, at: u64, amount: u64) {
        match self {
            Self::Requests(cell) => cell.absorb(at, amount, rule.length),
            Self::Units(cell) => cell.absorb(at, amount, rule.length),
            Self::Calendar(cell) => cell.absorb(at, amount, rule.window),
            Self::None | Self::Several(_) => {}
        }
    }

    /// Returns the windows with a count, and the amounts.
    pub(super) fn counted(&self, rule: &QuotaRule) -> Vec<(u64, u64)> {
        match self {
            Self::Requests(cell) => cell.counted(rule.length).collect(),
            Self::Units(cell) => cell.counted(rule.length).collect(),
            Self::Calendar(cell) => cell.counted().collect(),
            Self::None | Self::Several(_) => Vec::new(),
        }
    }

    pub(super) fn is_idle(&self, now: CountingTime) -> bool {
        match self {
            Self::Calendar(cell) => cell.is_idle(now.wall),
            _ => self.total() == 0,
        }
    }
}
