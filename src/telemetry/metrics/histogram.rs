//! Durations by bucket: cells of one worker, and their sum over all workers.

use std::time::Duration;

use super::cell::Cell;

/// Upper bounds, inclusive: from the time of a request on loopback to the default response timeout.
const BOUNDS: [Duration; BOUND_COUNT] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

const BOUND_COUNT: usize = 15;

/// The number of buckets, including the one above all bounds.
pub(super) const BUCKETS: usize = BOUND_COUNT + 1;

/// The number of series that one histogram adds to a scrape: the buckets with `+Inf`, `_sum` and
/// `_count`.
pub(super) const HISTOGRAM_SERIES: usize = BOUND_COUNT + 3;

#[derive(Debug, Default)]
pub(super) struct HistogramCells {
    /// The last one counts durations above all bounds.
    buckets: [Cell; BUCKETS],
    nanoseconds: Cell,
}

/// A histogram at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct HistogramTotals {
    buckets: [u64; BUCKETS],
    nanoseconds: u64,
}

/// Returns the position of the bucket that counts a duration.
pub(super) fn bucket_of(duration: Duration) -> usize {
    BOUNDS.partition_point(|bound| *bound < duration)
}

impl HistogramCells {
    /// Counts a duration, on the owning worker only.
    pub(super) fn observe(&self, duration: Duration) {
        if let Some(bucket) = self.buckets.get(bucket_of(duration)) {
            bucket.add(1);
        }
        self.nanoseconds.add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Counts a duration from any thread, for rare events.
    pub(super) fn observe_shared(&self, duration: Duration) {
        if let Some(bucket) = self.buckets.get(bucket_of(duration)) {
            bucket.add_shared(1);
        }
        self.nanoseconds.add_shared(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn add_to(&self, totals: &mut HistogramTotals) {
        for (total, cell) in totals.buckets.iter_mut().zip(&self.buckets) {
            *total += cell.load();
        }
        totals.nanoseconds = totals.nanoseconds.wrapping_add(self.nanoseconds.load());
    }
}

impl HistogramTotals {
    pub(super) fn add(&mut self, other: &Self) {
        for (total, count) in self.buckets.iter_mut().zip(&other.buckets) {
            *total += count;
        }
        self.nanoseconds = self.nanoseconds.wrapping_add(other.nanoseconds);
    }

    /// Returns the counts since an earlier moment.
    pub(super) fn less(&self, before: &Self) -> Self {
        let mut less = *self;
        for (count, before) in less.buckets.iter_mut().zip(&before.buckets) {
            *count = count.saturating_sub(*before);
        }
        less.nanoseconds = self.nanoseconds.wrapping_sub(before.nanoseconds);
        less
    }

    /// Estimates a quantile, in hundredths, on a line through the bucket that it falls into. Beyond
    /// the last bound it is the bound.
    pub(super) fn quantile(&self, hundredths: u64) -> Duration {
        let rank = self.count().saturating_mul(hundredths);
        let (mut below, mut lower) = (0_u64, Duration::ZERO);
        for (bound, count) in BOUNDS.iter().zip(&self.buckets) {
            let inside = count.saturating_mul(100);
            if *count > 0 && below.saturating_add(inside) >= rank {
                let width = bound.saturating_sub(lower).as_nanos();
                let part = width.saturating_mul(u128::from(rank.saturating_sub(below)));
                let part = part.checked_div(u128::from(inside)).unwrap_or_default();
                let part = Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX));
                return lower.saturating_add(part);
            }
            below = below.saturating_add(inside);
            lower = *bound;
        }
        lower
    }

    /// Tells whether any part is smaller: the histogram began anew.
    pub(super) fn is_below(&self, before: &Self) -> bool {
        self.nanoseconds < before.nanoseconds
            || self.buckets.iter().zip(&before.buckets).any(|(now, before)| now < before)
    }

    /// Returns the sum of the buckets, so that a scrape between two writes still adds up.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    pub(super) fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds)
    }

    /// Returns upper bounds in seconds, each with the number of durations up to it.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        BOUNDS.iter().zip(&self.buckets).scan(0, |below, (bound, count)| {
            *below += count;
            Some((bound.as_secs_f64(), *below))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(durations: &[Duration]) -> HistogramTotals {
        let cells = HistogramCells::default();
        for duration in durations {
            cells.observe(*duration);
        }
        let mut totals = HistogramTotals::default();
        cells.add_to(&mut totals);
        totals
    }

    #[test]
    fn a_bound_belongs_to_its_own_bucket() {
        let at = totals(&[Duration::from_millis(5)]);
        let above = totals(&[Duration::from_nanos(5_000_001)]);
        assert_eq!(at.cumulative().find(|(bound, _)| (*bound - 0.005).abs() < 1e-9).unwrap().1, 1);
        assert_eq!(
            above.cumulative().find(|(bound, _)| (*bound - 0.005).abs() < 1e-9).unwrap().1,
            0
        );
    }

    #[test]
    fn what_exceeds_every_bound_is_in_the_count_only() {
        let long = totals(&[Duration::from_secs(31), Duration::ZERO]);
        assert_eq!(long.cumulative().last().unwrap().1, 1);
        assert_eq!(long.count(), 2);
        assert_eq!(long.sum(), Duration::from_secs(31));
    }

    #[test]
    fn a_quantile_lies_in_its_bucket() {
        let millis = |millis: u64| Duration::from_millis(millis);
        let mixed: Vec<_> =
            [millis(3); 90].into_iter().chain([millis(80); 9]).chain([millis(40_000)]).collect();
        let mixed = totals(&mixed);
        assert!((millis(2)..millis(5)).contains(&mixed.quantile(50)));
        assert!((millis(50)..millis(100)).contains(&mixed.quantile(95)));
        assert_eq!(mixed.quantile(99), millis(100));
        assert_eq!(mixed.quantile(100), Duration::from_secs(30), "the last bound");
        assert_eq!(totals(&[]).quantile(50), Duration::from_secs(30));
    }

    #[test]
    fn bounds_ascend() {
        assert!(BOUNDS.is_sorted_by(|a, b| a < b));
    }
}
