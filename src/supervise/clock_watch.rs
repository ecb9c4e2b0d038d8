//! Notices a clock that jumps: it compares the time of day with the monotonic time, once a second.
//!
//! It only tells the operator. Caches, budgets and deadlines use monotonic time anyway, and tokens
//! are judged by the time of day as it is. After a jump back the revocations of the channel are
//! compared again: one that seemed long expired may count again.

use std::sync::Arc;
use std::time::Duration;

use crate::model::clock::{Clock, Moment};
use crate::revocation::Revocations;
use crate::telemetry::Metrics;

const EACH: Duration = Duration::from_secs(1);

/// Less than this is how clocks are kept right.
const JUMP_MILLISECONDS: i64 = 1000;

/// The longest time between two readings that belong together: beyond it, something else ran
/// between them.
const APART: Duration = Duration::from_millis(100);

/// One reading of both clocks, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClockReading {
    wall: u64,
    moment: Moment,
}

/// Watches from the first reading on, which is taken before the gateway serves.
pub(super) async fn watch(
    first: Option<ClockReading>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    revocations: Arc<Revocations>,
) {
    let mut last = first;
    loop {
        tokio::time::sleep(EACH).await;
        let now = read(&*clock);
        let (Some(before), Some(after)) = (last, now) else {
            last = now.or(last);
            continue;
        };
        last = now;
        let jump = jump(before, after);
        if jump.abs() < JUMP_MILLISECONDS {
            continue;
        }
        let forward = jump > 0;
        metrics.clock_jumped(forward);
        let (direction, seconds) = (if forward { "forward" } else { "back" }, jump.abs() / 1000);
        tracing::warn!(
            target: "portcullis::supervise",
            direction,
            seconds,
            "the system's clock jumped: tokens are judged by the new time; caches, limits and \
             revocations go on as if it had not; check the time synchronization of this machine",
        );
        if !forward {
            revocations.compare_channel();
        }
    }
}

/// Returns `None` if the reading took so long that its two times do not belong together.
pub(super) fn read(clock: &dyn Clock) -> Option<ClockReading> {
    let moment = clock.moment();
    let wall = clock.milliseconds();
    (clock.moment().since(moment) < APART).then_some(ClockReading { wall, moment })
}

/// Returns the milliseconds by which the time of day went further than the monotonic time.
fn jump(before: ClockReading, after: ClockReading) -> i64 {
    let passed = after.moment.since(before.moment).as_millis();
    let expected = before.wall.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX));
    i64::try_from(i128::from(after.wall) - i128::from(expected)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_what_the_time_of_day_went_too_far() {
        let before = ClockReading { wall: 1_000_000, moment: Moment(500) };
        let after = |wall| ClockReading { wall, moment: Moment(1500) };
        assert_eq!(jump(before, after(1_001_000)), 0);
        assert_eq!(jump(before, after(8_201_000)), 7_200_000);
        assert_eq!(jump(before, after(1000)), -1_000_000);
    }
}
