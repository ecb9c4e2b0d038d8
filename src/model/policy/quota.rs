//! Quotas and bursts: a number of units in a window of time.

use std::num::NonZeroU64;
use std::time::Duration;

/// The largest number that a quota may allow. Counters of requests have 32 bits in each sub-window.
pub const MOST_REQUESTS: u64 = 4_000_000_000;

/// The largest number of bytes, or of reported units, that a quota may allow: sums of them must not
/// overflow.
pub const MOST_UNITS: u64 = 1 << 60;

/// The shortest window: below it, the milliseconds of the clock are too coarse.
pub const SHORTEST_WINDOW: Duration = Duration::from_secs(1);

/// The longest window that slides.
pub const LONGEST_WINDOW: Duration = Duration::from_hours(24);

/// At most `most` of a unit in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quota {
    pub unit: QuotaUnit,
    pub most: NonZeroU64,
    pub window: Window,
}

/// The units that a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QuotaUnit {
    /// Requests, counted when they are let through.
    Requests,
    /// The bytes of both bodies, counted when they have passed.
    Bandwidth,
    /// A number that the backend reports in a header of its response.
    Events,
}

/// The window of time in which a quota holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// Any interval of this length, whenever it begins.
    Sliding(Duration),
    /// A day of the calendar, in UTC.
    Day,
    /// A month of the calendar, in UTC.
    Month,
}

/// At most `requests` at once, and as many again in each `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Burst {
    pub requests: NonZeroU64,
    pub per: Duration,
}

impl QuotaUnit {
    pub fn label(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Bandwidth => "bandwidth",
            Self::Events => "events",
        }
    }
}

impl Window {
    /// The length; a month counts as 31 days.
    pub fn length(self) -> Duration {
        const LONGEST_MONTH: u64 = 31 * 24;
        match self {
            Self::Sliding(length) => length,
            Self::Day => Duration::from_hours(24),
            Self::Month => Duration::from_hours(LONGEST_MONTH),
        }
    }
}
