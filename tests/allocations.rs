//! The decision on a token that was seen before allocates nothing.
#![cfg(test)]
#![allow(missing_debug_implementations, unreachable_pub, reason = "shared with a bench")]

#[path = "../benches/support/stage.rs"]
mod stage;

use crate::stage::Stage;

#[test]
fn a_known_token_is_decided_on_without_allocating() {
    let stage = Stage::new(100);
    assert!(stage.decide());
    let info = allocation_counter::measure(|| assert!(stage.decide()));
    assert_eq!(info.count_total, 0, "{info:?}");
}

#[test]
fn a_remembered_verdict_takes_what_the_setting_thinks_it_takes() {
    let stage = Stage::new(100);
    let info = allocation_counter::measure(|| assert!(stage.decide()));
    let (taken, reckoned) =
        (u64::try_from(info.bytes_current).expect("kept"), stage.remembered_bytes());
    assert!(
        reckoned >= taken && reckoned <= taken * 2,
        "{reckoned} reckoned, {taken} taken: {info:?}"
    );
}

/// Counters of four levels, as a request of a subscribed application has them.
mod counting {
    use std::num::NonZeroU64;
    use std::sync::Arc;
    use std::time::Duration;

    use portcullis::limiter::counters::{CounterClaim, Counters};
    use portcullis::limiter::key::KeySpace;
    use portcullis::limiter::limit::Limit;
    use portcullis::limiter::time::{CountingTime, TimeScale};
    use portcullis::model::policy::{Burst, ExcessRule, Quota, QuotaUnit, Window};

    pub const NOW: CountingTime =
        CountingTime { steady: 1_795_737_600_000, wall: 1_795_737_600_000 };

    pub fn table(most: usize) -> Counters {
        Counters::new(most, KeySpace::from_bytes([7; 32]), TimeScale::default())
    }

    pub fn limit(name: &str) -> Arc<Limit> {
        let most = NonZeroU64::new(1_000_000_000).unwrap();
        let window = Window::Sliding(Duration::from_hours(1));
        let quota = Quota { unit: QuotaUnit::Requests, most, window };
        let burst = Some(Burst { requests: most, per: Duration::from_secs(1) });
        Limit::new(KeySpace::from_bytes([7; 32]), &[name], [quota], burst, ExcessRule::Refuse)
    }

    pub fn claim<'l>(limit: &'l Arc<Limit>, caller: &[u8]) -> CounterClaim<'l> {
        let key = KeySpace::from_bytes([7; 32]).fingerprint([caller]);
        CounterClaim { limit, key: limit.base().of(key) }
    }
}

#[test]
fn counting_a_known_caller_on_all_levels_allocates_nothing() {
    let table = counting::table(10);
    let limits = ["operation", "subscription", "application", "custom"].map(counting::limit);
    let claims: Vec<_> = limits.iter().map(|limit| counting::claim(limit, b"caller")).collect();
    table.admit(&claims, counting::NOW).expect("room");
    let info = allocation_counter::measure(|| {
        table.admit(&claims, counting::NOW).expect("room");
    });
    assert_eq!(info.count_total, 0, "{info:?}");
}

#[test]
fn all_levels_with_what_the_client_is_told_allocate_nothing() {
    let stage = Stage::limited(100);
    let lent = stage.lend();
    let mut answer = http::HeaderMap::new();
    assert!(stage.admit(counting::NOW, &lent, &mut answer));
    // operation, subscription, application and custom policy, each with its burst
    let policies = answer["ratelimit-policy"].to_str().unwrap();
    let one = "\"most\";q=4000000000;w=60, \"most.burst\";q=4000000000;w=1";
    assert_eq!(policies, [one; 4].join(", "));
    assert!(answer["ratelimit"].to_str().unwrap().starts_with("\"most\";r=3999999999;t="));
    let info = allocation_counter::measure(|| {
        for _ in 0..1000 {
            answer.clear();
            assert!(stage.admit(counting::NOW, &lent, &mut answer));
        }
    });
    assert_eq!(info.count_total, 0, "{info:?}");
    assert!(answer["ratelimit"].to_str().unwrap().starts_with("\"most\";r=3999998999;t="));
}

#[test]
fn a_million_counters_take_less_than_192_mib() {
    const COUNTERS: u32 = 1_000_000;
    let limit = counting::limit("application");
    let info = allocation_counter::measure(|| {
        let table = counting::table(COUNTERS as usize);
        for caller in 0..COUNTERS {
            let claim = counting::claim(&limit, &caller.to_le_bytes());
            table.admit(&[claim], counting::NOW).expect("room");
        }
        assert_eq!(table.live(), COUNTERS as usize);
        std::mem::forget(table);
    });
    let mib = info.bytes_current / (1024 * 1024);
    assert!((100..192).contains(&mib), "{mib} MiB");
    println!("{mib} MiB");
}
