//! Runs the task of one HTTP/2 stream, and ends it when the client reads nothing of its answer.
//!
//! A client can give a stream no window and so hold a request, and a backend's connection, for as
//! long as it likes. The socket takes every byte in the meantime, and the other streams go on. So
//! each stream is watched by itself.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::spawn_local;

use crate::deadline::Deadline;
use crate::listen::local_worker::LocalWorker;
use crate::proxy::connection::{Connection, Handed};

/// Runs an HTTP/2 connection's streams on the worker's own thread.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    worker: Rc<LocalWorker>,
    connection: Rc<Connection>,
}

/// The least that a client must read in a second. The library takes a piece of a body whole and
/// sends it as the window allows, so a slower client stalls it.
const SLOWEST: usize = 1024;

impl Streams {
    pub(super) fn new(worker: &Rc<LocalWorker>, connection: &Rc<Connection>) -> Self {
        Self { worker: Rc::clone(worker), connection: Rc::clone(connection) }
    }

    /// Returns the deadline by which the client must have read this much of a body.
    fn patience(&self, bytes: usize) -> Deadline {
        let slowness = Duration::from_secs(bytes.div_ceil(SLOWEST) as u64);
        self.worker
            .deadlines()
            .after(self.worker.limits().body_stall_timeout.saturating_add(slowness))
    }
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, stream: F) {
        let streams = self.clone();
        // owned by the worker's runtime; a stream ends with its connection
        spawn_local(async move {
            let mut stream = pin!(stream);
            let mut stalled: Option<Deadline> = None;
            poll_fn(|context| {
                streams.connection.body_polled(Handed::Unchanged);
                if stream.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
                match streams.connection.handed() {
                    Handed::Unchanged => {}
                    Handed::Nothing => stalled = None,
                    Handed::Bytes(bytes) => stalled = Some(streams.patience(bytes)),
                }
                // dropping the stream's task resets the stream
                stalled.as_ref().map_or(Poll::Pending, |deadline| deadline.poll(context))
            })
            .await;
        });
    }
}
