//! The two times of the gateway, read in one place and passed in. Tokens are judged by the time of
//! day. Everything that the gateway remembers for a while is measured by the monotonic time.

use std::time::{Duration, Instant};

/// Expired entries are kept for this much longer if forgetting them does harm, because a clock may
/// be wrong for a while.
pub const MARGIN_SECONDS: u64 = 24 * 3600;

/// Seconds since 1970-01-01T00:00:00Z (RFC 7519 `NumericDate`, whole seconds).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct UnixSeconds(pub u64);

/// Milliseconds of monotonic time since the process started. Nobody can set this clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Moment(pub u64);

/// A source of the two times: the system's clocks in operation, a clock set by hand in tests.
pub trait Clock: Send + Sync + std::fmt::Debug {
    fn now(&self) -> UnixSeconds;

    /// Milliseconds since 1970, for logs.
    fn milliseconds(&self) -> u64 {
        self.now().0.saturating_mul(1000)
    }

    /// Returns the time before which expired entries are forgotten: a day ago.
    fn forget_before(&self) -> UnixSeconds {
        UnixSeconds(self.now().0.saturating_sub(MARGIN_SECONDS))
    }

    /// The monotonic time. A hand-set clock has one time for both.
    fn moment(&self) -> Moment {
        Moment(self.milliseconds())
    }

    /// Returns the monotonic time of an instant of a short while ago.
    fn moment_of(&self, _instant: Instant) -> Moment {
        Moment(self.milliseconds())
    }
}

impl Moment {
    /// Returns the moment this much later, or the end of the scale if that is earlier.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The time that passed since an earlier moment; zero since a later one.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}
