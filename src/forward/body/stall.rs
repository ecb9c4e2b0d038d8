//! Watches a body for silence, by the worker's coarse clock.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::deadline::{Deadline, Deadlines, TICK, ticks};

/// The silence that a body may not exceed.
#[derive(Debug)]
pub(super) struct Stall {
    deadline: Deadline,
    after: Duration,
    waiting: bool,
}

impl Stall {
    pub(super) fn new(deadlines: &Rc<Deadlines>, after: Duration) -> Self {
        Self { deadline: deadlines.unset(), after, waiting: false }
    }

    /// Ready if no byte has moved for too long, in either direction. `moved` is the tick of the
    /// last byte. Time counts only while a reader waits: a peer that the gateway does not read from
    /// is not stalling.
    fn poll(&mut self, moved: &Cell<u64>, context: &Context<'_>) -> Poll<()> {
        if !self.waiting {
            self.waiting = true;
            self.deadline.set(self.after);
        }
        loop {
            ready!(self.deadline.poll(context));
            let quiet = self.deadline.now().saturating_sub(moved.get());
            let left = ticks(self.after).saturating_sub(quiet);
            if left == 0 {
                return Poll::Ready(());
            }
            self.deadline.set(TICK.saturating_mul(u32::try_from(left).unwrap_or(u32::MAX)));
        }
    }

    pub(super) fn moved(&mut self) {
        if self.waiting {
            self.waiting = false;
            self.deadline.clear();
        }
    }
}

/// Returns the time for which nothing moved, if that is too long.
pub(super) fn stalled(
    stall: &mut Option<Stall>,
    moved: &Cell<u64>,
    context: &Context<'_>,
) -> Option<Duration> {
    let stall = stall.as_mut()?;
    stall.poll(moved, context).is_ready().then_some(stall.after)
}
