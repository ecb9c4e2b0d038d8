//! A rate: a number of requests in a time.

use std::num::NonZeroU32;
use std::time::Duration;

/// At most `requests` at once, and as many again in each `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub requests: NonZeroU32,
    pub per: Duration,
}

impl Rate {
    pub fn a_minute(requests: NonZeroU32) -> Self {
        Self { requests, per: Duration::from_mins(1) }
    }

    /// The same time for a quarter of the requests, rounded up.
    #[must_use]
    pub fn quarter(self) -> Self {
        const PARTS: u32 = 4;
        let requests =
            NonZeroU32::new(self.requests.get().div_ceil(PARTS)).unwrap_or(NonZeroU32::MIN);
        Self { requests, per: self.per }
    }
}
