//! Budgets of many sources, with a clock set by hand.

use std::num::NonZeroU32;
use std::time::Duration;

use super::*;

fn client(address: &str) -> ClaimedClient {
    ClaimedClient::of(address.parse().unwrap())
}

fn rate(requests: u32) -> Rate {
    Rate { requests: NonZeroU32::new(requests).unwrap(), per: Duration::from_mins(1) }
}

fn at(seconds: u64) -> Moment {
    Moment(seconds * 1000)
}

#[test]
fn a_budget_is_used_up_and_comes_back() {
    let budgets = SourceBudgets::default();
    let (one, other, rate) = (client("192.0.2.1"), client("192.0.2.2"), rate(30));
    for number in 0..30 {
        assert_eq!(budgets.try_charge(one, rate, at(1000)), Ok(Charge::Budget), "{number}");
    }
    let exhausted = |retry_after| Err(Exhausted { retry_after });
    assert_eq!(budgets.check(one, rate, at(1000)), exhausted(2), "half a request a second");
    assert_eq!(budgets.check(other, rate, at(1000)), Ok(()));
    assert_eq!(budgets.check(one, rate, at(1001)), exhausted(1));
    assert_eq!(budgets.check(one, rate, at(1002)), Ok(()));
    let _ = budgets.charge(one, rate, at(1002));
    assert_eq!(budgets.check(one, rate, at(1002)), exhausted(2));
    assert_eq!(budgets.status(), BudgetStatus { known: 1, forgotten: 0, refused: 3 });
    budgets.forget_settled(at(1061));
    assert_eq!(budgets.status().known, 1);
    budgets.forget_settled(at(1062));
    assert_eq!(budgets.status().known, 0);
}

#[test]
fn a_refund_is_worth_one_request() {
    let (budgets, one, rate) = (SourceBudgets::default(), client("2001:db8::1"), rate(1));
    for _ in 0..100 {
        let charge = budgets.try_charge(one, rate, at(0)).unwrap();
        assert!(budgets.check(one, rate, at(0)).is_err());
        budgets.refund(one, charge, rate);
    }
}

#[test]
fn the_table_is_bounded_and_keeps_those_who_owe_most() {
    let (budgets, heavy, rate) = (SourceBudgets::default(), client("192.0.2.1"), rate(5));
    for _ in 0..5 {
        let _ = budgets.charge(heavy, rate, at(0));
    }
    for address in 0..100_000_u32 {
        let small =
            ClaimedClient { source: ClientSource::V4(0x0A00_0000 | address), claimed: None };
        let _ = budgets.charge(small, rate, at(0));
    }
    let most = (SHARDS * MOST_EACH) as u64;
    let status = budgets.status();
    assert_eq!((status.known, status.forgotten), (most, 100_001 - most));
    assert!(budgets.check(heavy, rate, at(0)).is_err(), "many small ones do not wash it away");
}

#[test]
fn neighbors_behind_an_address_that_nobody_listed_share_its_reserve() {
    let (budgets, address, rate) = (SourceBudgets::default(), client("192.0.2.1"), rate(40));
    let (forger, neighbor) = (address.claiming(b"203.0.113.66"), address.claiming(b"203.0.113.7"));
    let served = (0..100).filter(|_| budgets.try_charge(forger, rate, at(0)).is_ok()).count();
    assert_eq!(served, 40, "who has used the budget up does not get the reserve too");
    assert_eq!(budgets.check(address, rate, at(0)), Err(Exhausted { retry_after: 2 }));
    for _ in 0..100 {
        let charge = budgets.try_charge(neighbor, rate, at(0)).unwrap();
        assert_eq!(charge, Charge::Reserve);
        budgets.refund(neighbor, charge, rate);
    }
    let invented = (0..1000_u32).filter(|number| {
        let claiming = address.claiming(number.to_string().as_bytes());
        budgets.try_charge(claiming, rate, at(0)).is_ok()
    });
    assert_eq!(invented.count(), 10, "inventing clients is worth a quarter more");
}

#[test]
fn workers_whose_clocks_differ_by_a_tick_see_one_budget() {
    let (budgets, one, rate) = (SourceBudgets::default(), client("192.0.2.1"), rate(3));
    for now in [100, 50, 60] {
        assert_eq!(budgets.try_charge(one, rate, Moment(now)), Ok(Charge::Budget), "{now}");
    }
}
