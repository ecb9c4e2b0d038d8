//! The part of a quota that is left, to be compared with those of other quotas.

use crate::limiter::counter_claim::Tightest;

#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    /// The position of the quota in its limit.
    position: u8,
    left: u64,
    most: u64,
    /// Milliseconds until the part that was used first is available again.
    reset: u64,
}

impl Share {
    /// The share where there is no quota: every other one is below it.
    pub(super) const NONE: Self = Self { position: 0, left: u64::MAX, most: 0, reset: 0 };

    pub(super) fn new(position: u8, total: u64, most: u64, reset: u64) -> Self {
        Self { position, left: most.saturating_sub(total), most, reset }
    }

    pub(super) fn is_below(&self, other: &Self) -> bool {
        u128::from(self.left) * u128::from(other.most)
            < u128::from(other.left) * u128::from(self.most)
    }

    /// The share as one of a claim. `None`: there is no quota.
    pub(super) fn of_claim(self, claim: usize) -> Option<Tightest> {
        let Self { position, left, most, reset } = self;
        (most > 0).then_some(Tightest { claim, position, left, reset })
    }
}
