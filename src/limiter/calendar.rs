//! Calendar windows: days and months in UTC.
//!
//! A cell remembers two periods. So if a clock steps back over midnight, and forward again, the
//! count of either day is as it was. If a clock was far ahead and steps back, the count stays, and
//! nothing is granted twice.

use jiff::Timestamp;
use jiff::tz::Offset;

use crate::model::policy::Window;

const DAY: u64 = 24 * 60 * 60;
const MILLISECONDS: u64 = 1000;

/// Two periods with their counts, each from `start` until before `end`, in seconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CalendarCell {
    /// The period in use.
    current: Period,
    /// The one that was in use before it.
    other: Period,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Period {
    start: u32,
    end: u32,
    count: u64,
}

impl CalendarCell {
    /// Makes the period of this moment the current one.
    pub(super) fn advance(&mut self, wall: u64, window: Window) {
        let now = seconds(wall);
        if !self.current.holds(now) {
            self.advance_to(now, window);
        }
    }

    #[inline(never)]
    fn advance_to(&mut self, now: u32, window: Window) {
        if self.other.holds(now) {
            std::mem::swap(&mut self.current, &mut self.other);
            return;
        }
        let (start, end) = period(now, window);
        let both = [self.current, self.other];
        let known = both.iter().filter(|period| period.end != 0);
        if known.map(|period| period.start).min().is_some_and(|first| now < first) {
            // the clock was ahead: its count may belong to this period
            let count = self.current.count.max(self.other.count);
            let next = both.into_iter().find(|period| period.start == end);
            *self = Self { current: Period { start, end, count }, other: next.unwrap_or_default() };
            return;
        }
        if self.current.end > self.other.end {
            self.other = self.current;
        }
        self.current = Period { start, end, count: 0 };
    }

    pub(super) fn total(&self) -> u64 {
        self.current.count
    }

    pub(super) fn add(&mut self, amount: u64) {
        self.current.count = self.current.count.saturating_add(amount);
    }

    /// Counts in the period that begins at `start`: a count of another gateway, or of a file,
    /// oldest first.
    pub(super) fn absorb(&mut self, start: u64, amount: u64, window: Window) {
        let both = [&mut self.current, &mut self.other];
        let known = both.into_iter().find(|p| p.end != 0 && u64::from(p.start) == start);
        if let Some(period) = known {
            period.count = period.count.saturating_add(amount);
        } else {
            self.advance(start.saturating_mul(MILLISECONDS), window);
            self.add(amount);
        }
    }

    /// Milliseconds until the current period ends.
    pub(super) fn until_end(&self, wall: u64) -> u64 {
        (u64::from(self.current.end) * MILLISECONDS).saturating_sub(wall)
    }

    /// Returns the periods with a count, by their first seconds.
    pub(super) fn counted(&self) -> impl Iterator<Item = (u64, u64)> {
        [self.other, self.current]
            .into_iter()
            .filter(|period| period.count > 0)
            .map(|period| (period.start.into(), period.count))
    }

    /// Tells whether nothing is left to remember, even if the clock steps back by an hour.
    pub(super) fn is_idle(&self, wall: u64) -> bool {
        const STEP: u64 = 60 * 60;
        let over = |period: &Period| {
            period.count == 0 || u64::from(period.end) + STEP <= wall / MILLISECONDS
        };
        over(&self.current) && over(&self.other)
    }
}

impl Period {
    fn holds(&self, now: u32) -> bool {
        self.start <= now && now < self.end
    }
}

fn seconds(wall: u64) -> u32 {
    u32::try_from(wall / MILLISECONDS).unwrap_or(u32::MAX - 1)
}

/// Returns the first second of the calendar window in which a moment (ms since 1970) lies, and of
/// the next window.
pub(super) fn bounds(wall: u64, window: Window) -> (u64, u64) {
    let (start, end) = period(seconds(wall), window);
    (start.into(), end.into())
}

/// The first second of the day or month, and the first one after it.
fn period(now: u32, window: Window) -> (u32, u32) {
    let whole = || -> Option<(u32, u32)> {
        let timestamp = Timestamp::from_second(now.into()).ok()?;
        let first = Offset::UTC.to_datetime(timestamp).date().first_of_month();
        let start = Offset::UTC.to_timestamp(first.to_datetime(jiff::civil::Time::midnight()));
        let days = u64::try_from(first.days_in_month()).ok()?;
        let start = u64::try_from(start.ok()?.as_second()).ok()?;
        Some((u32::try_from(start).ok()?, u32::try_from(start + days * DAY).ok()?))
    };
    if window == Window::Month
        && let Some(month) = whole()
    {
        return month;
    }
    let start = u64::from(now) / DAY * DAY;
    (seconds(start * MILLISECONDS), seconds((start + DAY) * MILLISECONDS))
}
