//! Chooses the moments at which a gateway looks into the store and reports to it.
//!
//! A change after a quiet time is looked for at once. Changes that follow each other closely are
//! put into force together, so that a thousand a second take little of the processors that serve
//! requests.

use std::future::pending;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A look comes so much of the interval early: to find a change and to put it into force takes
/// time too, and a lost notification delays a change by no more than the interval.
const EARLY: u32 = 10;

/// The time from one look to the next if others change the store all the time. Other gateways have
/// a change within a second, of which this is a tenth.
const NUDGED: Duration = Duration::from_millis(100);

/// The pause after a look, in the time that it took, before the next one for calls of this
/// gateway's API: looks take a fifth of a processor at most.
const REST: u32 = 4;

/// The longest such pause. A call is answered when its change is in force, which takes 50 ms at
/// most.
const LONGEST_REST: Duration = Duration::from_millis(20);

/// The time from one report to the next, each of which is a write.
const REPORTED: Duration = Duration::from_millis(100);

/// The times of looks and reports.
#[derive(Debug)]
pub(super) struct Pace {
    pub(super) poll_interval: Duration,
    /// The wait for it is given up for each call of the API, and goes on.
    next_look: Instant,
    /// No look for a nudge is earlier.
    nudged_from: Instant,
    /// No look for a call is earlier.
    called_from: Instant,
    next_report: Instant,
    /// A report that had to wait.
    report_waits: bool,
}

/// The work for which it is time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::supervise) enum Due {
    Look(Urgency),
    Report,
}

/// The priority of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::supervise) enum Urgency {
    /// A caller of the API waits for it.
    Waited,
    /// It is done behind the workers.
    Behind,
}

impl Pace {
    pub(super) fn new(poll_interval: Duration, now: Instant) -> Self {
        Self {
            poll_interval,
            next_look: now,
            nudged_from: now,
            called_from: now,
            next_report: now,
            report_waits: false,
        }
    }

    /// Waits until there is something to do. `called`: calls of the API wait for a look.
    pub(super) async fn due(&self, called: bool, nudged: impl Future<Output = ()>) -> Due {
        let nudge = async {
            // a nudge of the meantime is kept
            sleep_until(self.nudged_from).await;
            nudged.await;
        };
        let report = async {
            match self.report_at() {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        let call = async {
            if !called {
                pending::<()>().await;
            }
            sleep_until(self.called_from).await;
        };
        tokio::select! {
            biased;
            () = call => Due::Look(Urgency::Waited),
            () = nudge => Due::Look(Urgency::Behind),
            () = sleep_until(self.next_look) => Due::Look(Urgency::Behind),
            () = report => Due::Report,
        }
    }

    fn report_at(&self) -> Option<Instant> {
        self.report_waits.then_some(self.next_report)
    }

    /// Notes a look from `began` until now.
    pub(super) fn looked(&mut self, began: Instant, now: Instant) {
        let after = |pause: Duration| now.checked_add(pause).unwrap_or(now);
        let took = now.saturating_duration_since(began);
        self.next_look = after(self.poll_interval.saturating_sub(self.poll_interval / EARLY));
        self.called_from = after(took.saturating_mul(REST).min(LONGEST_REST));
        self.nudged_from = began.checked_add(NUDGED).unwrap_or(now).max(self.called_from);
    }

    /// Tells whether a report may be made now; one that may not is due later.
    pub(super) fn may_report(&mut self, now: Instant) -> bool {
        self.report_waits = now < self.next_report;
        if !self.report_waits {
            self.next_report = now.checked_add(REPORTED).unwrap_or(now);
        }
        !self.report_waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn millis(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    /// A pace, and the moment at which a look that took so long ended.
    fn looked(took: Duration) -> (Pace, Instant) {
        let began = Instant::now();
        let mut pace = Pace::new(SECOND, began);
        assert_eq!([pace.called_from, pace.nudged_from], [began; 2], "the first look is at once");
        pace.looked(began, began + took);
        (pace, began + took)
    }

    #[test]
    fn nudges_that_follow_each_other_are_followed_together() {
        let (pace, ended) = looked(millis(3));
        assert_eq!(pace.nudged_from, ended + millis(97), "ten looks in a second");
        let (pace, ended) = looked(millis(90));
        assert_eq!(pace.nudged_from, ended + LONGEST_REST, "slow looks leave time to others");
    }

    #[test]
    fn a_call_waits_for_a_multiple_of_the_last_look() {
        let (pace, ended) = looked(millis(1));
        assert_eq!(pace.called_from, ended + millis(4));
        let (pace, ended) = looked(SECOND);
        assert_eq!(pace.called_from, ended + LONGEST_REST, "however slow a look was");
    }

    #[test]
    fn without_a_nudge_a_look_comes_a_little_before_the_interval_ends() {
        let (pace, ended) = looked(millis(1));
        assert_eq!(pace.next_look, ended + millis(900));
    }

    #[test]
    fn the_last_of_many_reports_is_made_later_and_not_forgotten() {
        let (mut pace, ended) = looked(millis(1));
        assert!(pace.may_report(ended));
        assert_eq!(pace.report_at(), None);
        for later in [1, 2, 99] {
            assert!(!pace.may_report(ended + millis(later)));
            assert_eq!(pace.report_at(), Some(ended + REPORTED));
        }
        assert!(pace.may_report(ended + REPORTED));
        assert_eq!(pace.report_at(), None, "nothing is left to report");
    }

    #[tokio::test]
    async fn a_nudge_of_the_meantime_is_not_lost() {
        let notify = tokio::sync::Notify::new();
        let later = Instant::now() + SECOND * 1000;
        let mut pace = Pace::new(SECOND, later);
        notify.notify_one();
        // the wait is given up for other work, and begins again
        let due = pace.due(false, notify.notified());
        assert!(tokio::time::timeout(Duration::ZERO, due).await.is_err());
        pace.nudged_from = Instant::now();
        assert_eq!(pace.due(false, notify.notified()).await, Due::Look(Urgency::Behind));
        // a caller goes before a nudge
        pace.called_from = Instant::now() - SECOND;
        notify.notify_one();
        assert_eq!(pace.due(true, notify.notified()).await, Due::Look(Urgency::Waited));
    }
}
