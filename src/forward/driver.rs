//! Drives a backend's HTTP/1.1 connection: the library's connection does nothing unless it is
//! polled.
//!
//! The exchange that waits for an answer drives the connection itself. So a request is the work of
//! one task and not of two that wake each other. A request with a body is the exception. Its body
//! may have to be sent on while no one polls for more of the answer, because the client sends
//! everything before it reads. So a task of its own drives the connection for as long as the
//! exchange lasts. The driver never looks at the bytes of the connection.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::task::{AbortHandle, spawn_local};

pub(super) type Driving = Pin<Box<dyn Future<Output = hyper::Result<()>>>>;

/// The driver of one connection. Dropping it closes the connection at once, whatever is still being
/// sent on it: a backend that has answered and reads no further would otherwise hold the rest of
/// the client's body.
pub(super) struct Driver {
    mode: Mode,
    relay: Arc<Relay>,
    waker: Waker,
}

enum Mode {
    /// The task that waits for something on the connection drives it.
    Held(Driving),
    Task {
        driving: Rc<RefCell<Option<Driving>>>,
        task: AbortHandle,
    },
    /// The connection is closed.
    Ended,
}

impl Driver {
    pub(super) fn new(driving: Driving) -> Self {
        let relay = Arc::new(Relay::default());
        Self { mode: Mode::Held(driving), waker: Waker::from(Arc::clone(&relay)), relay }
    }

    /// Hands the connection to a task.
    pub(super) fn run(&mut self) {
        let driving = match std::mem::replace(&mut self.mode, Mode::Ended) {
            Mode::Held(driving) => Rc::new(RefCell::new(Some(driving))),
            other => {
                self.mode = other;
                return;
            }
        };
        let own = Rc::clone(&driving);
        // ends with its connection, or is aborted by the driver
        let task = spawn_local(poll_fn(move |context| {
            let mut own = own.borrow_mut();
            let ended =
                own.as_mut().is_none_or(|driving| driving.as_mut().poll(context).is_ready());
            if ended {
                *own = None;
                return Poll::Ready(());
            }
            Poll::Pending
        }));
        self.mode = Mode::Task { driving, task: task.abort_handle() };
    }

    /// Takes the connection back from its task at the end of an exchange.
    pub(super) fn hold(&mut self) {
        if let Mode::Task { driving, task } = &self.mode {
            task.abort();
            let driving = driving.borrow_mut().take();
            self.mode = driving.map_or(Mode::Ended, Mode::Held);
            // wakes of the task did not arrive here
            self.relay.state().stirred = true;
        }
    }

    /// Lets an idle connection notice its events.
    pub(super) fn look(&mut self) {
        if self.relay.state().stirred {
            self.turn();
        }
    }

    /// Polls once for a connection without a waiter.
    pub(super) fn turn(&mut self) {
        let Self { mode, relay, waker } = self;
        relay.close_ears();
        relay.state().stirred = false;
        drive(mode, &mut Context::from_waker(waker));
        if relay.open_ears(None) {
            relay.state().stirred = true;
        }
    }

    /// Polls, and drives the connection if there is no result yet.
    pub(super) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        mut ask: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let Self { mode, relay, waker } = self;
        if !matches!(mode, Mode::Held(_)) {
            return ask(context);
        }
        let own = &mut Context::from_waker(waker);
        relay.close_ears();
        let mut answer = ask(own);
        // the second turn handles wakes that the connection gives itself in the first
        for turn in 0..2 {
            let heard = relay.forget();
            if answer.is_ready() || (turn > 0 && !heard) {
                break;
            }
            relay.state().stirred = false;
            drive(mode, own);
            answer = ask(own);
        }
        let unheard = relay.open_ears(answer.is_pending().then(|| context.waker().clone()));
        if unheard && answer.is_pending() {
            context.waker().wake_by_ref();
        }
        answer
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Mode::Task { driving, task } = &self.mode {
            task.abort();
            *driving.borrow_mut() = None;
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            Mode::Held(_) => "held",
            Mode::Task { .. } => "task",
            Mode::Ended => "ended",
        };
        f.debug_struct("Driver").field("mode", &mode).finish_non_exhaustive()
    }
}

fn drive(mode: &mut Mode, context: &mut Context<'_>) {
    let Mode::Held(driving) = mode else { return };
    if let Poll::Ready(ended) = driving.as_mut().poll(context) {
        if let Err(error) = ended {
            tracing::debug!(target: "portcullis::forward", %error, "connection ended");
        }
        // the waiting exchange is told of the end
        *mode = Mode::Ended;
    }
}

/// Passes wakes of the connection on to the present waiter. It ignores wakes while the connection
/// is driven, because they mostly come from the driver's own work.
#[derive(Debug, Default)]
struct Relay(Mutex<Ears>);

#[derive(Debug, Default)]
struct Ears {
    closed: bool,
    /// A wake was ignored.
    missed: bool,
    /// A wake came without a waiter.
    stirred: bool,
    to: Option<Waker>,
}

impl Relay {
    fn state(&self) -> MutexGuard<'_, Ears> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close_ears(&self) {
        let mut ears = self.state();
        (ears.closed, ears.missed) = (true, false);
    }

    /// Tells whether something was missed so far, and forgets it.
    fn forget(&self) -> bool {
        std::mem::take(&mut self.state().missed)
    }

    /// Tells whether something was missed.
    fn open_ears(&self, to: Option<Waker>) -> bool {
        let mut ears = self.state();
        let before = std::mem::replace(&mut ears.to, to);
        ears.closed = false;
        let missed = ears.missed;
        drop(ears);
        drop(before);
        missed
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut ears = self.state();
        if ears.closed {
            ears.missed = true;
            return;
        }
        let to = ears.to.take();
        ears.stirred |= to.is_none();
        drop(ears);
        if let Some(to) = to {
            to.wake();
        }
    }
}

#[cfg(test)]
mod tests;
