//! A leaky bucket: each request fills it by a part, and time empties it evenly.
//!
//! Kept as the moment at which it will be empty (the generic cell rate algorithm, ITU-T I.371): one
//! number, which stays right when the rate is changed by a reload.

use crate::model::clock::Moment;
use crate::model::rate::Rate;

const NANOS_IN_A_MILLISECOND: u64 = 1_000_000;
const NANOS_IN_A_SECOND: u64 = 1_000_000_000;

/// The nanosecond of monotonic time at which the bucket is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeakyBucket(u64);

impl LeakyBucket {
    /// Returns the seconds, rounded up, until the bucket has room for one more request; `None` if
    /// it has now.
    pub fn wait(self, rate: Rate, now: Moment) -> Option<u32> {
        let now = nanos(now);
        let filled = self.0.max(now).saturating_add(each(rate));
        let over = filled.saturating_sub(now).saturating_sub(whole(rate));
        (over > 0).then(|| u32::try_from(over.div_ceil(NANOS_IN_A_SECOND)).unwrap_or(u32::MAX))
    }

    /// Adds one request. A full bucket does not overflow, so no source waits longer than one `per`
    /// for an empty one.
    pub fn add(&mut self, rate: Rate, now: Moment) {
        let now = nanos(now);
        let filled = self.0.max(now).saturating_add(each(rate));
        self.0 = filled.min(now.saturating_add(whole(rate)).max(self.0));
    }

    /// Takes one request out.
    pub fn take_back(&mut self, rate: Rate) {
        self.0 = self.0.saturating_sub(each(rate));
    }

    pub fn is_empty(self, now: Moment) -> bool {
        self.0 <= nanos(now)
    }
}

/// The time that empties a bucket by one request. Rounded down, so that exactly `requests` fit.
fn each(rate: Rate) -> u64 {
    whole(rate).checked_div(rate.requests.get().into()).unwrap_or_default().max(1)
}

fn whole(rate: Rate) -> u64 {
    u64::try_from(rate.per.as_nanos()).unwrap_or(u64::MAX / 4)
}

fn nanos(now: Moment) -> u64 {
    now.0.saturating_mul(NANOS_IN_A_MILLISECOND)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn rate(requests: u32, seconds: u64) -> Rate {
        Rate { requests: NonZeroU32::new(requests).unwrap(), per: Duration::from_secs(seconds) }
    }

    #[test]
    fn what_was_taken_back_may_be_had_again() {
        let (rate, now, mut bucket) = (rate(2, 10), Moment(5000), LeakyBucket::default());
        for _ in 0..2 {
            assert_eq!(bucket.wait(rate, now), None);
            bucket.add(rate, now);
        }
        assert_eq!(bucket.wait(rate, now), Some(5));
        bucket.take_back(rate);
        assert_eq!(bucket.wait(rate, now), None);
        assert!(!bucket.is_empty(now) && bucket.is_empty(Moment(10_000)));
    }

    #[test]
    fn a_full_bucket_does_not_overflow_and_a_smaller_rate_waits_for_the_old_one() {
        let (now, mut bucket) = (Moment(0), LeakyBucket::default());
        for _ in 0..1000 {
            bucket.add(rate(10, 60), now);
        }
        assert_eq!(bucket.wait(rate(10, 60), now), Some(6));
        assert_eq!(bucket.wait(rate(10, 10), now), Some(51));
        assert!(bucket.is_empty(Moment(60_000)));
    }

    proptest! {
        /// However requests fall, no more pass than the rate and the elapsed time allow.
        #[test]
        fn never_more_than_the_rate(pauses in prop::collection::vec(0_u64..4000, 1..400), requests in 1_u32..50, per in 1_u64..100) {
            let (rate, mut bucket) = (rate(requests, per), LeakyBucket::default());
            let (mut now, mut passed) = (0_u64, 0_u64);
            for pause in pauses {
                now += pause;
                if bucket.wait(rate, Moment(now)).is_none() {
                    passed += 1;
                    bucket.add(rate, Moment(now));
                }
                // one more for rounding
                prop_assert!((passed - 1) * per * 1000 <= (u64::from(requests) * per * 1000) + now * u64::from(requests));
            }
        }
    }
}
