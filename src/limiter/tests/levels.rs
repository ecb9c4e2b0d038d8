//! Several limits on one request: all of them are counted, or none.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::{MIDNIGHT, at, burst, claim, counters, keys, limit, quota, seconds};
use crate::limiter::counter::Usage;
use crate::limiter::limit::{ExcessRule, Limit, LimitPart};
use crate::model::policy::{Quota, QuotaUnit, Window};

#[test]
fn a_refused_request_consumes_nothing_on_any_level() {
    let table = counters(10);
    let wide = limit("wide", &[quota(10, seconds(60))], None);
    let narrow = limit("narrow", &[quota(2, seconds(60))], Some(burst(2, Duration::from_secs(1))));
    let last = limit("last", &[quota(10, Window::Day)], None);
    let both = [claim(&wide, "a"), claim(&narrow, "a"), claim(&last, "a")];
    for _ in 0..2 {
        assert!(table.admit(&both, at(MIDNIGHT)).is_ok());
    }
    for _ in 0..1000 {
        let exceeded = table.admit(&both, at(MIDNIGHT)).unwrap_err();
        assert_eq!((exceeded.claim, exceeded.part), (1, LimitPart::Quota(0)));
    }
    for level in [&wide, &last] {
        assert_eq!(table.look(claim(level, "a"), at(MIDNIGHT)).0[0].left, 8);
    }
    assert_eq!(table.look(claim(&narrow, "a"), at(MIDNIGHT)).1, Some(0));
    // a client that retries at the announced time passes, though it came too early a thousand times
    let wait = table.admit(&both, at(MIDNIGHT)).unwrap_err().wait;
    assert!(table.admit(&both, at(MIDNIGHT + wait)).is_ok());
}

#[test]
fn the_first_level_that_refuses_is_named_and_the_longest_wait_told() {
    let table = counters(10);
    let minute = limit("minute", &[quota(1, seconds(60))], None);
    let hour = limit("hour", &[quota(1, seconds(3600))], None);
    let both = [claim(&minute, "a"), claim(&hour, "a")];
    assert!(table.admit(&both, at(MIDNIGHT)).is_ok());
    let exceeded = table.admit(&both, at(MIDNIGHT)).unwrap_err();
    assert_eq!(exceeded.claim, 0);
    assert!(exceeded.wait >= 3_600_000);
}

#[test]
fn marking_lets_a_quota_pass_and_no_burst_and_observing_both() {
    let table = counters(10);
    let of = |name, excess| {
        let quotas = [quota(2, seconds(60))];
        Limit::new(keys(), &[name], quotas, Some(burst(3, Duration::from_secs(10))), excess)
    };
    let (mark, observe) = (of("mark", ExcessRule::Mark), of("observe", ExcessRule::Observe));
    let marked: Vec<_> = (0..4).map(|_| table.admit(&[claim(&mark, "a")], at(MIDNIGHT))).collect();
    assert_eq!(marked[1].unwrap().noted, None);
    assert_eq!(marked[2].unwrap().noted.unwrap().part, LimitPart::Quota(0));
    assert_eq!(marked[3].unwrap_err().part, LimitPart::Burst);
    for seen in 0..10 {
        let passed = table.admit(&[claim(&observe, "a")], at(MIDNIGHT)).unwrap();
        assert_eq!(passed.noted.is_some(), seen >= 2);
    }
    // an observed limit has the count that it would have had
    assert_eq!(table.look(claim(&observe, "a"), at(MIDNIGHT)).1, Some(1));
}

