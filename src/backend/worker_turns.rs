//! One worker's turns at a backend: the next target, and the rest of the retry budget.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::backend::group::TargetAddresses;

/// One worker's count of its requests to a backend, and its budget for retries.
#[derive(Debug, Default)]
pub struct Turns {
    count: Cell<usize>,
    /// Retries that are left, in thousandths.
    budget: Cell<u32>,
    /// The last request, in milliseconds.
    last: Cell<u64>,
    /// The addresses of the backend's names, as this worker resolved them last.
    resolved: RefCell<Option<Rc<TargetAddresses>>>,
}

impl Turns {
    /// Retries that may come at once, and that are there before the first request.
    const MOST_BUDGET: u32 = 100_000;
    const FIRST_BUDGET: u32 = 10_000;

    /// Takes the next turn. `budget` is the part of a retry that each request adds, in thousandths.
    /// Each second adds a whole one, so that a quiet API can retry too.
    pub fn next(&self, budget: u16, now: u64) -> usize {
        let count = self.count.get();
        if count == 0 {
            self.budget.set(Self::FIRST_BUDGET);
        }
        self.count.set(count.wrapping_add(1));
        let passed = u32::try_from(now.saturating_sub(self.last.replace(now))).unwrap_or(u32::MAX);
        let earned = if count == 0 {
            0
        } else {
            passed.min(Self::FIRST_BUDGET).saturating_add(u32::from(budget))
        };
        self.budget.set(self.budget.get().saturating_add(earned).min(Self::MOST_BUDGET));
        count
    }

    /// Returns the backend's addresses. `resolve` is called if the worker's count of changed names
    /// has changed.
    pub fn endpoints(
        &self,
        changes: u64,
        resolve: impl FnOnce() -> TargetAddresses,
    ) -> Rc<TargetAddresses> {
        let mut resolved = self.resolved.borrow_mut();
        match &*resolved {
            Some(endpoints) if endpoints.changes == changes => Rc::clone(endpoints),
            _ => Rc::clone(resolved.insert(Rc::new(resolve()))),
        }
    }

    /// Takes one retry from the budget. Returns false if it is used up.
    pub fn retry(&self) -> bool {
        let left = self.budget.get().checked_sub(1000);
        if let Some(left) = left {
            self.budget.set(left);
        }
        left.is_some()
    }
}
