//! Estimates how far an issuer's clock is ahead of the gateway's, from the tokens that it verifies.
//!
//! No client uses a token before it was issued. So a token that was issued "in ten seconds" proves
//! that the issuer's clock is at least ten seconds ahead. A token that is ten seconds old proves
//! only that the clock is at most ten seconds behind. The largest lead of a while is the best
//! estimate: a lower bound that fresh tokens make sharp.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Two of these are remembered, so an estimate is forgotten after 5 to 10 minutes.
const WINDOW: Duration = Duration::from_mins(5);

/// A larger lead than a day is no drift, and is shown as a day.
const MOST_SECONDS: i64 = 24 * 3600;

/// The largest leads of this window and the one before. Each slot is the number of its window in
/// the upper half and the lead, moved above zero, in the lower: of two of them the larger is the
/// newer, or the one with the larger lead.
#[derive(Debug)]
pub(super) struct ClockLead {
    begun: Instant,
    slots: [AtomicU64; 2],
}

impl ClockLead {
    /// Notes that the issuer of a token, which was just verified, issued it so many seconds from
    /// now.
    pub(super) fn note(&self, seconds: i64) {
        self.note_at(self.begun.elapsed(), seconds);
    }

    /// Returns the largest lead of the last minutes, in seconds; `None` if no token was verified.
    pub(super) fn seconds(&self) -> Option<i64> {
        self.seconds_at(self.begun.elapsed())
    }

    fn note_at(&self, since_begun: Duration, seconds: i64) {
        let window = window(since_begun);
        let lead = seconds.clamp(-MOST_SECONDS, MOST_SECONDS).saturating_add(MOST_SECONDS);
        let noted = (window << 32) | lead.unsigned_abs();
        let [even, odd] = &self.slots;
        let slot = if window & 1 == 0 { even } else { odd };
        slot.fetch_max(noted, Ordering::Relaxed);
    }

    fn seconds_at(&self, since_begun: Duration) -> Option<i64> {
        let window = window(since_begun);
        let slots = self.slots.iter().map(|slot| slot.load(Ordering::Relaxed));
        let is_recent = |noted: &u64| *noted > 0 && (noted >> 32).abs_diff(window) <= 1;
        let recent = slots.filter(is_recent);
        let lead = recent.map(|noted| noted & u64::from(u32::MAX)).max()?;
        i64::try_from(lead).ok()?.checked_sub(MOST_SECONDS)
    }
}

impl Default for ClockLead {
    fn default() -> Self {
        Self { begun: Instant::now(), slots: [AtomicU64::new(0), AtomicU64::new(0)] }
    }
}

/// The number of a window. The first is 1: a slot of zero is empty.
fn window(since_begun: Duration) -> u64 {
    const MOST: u64 = (1 << 32) - 1;
    (since_begun.as_secs() / WINDOW.as_secs()).saturating_add(1).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn minutes(minutes: u64) -> Duration {
        Duration::from_mins(minutes)
    }

    #[test]
    fn the_largest_lead_is_kept_for_one_window_and_a_part() {
        let lead = ClockLead::default();
        assert_eq!(lead.seconds_at(minutes(0)), None);
        lead.note_at(minutes(1), -40);
        assert_eq!(lead.seconds_at(minutes(2)), Some(-40));
        lead.note_at(minutes(3), 12);
        lead.note_at(minutes(4), -3);
        assert_eq!(lead.seconds_at(minutes(4)), Some(12));
        // the window before still counts
        lead.note_at(minutes(6), -2);
        assert_eq!(lead.seconds_at(minutes(9)), Some(12));
        assert_eq!(lead.seconds_at(minutes(11)), Some(-2));
        // the slot of the first window is used again, by a smaller lead
        lead.note_at(minutes(12), -7);
        assert_eq!(lead.seconds_at(minutes(14)), Some(-2));
        assert_eq!(lead.seconds_at(minutes(16)), Some(-7));
        assert_eq!(lead.seconds_at(minutes(26)), None);
    }

    #[test]
    fn a_lead_beyond_a_day_is_a_day() {
        let lead = ClockLead::default();
        lead.note_at(minutes(0), i64::MIN);
        assert_eq!(lead.seconds_at(minutes(0)), Some(-MOST_SECONDS));
        lead.note_at(minutes(0), i64::MAX);
        assert_eq!(lead.seconds_at(minutes(0)), Some(MOST_SECONDS));
        // at the end of the scale nothing overflows
        lead.note_at(Duration::MAX, 5);
        assert_eq!(lead.seconds_at(Duration::MAX), Some(5));
    }
}