#[test]
fn bytes_and_reported_numbers_are_judged_before_and_charged_after() {
    let table = counters(10);
    let units =
        |unit, most| Quota { unit, most: NonZeroU64::new(most).unwrap(), window: seconds(60) };
    let quotas =
        [units(QuotaUnit::Bandwidth, 1000), units(QuotaUnit::Events, 50), quota(9, Window::Day)];
    let metered = limit("metered", &quotas, None);
    let mine = claim(&metered, "a");
    assert!(table.admit(&[mine], at(MIDNIGHT)).is_ok());
    table.charge(mine, Usage { bandwidth: 999, events: 49 }, at(MIDNIGHT + 10));
    assert!(table.admit(&[mine], at(MIDNIGHT + 20)).is_ok(), "a byte is left");
    table.charge(mine, Usage { bandwidth: u64::MAX, events: 0 }, at(MIDNIGHT + 30));
    assert_eq!(table.admit(&[mine], at(MIDNIGHT + 40)).unwrap_err().part, LimitPart::Quota(0));
    let (left, _) = table.look(mine, at(MIDNIGHT + 50));
    assert_eq!(left.iter().map(|quota| quota.left).collect::<Vec<_>>(), [0, 1, 7]);
    assert!(table.admit(&[mine], at(MIDNIGHT + 64_000)).is_ok());
}

/// Threads that compete get exactly the quota, and refusals cost the levels above it nothing.
#[test]
fn with_many_threads_exactly_the_quota_is_granted() {
    const THREADS: u64 = 8;
    const EACH: u64 = 4000;
    let table = counters(100);
    let shared = limit("shared", &[quota(5000, Window::Day)], None);
    let own = limit("own", &[quota(1000, Window::Day)], Some(burst(1000, Duration::from_hours(1))));
    let granted: Vec<AtomicU64> = (0..THREADS).map(|_| AtomicU64::new(0)).collect();
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (table, shared, own, granted) = (&table, &shared, &own, &granted);
            scope.spawn(move || {
                for turn in 0..EACH {
                    // callers are shared by the threads, and their counters are named in either
                    // order
                    let caller = (number + turn) % THREADS;
                    let mut claims = [claim(shared, "all"), claim(own, &caller.to_string())];
                    if number % 2 == 0 {
                        claims.reverse();
                    }
                    if table.admit(&claims, at(MIDNIGHT)).is_ok() {
                        granted[usize::try_from(caller).unwrap()].fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let all: u64 = granted.iter().map(|number| number.load(Ordering::Relaxed)).sum();
    assert_eq!(all, 5000);
    for (caller, number) in granted.iter().enumerate() {
        let (left, _) = table.look(claim(&own, &caller.to_string()), at(MIDNIGHT));
        assert_eq!(left[0].left, 1000 - number.load(Ordering::Relaxed));
    }
    assert_eq!(table.look(claim(&shared, "all"), at(MIDNIGHT)).0[0].left, 0);
}

proptest! {
    /// Two levels with several callers against plain lists of grants: a refusal by one level leaves
    /// no trace on the other.
    #[test]
    fn levels_agree_with_a_naive_model(
        requests in prop::collection::vec((0_u64..5000, 0_usize..3), 1..300),
    ) {
        let table = counters(10);
        let application = limit("application", &[quota(5, Window::Day)], None);
        let api = limit("api", &[quota(8, Window::Day)], None);
        let (mut of_callers, mut of_all, mut now) = ([0_u64; 3], 0_u64, MIDNIGHT);
        for (step, caller) in requests {
            now += step;
            let claims = [claim(&api, "api"), claim(&application, ["a", "b", "c"][caller])];
            let passes = of_all < 8 && of_callers[caller] < 5;
            prop_assert_eq!(table.admit(&claims, at(now)).is_ok(), passes);
            if passes {
                of_all += 1;
                of_callers[caller] += 1;
            }
        }
    }
}

#[test]
fn a_reload_keeps_counts_under_new_figures_and_begins_anew_under_new_windows() {
    let table = counters(10);
    let before = limit("gold", &[quota(5, seconds(60))], None);
    for _ in 0..5 {
        assert!(table.admit(&[claim(&before, "a")], at(MIDNIGHT)).is_ok());
    }
    let more: Arc<Limit> = limit("gold", &[quota(6, seconds(60))], None);
    assert!(table.admit(&[claim(&more, "a")], at(MIDNIGHT)).is_ok());
    assert!(table.admit(&[claim(&more, "a")], at(MIDNIGHT)).is_err());
    let longer = limit("gold", &[quota(6, seconds(61))], None);
    assert!(table.admit(&[claim(&longer, "a")], at(MIDNIGHT)).is_ok());
}
