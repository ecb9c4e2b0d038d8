//! The table is bounded, and no caller over quota is forgotten.

use proptest::prelude::*;

use super::{MIDNIGHT, at, claim, counters, keys, limit, quota, seconds};
use crate::limiter::counters::Counters;
use crate::limiter::limit::Follower;
use crate::model::policy::Window;

const MINUTE: u64 = 60_000;

fn sweep(table: &Counters, now: u64) {
    (0..4).for_each(|part| table.sweep(part, 4, at(now)));
}

#[test]
fn a_flood_of_new_callers_shares_one_counter_and_those_who_were_known_keep_theirs() {
    let (table, limit) = (counters(3), limit("bounded", &[quota(2, seconds(60))], None));
    for caller in ["a", "b", "c"] {
        assert!(table.admit(&[claim(&limit, caller)], at(MIDNIGHT)).is_ok());
    }
    let granted = (0..1000)
        .filter(|n| table.admit(&[claim(&limit, &format!("invented {n}"))], at(MIDNIGHT)).is_ok())
        .count();
    assert_eq!((granted, table.live()), (2, 3));
    assert_eq!(table.overflowed(), 1000);
    for caller in ["a", "b", "c"] {
        assert!(table.admit(&[claim(&limit, caller)], at(MIDNIGHT)).is_ok());
        assert!(table.admit(&[claim(&limit, caller)], at(MIDNIGHT)).is_err());
    }
    sweep(&table, MIDNIGHT + 30_000);
    assert!(table.admit(&[claim(&limit, "a")], at(MIDNIGHT + 30_000)).is_err(), "not forgotten");
    sweep(&table, MIDNIGHT + 2 * MINUTE);
    assert_eq!(table.live(), 0);
    assert!(table.admit(&[claim(&limit, "invented 1")], at(MIDNIGHT + 2 * MINUTE)).is_ok());
}

#[test]
fn a_counter_that_gets_a_place_later_begins_with_what_was_counted_together() {
    let (table, limit) = (counters(1), limit("later", &[quota(3, seconds(60))], None));
    assert!(table.admit(&[claim(&limit, "first")], at(MIDNIGHT)).is_ok());
    for _ in 0..3 {
        assert!(table.admit(&[claim(&limit, "x")], at(MIDNIGHT + 50_000)).is_ok());
    }
    sweep(&table, MIDNIGHT + 70_000);
    assert_eq!(table.live(), 0);
    // x has used all three, together with no caller, and its window is not over
    assert!(table.admit(&[claim(&limit, "x")], at(MIDNIGHT + 70_000)).is_err());
    assert_eq!(table.live(), 0, "a refused request leaves no counter");
    assert!(table.admit(&[claim(&limit, "x")], at(MIDNIGHT + 120_000)).is_ok());
}

#[test]
fn a_follower_sees_each_changed_counter_once_and_another_table_absorbs_it() {
    let limit = limit("kept", &[quota(5, seconds(7200)), quota(9, Window::Month)], None);
    let limit = limit.followed_by(Follower::StateDir);
    let (table, restored) = (counters(10), counters(10));
    for caller in ["a", "a", "b"] {
        table.admit(&[claim(&limit, caller)], at(MIDNIGHT)).unwrap();
    }
    table.admit(&[claim(&limit, "a")], at(MIDNIGHT + 20 * MINUTE)).unwrap();
    let mut seen = Vec::new();
    table.changed(Follower::StateDir, |counter| {
        seen.push((counter.key(), counter.counted().collect::<Vec<_>>()));
    });
    assert_eq!(seen.len(), 2);
    table.changed(Follower::StateDir, |_| panic!("nothing has changed since"));
    table.changed(Follower::Shared, |_| panic!("nobody asked for it"));
    let now = at(MIDNIGHT + 25 * MINUTE);
    for (key, counted) in seen {
        restored.absorb(
            crate::limiter::counters::CounterClaim { limit: &limit, key },
            &counted,
            now,
        );
    }
    for caller in ["a", "b"] {
        assert_eq!(
            restored.look(claim(&limit, caller), now),
            table.look(claim(&limit, caller), now)
        );
    }
}

#[test]
fn names_of_counters_depend_on_every_part_and_on_the_secret() {
    let print = |parts: &[&str]| keys().fingerprint(parts.iter().map(|part| part.as_bytes()));
    assert_ne!(print(&["ab", "c"]), print(&["a", "bc"]));
    assert_ne!(print(&["a"]), print(&["a", ""]));
    let other = crate::limiter::key::KeySpace::from_bytes([8; 32]);
    assert_ne!(print(&["a"]), other.fingerprint([b"a".as_slice()]));
    let again = crate::limiter::key::KeySpace::from_bytes(keys().to_bytes());
    assert_eq!(print(&["a"]), again.fingerprint([b"a".as_slice()]));
    // a file that is read by a later version must find its counters
    assert_eq!(print(&["a"]).0, 64_687_024_122_613_658_248_164_781_681_771_285_277);
}

proptest! {
    /// No caller gets more than the quota, with a table that is much too small and swept at any
    /// time.
    #[test]
    fn no_caller_exceeds_its_quota_though_the_table_is_full(
        most in 1_usize..4,
        requests in prop::collection::vec((0_u64..20_000, 0_usize..6, any::<bool>()), 1..300),
    ) {
        let (table, limit) = (counters(most), limit("small", &[quota(3, seconds(60))], None));
        let (mut grants, mut now) = (vec![Vec::new(); 6], MIDNIGHT);
        for (step, caller, sweeps) in requests {
            now += step;
            if sweeps {
                sweep(&table, now);
            }
            prop_assert!(table.live() <= most);
            if table.admit(&[claim(&limit, &caller.to_string())], at(now)).is_ok() {
                grants[caller].push(now);
                let recent = grants[caller].iter().filter(|grant| **grant + MINUTE > now).count();
                prop_assert!(recent <= 3);
            }
        }
    }
}
