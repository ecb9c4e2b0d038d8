//! The real clocks: the only place that reads the system's time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::deadline;
use crate::model::clock::{Clock, Moment, UnixSeconds};

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

    fn moment(&self) -> Moment {
        deadline::moment()
    }
}
