//! The times at which a server is asked: pure decisions over durations.

use std::time::Duration;

use crate::fetch::Freshness;

/// A moment, as the time that has passed since the key manager's keys were set up. Monotonic.
pub(super) type Moment = Duration;

/// The first and the longest wait after a failed fetch.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_mins(1);

/// A server's `max-age` cannot make the gateway ask more often than this.
const SHORTEST_REFRESH: Duration = Duration::from_secs(30);

/// The refresh interval of a key set that its server forbids to keep (`no-cache`, `no-store`).
const UNCACHED_REFRESH: Duration = Duration::from_mins(1);

/// Requests may cause this many fetches in a row before the average rate holds.
const BURST: u32 = 3;

/// The number of fetches of the burst that a bad signature leaves for unknown key ids.
const SPARED: u32 = 1;

/// Returns the wait until the next background fetch after a good one. `jitter` is 0 to 1.
pub(super) fn refresh(configured: Duration, freshness: Freshness, jitter: f64) -> Duration {
    let wanted = match freshness {
        Freshness::For(lifetime) => configured.min(lifetime.max(SHORTEST_REFRESH)),
        Freshness::Uncached => configured.min(UNCACHED_REFRESH),
        Freshness::Unsaid => configured,
    };
    // up to a tenth earlier, so that many gateways do not ask together
    wanted.mul_f64(1.0 - 0.1 * jitter.clamp(0.0, 1.0))
}

/// Returns the wait after the `failures`th failure in a row.
pub(super) fn retry(failures: u32, jitter: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let wanted = FIRST_RETRY.saturating_mul(1 << doublings).min(LONGEST_RETRY);
    wanted.mul_f64(1.0 - 0.3 * jitter.clamp(0.0, 1.0))
}

/// Tells whether keys of this age are still used.
pub(super) fn is_believed(age: Duration, keep_stale: Duration, refresh: Duration) -> bool {
    // keys are never too old while they are refreshed as configured
    age <= keep_stale.max(refresh)
}

/// The fetches that requests may cause: one in `each` on average, [`BURST`] in a row at most (a
/// token bucket).
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    each: Duration,
    /// The moment at which the bucket is full again.
    full_at: Moment,
}

impl Allowance {
    pub(super) fn new(each: Duration) -> Self {
        Self { each, full_at: Moment::ZERO }
    }

    /// Returns the time from which the next fetch is allowed; a moment in the past means now.
    pub(super) fn opens_at(&self) -> Moment {
        self.full_at.saturating_sub(self.each.saturating_mul(BURST.saturating_sub(1)))
    }

    /// Returns the time from which a fetch is allowed that leaves one of the burst to others.
    pub(super) fn spare_opens_at(&self) -> Moment {
        let left = BURST.saturating_sub(1).saturating_sub(SPARED);
        self.full_at.saturating_sub(self.each.saturating_mul(left))
    }

    /// Uses one fetch up.
    pub(super) fn take(&mut self, now: Moment) {
        self.full_at = self.full_at.max(now).saturating_add(self.each);
    }
}

/// The events that the task waits for.
#[derive(Debug, Clone, Copy)]
pub(super) struct FetchPlan {
    /// The next background fetch.
    pub(super) background: Moment,
    /// A request waits for keys that are fetched from now on.
    pub(super) wanted: bool,
    /// True if an operator asked for a fetch.
    pub(super) forced: bool,
}

/// The start of a fetch, and whether it is charged to requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) at: Moment,
    pub(super) charged: bool,
}

