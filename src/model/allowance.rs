//! So many in a minute: what was used is forgiven evenly, and no more than a minute's worth is ever had at once.

use std::num::NonZeroU32;

use crate::model::clock::UnixSeconds;

/// A minute; and the parts that one use is counted in, so that each second forgives a whole number of them.
const SIXTIETHS: u64 = 60;

/// What was used and is not yet forgiven, as of a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Debt {
    sixtieths: u64,
    at: UnixSeconds,
}

impl Debt {
    /// What is left of it, in sixtieths of one use. A clock that goes back forgives nothing.
    pub fn left(self, in_a_minute: NonZeroU32, now: UnixSeconds) -> u64 {
        let passed = now.0.saturating_sub(self.at.0);
        self.sixtieths.saturating_sub(passed.saturating_mul(u64::from(in_a_minute.get())))
    }

    /// Seconds until one more is allowed; `None`: it is now.
    pub fn wait(self, in_a_minute: NonZeroU32, now: UnixSeconds) -> Option<u32> {
        let rate = u64::from(in_a_minute.get());
        let over = self
            .left(in_a_minute, now)
            .saturating_add(SIXTIETHS)
            .saturating_sub(rate.saturating_mul(SIXTIETHS));
        (over > 0).then(|| u32::try_from(over.div_ceil(rate)).unwrap_or(u32::MAX))
    }

    /// One more was used.
    pub fn add(&mut self, in_a_minute: NonZeroU32, now: UnixSeconds) {
        let most = u64::from(in_a_minute.get()).saturating_mul(SIXTIETHS);
        let sixtieths = self.left(in_a_minute, now).saturating_add(SIXTIETHS).min(most);
        *self = Self { sixtieths, at: now };
    }

    /// Whether so much time has passed that nothing is left, whatever was allowed.
    pub fn is_settled(self, now: UnixSeconds) -> bool {
        now.0.saturating_sub(self.at.0) > SIXTIETHS
    }
}
