//! One limit grants never more than it says, wherever the window begins, and hardly less.

use std::time::Duration;

use proptest::prelude::*;

use super::{MIDNIGHT, at, burst, claim, counters, limit, quota, seconds};
use crate::limiter::limit::LimitPart;
use crate::limiter::sliding::SUB_WINDOWS;
use crate::limiter::time::CountingTime;
use crate::model::policy::Window;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The most grants in any window of this length.
fn densest(grants: &[u64], length: u64) -> usize {
    let inside = |start: u64| grants.iter().filter(|g| (start..start + length).contains(g)).count();
    grants.iter().map(|start| inside(*start)).max().unwrap_or(0)
}

/// Grants in the window of this length that ends now.
fn recent(grants: &[u64], now: u64, length: u64) -> usize {
    grants.iter().filter(|grant| **grant + length > now).count()
}

proptest! {
    #[test]
    fn a_sliding_window_is_never_exceeded_and_loses_a_sixteenth_at_most(
        most in 1_u64..40,
        length in 1_u64..100,
        steps in prop::collection::vec(0_u64..3000, 1..400),
    ) {
        let (table, limit) = (counters(10), limit("sliding", &[quota(most, seconds(length))], None));
        let length = length * 1000;
        let (mut now, mut grants) = (MIDNIGHT, Vec::new());
        for step in steps {
            // some stand still: many requests have one millisecond
            now += step.saturating_sub(1000);
            match table.admit(&[claim(&limit, "a")], at(now)) {
                Ok(passed) => {
                    grants.push(now);
                    let left = passed.tightest.unwrap();
                    prop_assert!(left.left < most && left.reset <= length + length / SUB_WINDOWS + 1);
                }
                Err(exceeded) => {
                    let longer = length + length.div_ceil(SUB_WINDOWS);
                    prop_assert!(recent(&grants, now, longer) as u64 >= most, "refused too early");
                    prop_assert_eq!(exceeded.part, LimitPart::Quota(0));
                    // the wait is true: not a millisecond earlier, and then it passes
                    let fresh = counters(10);
                    for grant in &grants {
                        fresh.admit(&[claim(&limit, "a")], at(*grant)).unwrap();
                    }
                    let then = now + exceeded.wait;
                    prop_assert!(exceeded.wait > 0);
                    prop_assert!(fresh.admit(&[claim(&limit, "a")], at(then - 1)).is_err());
                    prop_assert!(fresh.admit(&[claim(&limit, "a")], at(then)).is_ok());
                }
            }
        }
        prop_assert!(densest(&grants, length) as u64 <= most);
    }

    #[test]
    fn a_burst_grants_n_and_l_over_w_more_in_any_interval(
        most in 1_u64..50,
        per in 1000_u64..20_000,
        steps in prop::collection::vec(0_u64..500, 1..500),
    ) {
        let limit = limit("burst", &[], Some(burst(most, Duration::from_millis(per))));
        let table = counters(10);
        let (mut now, mut grants) = (MIDNIGHT, Vec::new());
        for step in steps {
            now += step.saturating_sub(250);
            match table.admit(&[claim(&limit, "a")], at(now)) {
                Ok(_) => grants.push(now),
                Err(exceeded) => {
                    prop_assert_eq!(exceeded.part, LimitPart::Burst);
                    prop_assert!(exceeded.wait > 0 && exceeded.wait <= per.div_ceil(most));
                }
            }
        }
        for (first, start) in grants.iter().enumerate() {
            for (last, end) in grants.iter().enumerate().skip(first) {
                let granted = (last - first + 1) as u64;
                prop_assert!(granted * per <= most * (per + (end - start)), "{granted}");
            }
        }
    }

    #[test]
    fn a_day_and_a_month_grant_n_each_though_the_clock_steps_back_an_hour(
        most in 1_u64..30,
        month in any::<bool>(),
        steps in prop::collection::vec((0_u64..4 * HOUR, any::<bool>()), 1..300),
    ) {
        let window = if month { Window::Month } else { Window::Day };
        let (table, limit) = (counters(10), limit("calendar", &[quota(most, window)], None));
        let (mut wall, mut steady) = (MIDNIGHT - 2 * HOUR, MIDNIGHT);
        let mut grants = std::collections::BTreeMap::<u64, u64>::new();
        let mut stepped = false;
        for (step, back) in steps {
            wall += step;
            steady += step;
            // an hour and no further, until the clock has passed its former time
            if back && !stepped {
                wall -= HOUR;
            }
            stepped = back;
            let now = CountingTime { steady, wall };
            let days = jiff::Timestamp::from_millisecond(i64::try_from(wall).unwrap()).unwrap();
            let date = jiff::tz::Offset::UTC.to_datetime(days).date();
            let first = if month { date.first_of_month() } else { date };
            let period = u64::try_from(first.to_datetime(jiff::civil::Time::midnight())
                .to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_millisecond()).unwrap();
            let granted = grants.entry(period).or_default();
            match table.admit(&[claim(&limit, "a")], now) {
                Ok(_) => *granted += 1,
                Err(exceeded) => {
                    prop_assert!(wall + exceeded.wait > period && exceeded.wait <= 31 * DAY);
                    prop_assert!(!month || *granted == most);
                }
            }
            prop_assert!(*granted <= most);
        }
    }
}

#[test]
fn a_clock_far_ahead_opens_no_gate_and_closes_none_for_ever() {
    let (table, limit) = (counters(10), limit("calendar", &[quota(3, Window::Day)], None));
    let admit = |wall| table.admit(&[claim(&limit, "a")], CountingTime { steady: MIDNIGHT, wall });
    let far = MIDNIGHT + 9000 * DAY;
    for _ in 0..3 {
        assert!(admit(far).is_ok());
    }
    // the clock was wrong: its count may have been of today
    assert!(admit(MIDNIGHT + 1).is_err());
    assert!(admit(MIDNIGHT + DAY).is_ok(), "tomorrow is another day");
}

#[test]
fn a_thread_that_read_the_clock_earlier_counts_in_the_present() {
    let (table, limit) = (counters(10), limit("sliding", &[quota(2, seconds(16))], None));
    assert!(table.admit(&[claim(&limit, "a")], at(MIDNIGHT + 5000)).is_ok());
    assert!(table.admit(&[claim(&limit, "a")], at(MIDNIGHT)).is_ok());
    assert!(table.admit(&[claim(&limit, "a")], at(MIDNIGHT + 16_500)).is_err());
    assert!(table.admit(&[claim(&limit, "a")], at(MIDNIGHT + 22_000)).is_ok());
}

#[test]
fn a_window_of_a_day_and_the_largest_figures_do_not_overflow() {
    let most = crate::model::policy::MOST_REQUESTS;
    let window = Window::Sliding(Duration::from_hours(24));
    let limit = limit("large", &[quota(most, window)], Some(burst(most, Duration::from_hours(24))));
    let table = counters(10);
    for _ in 0..1000 {
        assert!(table.admit(&[claim(&limit, "a")], at(u64::MAX / 2)).is_ok());
    }
    assert!(table.admit(&[claim(&limit, "a")], at(u64::MAX)).is_ok());
}