impl FetchPlan {
    /// Returns the next start. The background fetch and an operator's are free, because clients
    /// cannot multiply them.
    pub(super) fn next(self, allowance: &Allowance, now: Moment) -> Start {
        if self.forced {
            return Start { at: now, charged: false };
        }
        let opens = allowance.opens_at().max(now);
        if self.wanted && opens < self.background {
            return Start { at: opens, charged: true };
        }
        Start { at: self.background, charged: false }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EACH: Duration = Duration::from_secs(10);

    #[test]
    fn retries_double_up_to_a_minute() {
        let waits: Vec<u64> = (1..9).map(|failures| retry(failures, 0.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn cache_control_may_shorten_and_never_lengthen() {
        let configured = Duration::from_mins(10);
        let after = |freshness| refresh(configured, freshness, 0.0);
        assert_eq!(after(Freshness::For(Duration::from_mins(1))), Duration::from_mins(1));
        assert_eq!(after(Freshness::For(Duration::from_secs(1))), SHORTEST_REFRESH);
        assert_eq!(after(Freshness::For(Duration::from_mins(100))), configured);
        assert_eq!(after(Freshness::Uncached), Duration::from_mins(1));
        assert_eq!(after(Freshness::Unsaid), configured);
        let often = Duration::from_secs(20);
        assert_eq!(refresh(often, Freshness::Uncached, 0.0), often);
    }

    #[test]
    fn three_in_a_row_and_then_one_in_ten_seconds() {
        let mut allowance = Allowance::new(EACH);
        let start = Duration::from_secs(1000);
        for _ in 0..3 {
            assert!(allowance.opens_at() <= start);
            allowance.take(start);
        }
        assert_eq!(allowance.opens_at(), start + EACH);
        allowance.take(start + EACH);
        assert_eq!(allowance.opens_at(), start + EACH * 2);
        // unused time is given back, three at most
        let later = start + EACH * 100;
        for _ in 0..3 {
            assert!(allowance.opens_at() <= later);
            allowance.take(later);
        }
        assert_eq!(allowance.opens_at(), later + EACH);
    }

    #[test]
    fn bad_signatures_leave_one_for_unknown_key_ids() {
        let mut allowance = Allowance::new(EACH);
        let now = Duration::from_secs(1000);
        let mut taken = 0;
        while allowance.spare_opens_at() <= now {
            allowance.take(now);
            taken += 1;
        }
        assert_eq!(taken, 2);
        assert!(allowance.opens_at() <= now);
    }

    #[test]
    fn an_operator_does_not_wait_and_costs_requests_nothing() {
        let mut allowance = Allowance::new(EACH);
        let now = Duration::from_secs(50);
        (0..3).for_each(|_| allowance.take(now));
        let background = now + Duration::from_mins(10);
        let forced = FetchPlan { background, wanted: true, forced: true };
        assert_eq!(forced.next(&allowance, now), Start { at: now, charged: false });
        let wanted = FetchPlan { forced: false, ..forced };
        assert_eq!(wanted.next(&allowance, now), Start { at: now + EACH, charged: true });
        let quiet = FetchPlan { wanted: false, ..wanted };
        assert_eq!(quiet.next(&allowance, now), Start { at: background, charged: false });
    }

    proptest! {
        #[test]
        fn waits_stay_in_their_bounds(failures in 0_u32..1000, jitter in -1.0_f64..2.0, age in 0_u64..1_000_000) {
            let wait = retry(failures, jitter);
            prop_assert!(wait >= FIRST_RETRY.mul_f64(0.69) && wait <= LONGEST_RETRY);
            let lifetime = Freshness::For(Duration::from_secs(age));
            let refresh = refresh(Duration::from_mins(10), lifetime, jitter);
            prop_assert!(refresh >= SHORTEST_REFRESH.mul_f64(0.89) && refresh <= Duration::from_mins(10));
        }

        /// For requests at any time and fetches of any duration, every request gets a fetch that
        /// began after it came, no later than one interval after the fetch in progress. In any time
        /// there are no more fetches than the burst and the average rate allow.
        #[test]
        fn all_are_served_and_fetches_stay_bounded(
            gaps in prop::collection::vec(0_u64..20_000, 1..200),
            took in prop::collection::vec(1_u64..5_000, 1..20),
        ) {
            let mut arrivals = Vec::new();
            let mut at = Duration::from_secs(1);
            for gap in gaps {
                at += Duration::from_millis(gap);
                arrivals.push(at);
            }
            let mut allowance = Allowance::new(EACH);
            let background = Duration::from_hours(1000);
            let (mut now, mut starts, mut began) = (Duration::ZERO, Vec::<Duration>::new(), None::<Duration>);
            let mut durations = took.iter().cycle().map(|took| Duration::from_millis(*took));
            let longest = Duration::from_secs(5);
            for arrival in &arrivals {
                // the task looks at the first request that is not served yet
                if began.is_some_and(|began| began >= *arrival) {
                    continue;
                }
                now = now.max(*arrival);
                let plan = FetchPlan { background, wanted: true, forced: false };
                let start = plan.next(&allowance, now);
                prop_assert!(start.charged);
                prop_assert!(start.at <= now.max(*arrival) + EACH, "{:?} for {arrival:?} at \
                    {now:?}", start.at);
                prop_assert!(start.at <= *arrival + EACH + longest);
                allowance.take(start.at);
                began = Some(start.at);
                starts.push(start.at);
                now = start.at + durations.next().unwrap();
            }
            for (position, first) in starts.iter().enumerate() {
                for (count, last) in starts[position..].iter().enumerate() {
                    let allowed = 3 + last.saturating_sub(*first).as_millis() / EACH.as_millis();
                    prop_assert!((count as u128) < allowed, "{starts:?}");
                }
            }
        }
    }
}
