//! A circuit breaker: a server that fails again and again is left alone for a while.
//!
//! Decides whether a question may be asked now; never why one failed. After [`FAILURES`] failures
//! in a row questions are refused at once, so that requests do not wait for a server that does not
//! answer. Then one question at a time tries whether it does again. The time between two tries
//! doubles up to [`LONGEST`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::clock::Moment;
use crate::telemetry::IntrospectionCounters;

/// Failures in a row that open the breaker.
const FAILURES: u32 = 5;

/// The shortest and the longest pause.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Breaker {
    name: Box<str>,
    state: Mutex<BreakerState>,
    counters: Arc<IntrospectionCounters>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BreakerState {
    Closed {
        failures: u32,
    },
    /// No question is sent until then, and then a single one.
    Open {
        until: Moment,
        openings: u32,
        probing: bool,
    },
}

/// A permitted question. If its end is not reported, it counts for nothing.
#[derive(Debug)]
#[must_use]
pub(super) struct Attempt<'b> {
    breaker: &'b Breaker,
    probes: bool,
}

/// The breaker is open for this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BreakerOpen(pub(super) Duration);

impl Breaker {
    pub(super) fn new(key_manager: &str, counters: Arc<IntrospectionCounters>) -> Self {
        Self {
            name: key_manager.into(),
            state: Mutex::new(BreakerState::Closed { failures: 0 }),
            counters,
        }
    }

    pub(super) fn enter(&self, now: Moment) -> Result<Attempt<'_>, BreakerOpen> {
        let mut state = self.state();
        let probes = match &mut *state {
            BreakerState::Closed { .. } => false,
            BreakerState::Open { until, probing, .. } => {
                if *probing || now < *until {
                    self.counters.breaker_refused();
                    return Err(BreakerOpen(until.since(now).max(FIRST)));
                }
                *probing = true;
                true
            }
        };
        Ok(Attempt { breaker: self, probes })
    }

    fn state(&self) -> MutexGuard<'_, BreakerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt<'_> {
    /// Notes that the server answered, whatever the answer was.
    pub(super) fn succeeded(self) {
        let before =
            std::mem::replace(&mut *self.breaker.state(), BreakerState::Closed { failures: 0 });
        if let BreakerState::Open { .. } = before {
            let key_manager = &*self.breaker.name;
            self.breaker.counters.breaker(false);
            tracing::info!(
                target: "portcullis::introspect",
                key_manager,
                "the server answers again: tokens are asked about as usual",
            );
        }
    }

    /// The server did not answer, or is in trouble.
    pub(super) fn failed(self, now: Moment) {
        let mut state = self.breaker.state();
        let openings = match &mut *state {
            BreakerState::Closed { failures } => {
                *failures = failures.saturating_add(1);
                if *failures < FAILURES {
                    return;
                }
                0
            }
            BreakerState::Open { openings, .. } if self.probes => openings.saturating_add(1),
            // asked before the breaker opened
            BreakerState::Open { .. } => return,
        };
        let rest = FIRST.saturating_mul(1 << openings.min(16)).min(LONGEST);
        *state = BreakerState::Open { until: now.after(rest), openings, probing: false };
        drop(state);
        self.breaker.counters.breaker(true);
        if openings == 0 {
            let key_manager = &*self.breaker.name;
            tracing::warn!(
                target: "portcullis::introspect",
                key_manager,
                failures = FAILURES,
                "the server failed again and again: for a while questions about tokens are refused \
                 at once with 503, and one at a time tries whether it answers; check the server \
                 and \
                 `introspection_endpoint`",
            );
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.probes {
            return;
        }
        if let BreakerState::Open { probing, .. } = &mut *self.breaker.state() {
            *probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        Breaker::new("is", Arc::default())
    }

    fn fail(breaker: &Breaker, now: Moment) {
        breaker.enter(now).unwrap().failed(now);
    }

    #[test]
    fn failures_in_a_row_open_it_and_others_do_not() {
        let breaker = breaker();
        for _ in 0..3 {
            for _ in 0..FAILURES - 1 {
                fail(&breaker, Moment(0));
            }
            breaker.enter(Moment(0)).unwrap().succeeded();
        }
        for _ in 0..FAILURES {
            fail(&breaker, Moment(0));
        }
        assert_eq!(breaker.enter(Moment(0)).unwrap_err(), BreakerOpen(FIRST));
    }

    #[test]
    fn one_question_at_a_time_tries_and_the_rest_grows_to_its_bound() {
        let breaker = breaker();
        let mut now = Moment(0);
        for _ in 0..FAILURES {
            fail(&breaker, now);
        }
        for rest in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            assert!(breaker.enter(Moment(now.0 + rest - 1)).is_err(), "{rest}");
            now = Moment(now.0 + rest);
            let probe = breaker.enter(now).unwrap();
            assert!(breaker.enter(now).is_err(), "one at a time");
            drop(probe);
            fail(&breaker, now);
        }
        breaker.enter(Moment(now.0 + 30_000)).unwrap().succeeded();
        let (one, other) = (breaker.enter(now).unwrap(), breaker.enter(now).unwrap());
        one.failed(now);
        other.succeeded();
    }

    #[test]
    fn questions_from_before_it_opened_do_not_make_it_wait_longer() {
        let breaker = breaker();
        let late: Vec<_> = (0..64).map(|_| breaker.enter(Moment(0)).unwrap()).collect();
        for attempt in late {
            attempt.failed(Moment(0));
        }
        assert_eq!(breaker.enter(Moment(0)).unwrap_err(), BreakerOpen(FIRST));
    }
}
