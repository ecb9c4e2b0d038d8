//! The cell of a sliding window against a plain map of sub-windows.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::MIDNIGHT;
use crate::limiter::sliding::{SUB_WINDOWS, SlidingCell, sub_window};

/// The counts of sub-windows by their numbers: those that still count.
#[derive(Debug, Default)]
struct NaiveCell {
    counts: BTreeMap<u64, u64>,
}

impl NaiveCell {
    fn forget(&mut self, current: u64) {
        self.counts.retain(|number, _| number + SUB_WINDOWS >= current);
    }

    fn add(&mut self, number: u64, amount: u64) {
        *self.counts.entry(number).or_default() += amount;
        self.counts.retain(|_, count| *count > 0);
    }

    /// Milliseconds until at most this many are left.
    fn until_at_most(&self, most: u64, now: u64, length: u64) -> u64 {
        let mut left: u64 = self.counts.values().sum();
        let mut wait = 0;
        for (number, count) in &self.counts {
            if left <= most {
                break;
            }
            left -= count;
            wait = ((number + SUB_WINDOWS + 1) * length).div_ceil(SUB_WINDOWS) - now;
        }
        wait
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Time goes on.
    Wait(u64),
    Add(u64),
    /// A count of another gateway, some sub-windows ago.
    Absorb(u64, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u64..20_000).prop_map(Step::Wait),
        (0_u64..10).prop_map(Step::Add),
        (0_u64..20, 0_u64..10).prop_map(|(age, amount)| Step::Absorb(age, amount)),
    ]
}

proptest! {
    #[test]
    fn a_cell_agrees_with_a_map_of_sub_windows(
        length in 1000_u64..100_000,
        most in 0_u64..50,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let (mut cell, mut naive, mut now) =
            (SlidingCell::<u32>::default(), NaiveCell::default(), MIDNIGHT);
        for step in steps {
            let current = sub_window(now, length);
            cell.advance(now, length);
            match step {
                Step::Wait(time) => now += time,
                Step::Add(amount) => {
                    cell.add(amount);
                    naive.add(current, amount);
                }
                Step::Absorb(age, amount) => {
                    cell.absorb(current - age, amount, length);
                    naive.add(current - age, amount);
                }
            }
            cell.advance(now, length);
            naive.forget(sub_window(now, length));
            let counted: Vec<_> = naive.counts.clone().into_iter().collect();
            let total: u64 = naive.counts.values().sum();
            prop_assert_eq!(cell.total(), total);
            prop_assert_eq!(cell.counted(length).collect::<Vec<_>>(), counted);
            prop_assert_eq!(
                cell.until_at_most(most, now, length),
                naive.until_at_most(most, now, length)
            );
            let first = naive.counts.first_key_value().map_or(0, |(_, count)| total - count);
            let leaves = if total == 0 { 0 } else { naive.until_at_most(first, now, length) };
            prop_assert_eq!(cell.until_first_leaves(now), leaves);
        }
    }
}
