//! The two times that counters know.

use crate::model::clock::Moment;

/// A request's time, read once for all its counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountingTime {
    /// Milliseconds that only go forward. Sliding windows and bursts are measured by them, because
    /// nobody can set this clock.
    pub steady: u64,
    /// Milliseconds since 1970 of the wall clock. Calendar windows are found by them.
    pub wall: u64,
}

/// The two clocks, as they were read when a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArrivalTime {
    pub moment: Moment,
    /// Milliseconds since 1970.
    pub wall: u64,
}

/// The start of the steady scale. It begins at the wall clock's time, so that a count can be
/// written to a file, or compared with another gateway's.
#[derive(Debug, Clone, Copy, Default)]
pub struct TimeScale {
    offset: u64,
}

impl TimeScale {
    /// Ties the monotonic time to the wall clock, once for the process.
    pub fn begin(moment: Moment, wall: u64) -> Self {
        Self { offset: wall.saturating_sub(moment.0) }
    }

    pub fn at(self, moment: Moment, wall: u64) -> CountingTime {
        CountingTime { steady: moment.0.saturating_add(self.offset), wall }
    }
}
