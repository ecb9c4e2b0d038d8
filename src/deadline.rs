//! Deadlines of one worker, kept by one coarse clock.
//!
//! A timer of the runtime costs an allocation and often a system call for each request; a deadline
//! here costs a place in a table that the worker's tick looks through. Deadlines fire up to two
//! ticks late and never early.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use slab::Slab;

use crate::model::clock::Moment;

/// The time between two ticks of a worker: the precision of every deadline.
pub const TICK: Duration = Duration::from_millis(50);

/// The monotonic time of the process, one scale for all threads.
pub fn moment() -> Moment {
    moment_of(Instant::now())
}

/// Returns the moment of an instant. The first request for one marks the beginning.
pub fn moment_of(instant: Instant) -> Moment {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    Moment::default().after(instant.saturating_duration_since(*BEGAN.get_or_init(|| instant)))
}

/// The deadlines of one worker.
#[derive(Debug, Default)]
pub struct Deadlines {
    now: Cell<u64>,
    entries: RefCell<Slab<DeadlineEntry>>,
}

#[derive(Debug)]
struct DeadlineEntry {
    /// The tick; `u64::MAX` stands for never.
    at: u64,
    waker: Option<Waker>,
}

/// One deadline; dropping it cancels it.
#[derive(Debug)]
pub struct Deadline {
    deadlines: Rc<Deadlines>,
    key: usize,
}

impl Deadlines {
    /// Ticks since the worker started.
    pub fn now(&self) -> u64 {
        self.now.get()
    }

    /// Moves the clock by the time that passed, and wakes tasks whose deadline has come.
    pub fn advance(&self, ticks: u64) {
        let now = self.now.get().saturating_add(ticks);
        self.now.set(now);
        let mut due = Vec::new();
        for (_, entry) in self.entries.borrow_mut().iter_mut() {
            if entry.at <= now
                && let Some(waker) = entry.waker.take()
            {
                due.push(waker);
            }
        }
        // woken tasks may come back here at once, so the table must not be held
        due.into_iter().for_each(Waker::wake);
    }

    /// A deadline that is not set yet.
    pub fn unset(self: &Rc<Self>) -> Deadline {
        let key = self.entries.borrow_mut().insert(DeadlineEntry { at: u64::MAX, waker: None });
        Deadline { deadlines: Rc::clone(self), key }
    }

    /// A deadline after this time.
    pub fn after(self: &Rc<Self>, time: Duration) -> Deadline {
        let deadline = self.unset();
        deadline.set(time);
        deadline
    }
}

impl Deadline {
    /// Starts the deadline, or starts it again.
    pub fn set(&self, time: Duration) {
        let at = self.deadlines.now.get().saturating_add(ticks(time)).saturating_add(1);
        if let Some(entry) = self.deadlines.entries.borrow_mut().get_mut(self.key) {
            entry.at = at;
        }
    }

    /// Returns the time of the worker's clock, in ticks.
    pub fn now(&self) -> u64 {
        self.deadlines.now()
    }

    /// Takes the deadline off the clock until it is set again.
    pub fn clear(&self) {
        if let Some(entry) = self.deadlines.entries.borrow_mut().get_mut(self.key) {
            entry.at = u64::MAX;
        }
    }

    /// Ready when the deadline has passed.
    pub fn poll(&self, context: &Context<'_>) -> Poll<()> {
        let mut entries = self.deadlines.entries.borrow_mut();
        let Some(entry) = entries.get_mut(self.key) else { return Poll::Pending };
        if entry.at <= self.deadlines.now.get() {
            return Poll::Ready(());
        }
        match &mut entry.waker {
            Some(waker) => waker.clone_from(context.waker()),
            empty => *empty = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.deadlines.entries.borrow_mut().try_remove(self.key);
    }
}

/// Returns whole ticks, rounded up.
pub fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_millis().div_ceil(TICK.as_millis())).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(deadline: &Deadline) -> Poll<()> {
        deadline.poll(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_deadline_passes_never_early_and_at_most_two_ticks_late() {
        let deadlines = Rc::new(Deadlines::default());
        let deadline = deadlines.after(Duration::from_millis(120));
        deadlines.advance(3);
        assert!(poll(&deadline).is_pending());
        deadlines.advance(1);
        assert!(poll(&deadline).is_ready());
        deadline.set(TICK);
        assert!(poll(&deadline).is_pending(), "set again");
        deadline.clear();
        deadlines.advance(1_000_000);
        assert!(poll(&deadline).is_pending(), "cleared");
    }

    #[test]
    fn a_dropped_deadline_leaves_no_entry() {
        let deadlines = Rc::new(Deadlines::default());
        drop(deadlines.after(TICK));
        assert!(deadlines.entries.borrow().is_empty());
    }
}
