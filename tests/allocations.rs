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
