//! The real clocks: the only place that reads the system's time of day.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::deadline;
use crate::model::clock::{Clock, MARGIN_SECONDS, Moment, UnixSeconds};

/// The system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the place that the rule points to")]
    fn now(&self) -> UnixSeconds {
        // before 1970 every token is not yet valid, which is the safe reading of a broken clock
        UnixSeconds(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }

    #[allow(clippy::disallowed_methods, reason = "this is the place that the rule points to")]
    fn milliseconds(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// A clock that is set forward, however far, makes no entry be forgotten early, because the
    /// time since the start counts.
    fn forget_before(&self) -> UnixSeconds {
        static BEGAN: OnceLock<(UnixSeconds, Moment)> = OnceLock::new();
        let (now, moment) = (self.now(), self.moment());
        let (began, at) = *BEGAN.get_or_init(|| (now, moment));
        let passed = began.0.saturating_add(moment.since(at).as_secs());
        UnixSeconds(now.0.min(passed).saturating_sub(MARGIN_SECONDS))
    }

    fn moment(&self) -> Moment {
        deadline::moment()
    }

    fn moment_of(&self, instant: Instant) -> Moment {
        deadline::moment_of(instant)
    }
}
