//! One HTTP/2 connection to a backend: opening it, its number of streams, its end.
//!
//! The receive window of the connection is as large as the windows of all its streams together. A
//! client that reads nothing holds only the window of its own stream. So a connection holds at most
//! [`CONNECTION_WINDOW`] bytes of answers that clients have not taken.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::timeout;

use crate::backend::CompiledTarget;
use crate::forward::body::request::RequestBody;
use crate::forward::failure::ForwardError;
use crate::forward::observed::Observation;
use crate::inspected_stream::InspectedStream;

const MOST_RESPONSE_HEADER_BYTES: u32 = 256 * 1024;

/// Streams that one connection carries before another is opened, whatever the backend allows.
pub(super) const MOST_STREAMS: usize = 100;

/// The bytes that a backend may send on one stream before the client has read them.
const STREAM_WINDOW: u32 = 256 * 1024;

/// The same for a connection, 25 MiB: no number of streams uses it up.
const CONNECTION_WINDOW: u32 = 100 * STREAM_WINDOW;

/// A backend that does not answer a ping for this long is gone. The value of the gRPC libraries.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// The time between two looks for a backend's first settings, because the library does not report
/// them.
const SETTINGS_LOOK: Duration = Duration::from_millis(2);

/// An open connection that a task drives. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct Http2Connection {
    pub(super) sender: http2::SendRequest<RequestBody>,
    driver: AbortHandle,
    state: Rc<MultiplexedState>,
}

/// The state that the driver shares.
#[derive(Debug, Default)]
struct MultiplexedState {
    observation: Rc<Observation>,
    /// The streams that the backend allows; `None` before its settings came.
    allowed: Cell<Option<usize>>,
    /// Wakes requests that wait for a stream.
    waiting: RefCell<Option<Rc<Notify>>>,
}

impl MultiplexedState {
    fn allow(&self, streams: usize) {
        if self.allowed.replace(Some(streams)) != Some(streams) {
            self.tell();
        }
    }

    fn tell(&self) {
        if let Some(waiting) = &*self.waiting.borrow() {
            waiting.notify_waiters();
        }
    }
}

impl Http2Connection {
    /// Returns the number of streams that it may carry. Before the backend's settings it is one,
    /// because more could be refused.
    pub(super) fn capacity(&self) -> usize {
        self.state.allowed.get().map_or(1, |allowed| allowed.min(MOST_STREAMS))
    }

    /// Tells whether the backend has announced its number of streams.
    pub(super) fn is_settled(&self) -> bool {
        self.state.allowed.get().is_some()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub(super) fn observation(&self) -> &Observation {
        &self.state.observation
    }

    /// Registers a waiter, which is notified when the number of streams changes or the connection
    /// ends.
    pub(super) fn tells(&self, waiting: &Rc<Notify>) {
        *self.state.waiting.borrow_mut() = Some(Rc::clone(waiting));
    }
}

impl Drop for Http2Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Speaks HTTP/2 on a new connection. With `upgrade`, the backend must have invited extended
/// CONNECT.
pub(super) fn open<S>(
    target: &CompiledTarget,
    stream: S,
    upgrade: bool,
) -> impl Future<Output = Result<Http2Connection, ForwardError>> + use<S>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (label, ping_interval) = (target.label.clone(), target.ping_interval);
    async move {
        let state = Rc::new(MultiplexedState::default());
        let io = TokioIo::new(InspectedStream::new(stream, Rc::clone(&state.observation)));
        let mut builder = http2::Builder::new(LocalExecutor);
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MOST_RESPONSE_HEADER_BYTES)
            // servers end connections of clients that ping while nothing is under way
            .keep_alive_while_idle(false)
            .keep_alive_interval(ping_interval)
            .keep_alive_timeout(PING_TIMEOUT);
        if upgrade {
            // none before the backend's settings, so that their arrival is seen
            builder.initial_max_send_streams(0);
        }
        let broken = |source| ForwardError::Protocol { target: label.to_string(), source };
        let (sender, mut connection) = builder.handshake(io).await.map_err(broken)?;
        while upgrade && connection.current_max_send_streams() == 0 {
            // an end is an error here, since there was no request yet
            if let Ok(ended) = timeout(SETTINGS_LOOK, &mut connection).await {
                ended.map_err(broken)?;
                return Err(ForwardError::Reset { target: label.to_string(), source: None });
            }
        }
        if upgrade && !connection.is_extended_connect_protocol_enabled() {
            return Err(ForwardError::NoUpgrade { target: label.to_string() });
        }
        let own = Rc::clone(&state);
        // ends with its connection, or is aborted by its owner
        let driver = spawn_local(async move {
            let ended = poll_fn(|context| {
                own.observation.wakes(context.waker());
                let ended = Pin::new(&mut connection).poll(context);
                let settings = own.observation.take_settings();
                if ended.is_pending() && (settings || own.allowed.get().is_some()) {
                    own.allow(connection.current_max_send_streams());
                }
                ended
            });
            if let Err(error) = ended.await {
                tracing::debug!(target: "portcullis::forward", backend = %label, %error, "connection ended");
            }
            own.tell();
        });
        let driver = driver.abort_handle();
        Ok(Http2Connection { sender, driver, state })
    }
}

/// Runs an HTTP/2 connection's streams on the worker's own thread.
#[derive(Debug, Clone, Copy)]
struct LocalExecutor;

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, stream: F) {
        // owned by the worker's runtime; a stream ends with its connection
        spawn_local(stream);
    }
}
