//! The last day of one pair: counts by slots of time.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::histogram::HistogramTotals;
use crate::model::clock::Moment;
use crate::model::reason::Reason;

const SHORT_SLOT: Duration = Duration::from_mins(5);
const SHORT_SLOTS: u64 = 12;
const LONG_SLOT: Duration = Duration::from_hours(1);
const LONG_SLOTS: u64 = 24;

/// All counts of a pair since it was first seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallTotals {
    pub(super) reasons: [u64; Reason::COUNT],
    pub(super) latency: HistogramTotals,
}

/// The outcomes of requests in a window of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallWindow {
    /// The counts by reason, without zeros.
    reasons: Vec<(Reason, u64)>,
    latency: HistogramTotals,
}

/// The durations of forwarded requests. A quantile lies between the bounds of its bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CallLatency {
    pub count: u64,
    pub mean: Duration,
    pub p50: Duration,
    pub p95: Duration,
    pub p99: Duration,
}

#[derive(Debug, Default)]
pub(super) struct CallHistory {
    /// `None` until something was counted.
    before: Option<Box<CallTotals>>,
    short: VecDeque<Slot>,
    long: VecDeque<Slot>,
}

/// The time from `number` times the length of a slot on. One without requests is not kept.
#[derive(Debug)]
struct Slot {
    number: u64,
    counts: CallWindow,
}

impl CallTotals {
    pub(super) fn requests(&self) -> u64 {
        self.reasons.iter().sum()
    }

    /// Returns the counts since an earlier moment.
    fn since(&self, before: Option<&Self>) -> CallWindow {
        let old = |reason: Reason| {
            before
                .and_then(|before| before.reasons.get(reason.index()).copied())
                .unwrap_or_default()
        };
        let counts = Reason::ALL.iter().zip(&self.reasons);
        let reasons = counts
            .map(|(reason, count)| (*reason, count.saturating_sub(old(*reason))))
            .filter(|(_, count)| *count > 0)
            .collect();
        let latency = before.map_or(self.latency, |before| self.latency.less(&before.latency));
        CallWindow { reasons, latency }
    }
}

impl CallWindow {
    pub fn requests(&self) -> u64 {
        self.reasons.iter().map(|(_, count)| count).sum()
    }

    /// The requests that were not forwarded, by the reason.
    pub fn refusals(&self) -> Vec<(Reason, u64)> {
        self.reasons.iter().copied().filter(|(reason, _)| *reason != Reason::Forwarded).collect()
    }

    /// Returns `None` if no request was forwarded.
    pub fn latency(&self) -> Option<CallLatency> {
        let count = self.latency.count();
        let mean = self.latency.sum().as_nanos().checked_div(u128::from(count))?;
        let of = |hundredths| self.latency.quantile(hundredths);
        Some(CallLatency {
            count,
            mean: Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX)),
            p50: of(50),
            p95: of(95),
            p99: of(99),
        })
    }

    fn add(&mut self, other: &Self) {
        for (reason, count) in &other.reasons {
            match self.reasons.iter_mut().find(|(known, _)| known == reason) {
                Some((_, sum)) => *sum = sum.saturating_add(*count),
                None => self.reasons.push((*reason, *count)),
            }
        }
        self.latency.add(&other.latency);
    }
}

impl CallHistory {
    /// Adds the counts since the last time.
    pub(super) fn add(&mut self, now: Moment, totals: &CallTotals) {
        let counts = totals.since(self.before.as_deref());
        for (slots, length, most) in
            [(&mut self.short, SHORT_SLOT, SHORT_SLOTS), (&mut self.long, LONG_SLOT, LONG_SLOTS)]
        {
            let number = slot_of(now, length);
            while slots.front().is_some_and(|slot| slot.number.saturating_add(most) < number) {
                slots.pop_front();
            }
            match slots.back_mut() {
                _ if counts.reasons.is_empty() => {}
                Some(slot) if slot.number >= number => slot.counts.add(&counts),
                _ => slots.push_back(Slot { number, counts: counts.clone() }),
            }
        }
        if !counts.reasons.is_empty() {
            self.before = Some(Box::new(*totals));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.long.is_empty()
    }

    /// The last hour, and the part of a slot before it.
    pub(super) fn hour(&self, now: Moment) -> CallWindow {
        sum(&self.short, slot_of(now, SHORT_SLOT).saturating_sub(SHORT_SLOTS))
    }

    /// The last day, and the part of a slot before it.
    pub(super) fn day(&self, now: Moment) -> CallWindow {
        sum(&self.long, slot_of(now, LONG_SLOT).saturating_sub(LONG_SLOTS))
    }
}

fn sum(slots: &VecDeque<Slot>, from: u64) -> CallWindow {
    let mut window = CallWindow::default();
    for slot in slots.iter().filter(|slot| slot.number >= from) {
        window.add(&slot.counts);
    }
    window.reasons.sort_unstable();
    window
}

fn slot_of(now: Moment, length: Duration) -> u64 {
    let length = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    now.0.checked_div(length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::super::histogram::HistogramCells;
    use super::*;

    const MINUTE: u64 = 60_000;

    fn totals(forwarded: u64, refused: u64) -> CallTotals {
        let cells = HistogramCells::default();
        for _ in 0..forwarded {
            cells.observe(Duration::from_millis(2));
        }
        let mut latency = HistogramTotals::default();
        cells.add_to(&mut latency);
        let mut reasons = [0; Reason::COUNT];
        reasons[Reason::Forwarded.index()] = forwarded;
        reasons[Reason::NotSubscribed.index()] = refused;
        CallTotals { reasons, latency }
    }

    #[test]
    fn an_hour_and_a_day_end_by_themselves() {
        let mut history = CallHistory::default();
        history.add(Moment(0), &totals(0, 0));
        assert!(history.is_empty());
        history.add(Moment(MINUTE), &totals(3, 1));
        history.add(Moment(40 * MINUTE), &totals(5, 1));
        let at = Moment(50 * MINUTE);
        assert_eq!((history.hour(at).requests(), history.day(at).requests()), (6, 6));
        assert_eq!(history.hour(at).refusals(), [(Reason::NotSubscribed, 1)]);
        let at = Moment(66 * MINUTE);
        assert_eq!((history.hour(at).requests(), history.day(at).requests()), (2, 6));
        let at = Moment(25 * 60 * MINUTE);
        assert_eq!((history.hour(at).requests(), history.day(at).requests()), (0, 0));
        history.add(at, &totals(5, 1));
        assert!(history.is_empty(), "nothing came since");
    }

    #[test]
    fn latency_is_of_forwarded_requests_alone() {
        let mut history = CallHistory::default();
        history.add(Moment(0), &totals(0, 4));
        assert_eq!(history.hour(Moment(0)).latency(), None);
        history.add(Moment(0), &totals(10, 4));
        let latency = history.hour(Moment(0)).latency().unwrap();
        assert_eq!((latency.count, latency.mean), (10, Duration::from_millis(2)));
        let bucket = Duration::from_millis(1)..=Duration::from_micros(2500);
        assert!(bucket.contains(&latency.p50) && bucket.contains(&latency.p99), "{latency:?}");
        assert!(latency.p50 < latency.p95 && latency.p95 <= latency.p99);
    }

    #[test]
    fn the_slots_are_bounded() {
        let mut history = CallHistory::default();
        for minute in 0..3000 {
            history.add(Moment(minute * MINUTE), &totals(minute + 1, 0));
        }
        assert!(history.short.len() <= 13 && history.long.len() <= 25);
        let at = Moment(2999 * MINUTE);
        assert_eq!(history.hour(at).requests(), 65, "the hour and the slot that is under way");
    }
}
