//! Speaks HTTP on one connection, from the first request to a clean end.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::listen::http1_framing::Violation;
use crate::listen::local_worker::LocalWorker;
use crate::listen::stream::Streams;
use crate::listen::wire::{Socket, Wire};
use crate::model::gateway::ClientLimits;
use crate::model::reason::Reason;
use crate::proxy;
use crate::proxy::connection::{Connection, ConnectionClosing, InFlight};
use crate::proxy::service::RequestHandling;

/// The version of HTTP that a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Streams that a client has reset and that are not cleaned up yet, before the connection is ended
/// (rapid reset).
const MOST_PENDING_RESETS: usize = 20;

/// The time between pings to an HTTP/2 peer; one that does not answer is gone.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that a stream, and a connection, may send before we have passed them on.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const SEND_BUFFER: usize = 64 * 1024;

/// The smallest buffer that the HTTP/1 parser accepts.
const SMALLEST_BUFFER: usize = 8192;

/// The time after the last sent byte for which further bytes of the client are read and dropped.
/// Without it, closing could destroy a response that is still on its way.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: u64 = 16 * 1024 * 1024;

/// Serves until the connection ends. Dropping the future closes it.
pub(super) async fn serve(
    worker: Rc<LocalWorker>,
    connection: Rc<Connection>,
    socket: Socket,
    first: Bytes,
    protocol: Protocol,
) {
    match protocol {
        Protocol::Http1 => serve_http1(&worker, &connection, socket, first).await,
        Protocol::Http2 => serve_http2(&worker, &connection, socket, first).await,
    }
}

/// Answers the requests of a connection.
fn answering(
    worker: &Rc<LocalWorker>,
    connection: &Rc<Connection>,
) -> impl Fn(Request<Incoming>) -> RequestHandling + Clone + use<> {
    let (worker, connection) = (Rc::clone(worker), Rc::clone(connection));
    move |request| {
        let shared = worker.shared();
        // from now on, and not from the first poll: the connection must know at once that it owes
        // an answer
        let in_flight = InFlight::begin(&connection, worker.deadlines(), shared.idle());
        proxy::service::handle(Rc::clone(shared), in_flight, request)
    }
}

async fn serve_http1(
    worker: &Rc<LocalWorker>,
    connection: &Rc<Connection>,
    socket: Socket,
    first: Bytes,
) {
    let mut wire = Wire::http1(socket, first, Rc::clone(connection), Rc::clone(worker.deadlines()));
    let service = service_fn(answering(worker, connection));
    let mut introduced = false;
    let unread = loop {
        let mut http =
            http1_builder(&worker.limits()).serve_connection(TokioIo::new(wire), service.clone());
        let mut told = ConnectionClosing::No;
        let pause = poll_fn(|context| {
            if !std::mem::replace(&mut introduced, true) {
                connection.interim().wakes(context.waker());
            }
            let closing = connection.poll_closing(context);
            if closing == ConnectionClosing::Now {
                return Poll::Ready(Pause::Cut);
            }
            if closing > told {
                told = closing;
                Pin::new(&mut http).graceful_shutdown();
            }
            match Pin::new(&mut http).poll(context) {
                Poll::Ready(_) => Poll::Ready(Pause::Ended),
                Poll::Pending if closing == ConnectionClosing::No && connection.goes_to_rest() => {
                    Poll::Ready(Pause::Rest)
                }
                Poll::Pending => Poll::Pending,
            }
        });
        let pause = pause.await;
        let http1::Parts { io, read_buf, .. } = http.into_parts();
        wire = io.into_inner();
        match pause {
            Pause::Cut => return,
            Pause::Ended => break read_buf,
            Pause::Rest => {
                wire.give_back(&read_buf);
                drop(read_buf);
            }
        }
        match poll_fn(|context| rest(connection, &wire, context)).await {
            ConnectionClosing::Now => return,
            ConnectionClosing::Gracefully => break Bytes::new(),
            ConnectionClosing::No => {}
        }
    };
    if let Some(continuation) = connection.take_continuation() {
        Box::pin(continuation.run(Box::new(wire.into_socket()), unread)).await;
        return;
    }
    end(worker, connection, wire).await;
}

/// Ends a connection: refuses bytes that never became a request, and waits until the client has
/// read the response.
async fn end(worker: &Rc<LocalWorker>, connection: &Rc<Connection>, wire: Wire) {
    let refused = refusal(&wire, worker.limits().max_header_bytes);
    let mut socket = wire.into_socket();
    if let Some((reason, message)) = refused {
        Box::pin(refuse(worker, connection, &mut socket, reason, message)).await;
    }
    let _ = Box::pin(timeout(LINGER, linger(&mut socket))).await;
}

/// The reason for which the HTTP library lets go of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    Cut,
    Ended,
    /// The client has sent nothing for a while. The library's buffers, most of a connection's
    /// memory, are given up until it does.
    Rest,
}

/// Ready when there are bytes to read, or the connection must close.
fn rest(
    connection: &Connection,
    wire: &Wire,
    context: &mut Context<'_>,
) -> Poll<ConnectionClosing> {
    match connection.poll_closing(context) {
        ConnectionClosing::No => wire.poll_readable(context).map(|()| ConnectionClosing::No),
        closing => Poll::Ready(closing),
    }
}

fn http1_builder(limits: &ClientLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .half_close(false)
        .header_read_timeout(None)
        .max_headers(limits.max_headers)
        .max_header_size(limits.max_header_bytes)
        .max_buf_size(limits.max_header_bytes.max(SMALLEST_BUFFER));
    builder
}

/// Finds the reason for which bytes were refused that never became a request, by the framing or by
/// the parser.
fn refusal(wire: &Wire, max_header_bytes: usize) -> Option<(Reason, String)> {
    if let Some(violation) = wire.violation() {
        let reason = match violation {
            Violation::Version => Reason::VersionRefused,
            _ => Reason::InvalidRequest,
        };
        return Some((reason, violation.to_string()));
    }
    match wire.swallowed()? {
        // the target is most of the head
        414 | 431 if wire.request_line() > max_header_bytes / 2 => Some((
            Reason::TargetTooLong,
            "the request target is longer than `max_header_bytes` allows".to_owned(),
        )),
        414 | 431 => Some((
            Reason::HeadTooLarge,
            "the request's head is larger than the limits allow".to_owned(),
        )),
        _ => Some((Reason::InvalidRequest, "the request's head is not HTTP".to_owned())),
    }
}

async fn refuse(
    worker: &Rc<LocalWorker>,
    connection: &Rc<Connection>,
    socket: &mut Socket,
    reason: Reason,
    message: String,
) {
    tracing::debug!(target: "portcullis::listen", listener = %connection.listener, peer = %connection.peer(), message, "request refused");
    let answer = proxy::local_reply::refuse_bytes(worker.shared(), connection, reason, message);
    let _ = timeout(LINGER, socket.write_all(&answer)).await;
}

async fn linger(socket: &mut Socket) {
    if socket.shutdown().await.is_ok() {
        let _ = tokio::io::copy(&mut socket.take(LINGER_BYTES), &mut tokio::io::sink()).await;
    }
}

async fn serve_http2(
    worker: &Rc<LocalWorker>,
    connection: &Rc<Connection>,
    socket: Socket,
    first: Bytes,
) {
    connection.is_multiplexed();
    let limits = worker.limits();
    let wire = Wire::http2(socket, first, Rc::clone(connection), Rc::clone(worker.deadlines()));
    let service = service_fn(answering(worker, connection));
    let mut builder = http2::Builder::new(Streams::new(worker, connection));
    builder
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(limits.max_streams)
        .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(MOST_PENDING_RESETS)
        .max_local_error_reset_streams(MOST_PENDING_RESETS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    let mut http = std::pin::pin!(builder.serve_connection(TokioIo::new(wire), service));
    let mut told = ConnectionClosing::No;
    let ended = poll_fn(|context| {
        let closing = connection.poll_closing(context);
        if closing == ConnectionClosing::Now {
            return Poll::Ready(Ok(()));
        }
        if closing > told {
            told = closing;
            http.as_mut().graceful_shutdown();
        }
        http.as_mut().poll(context)
    })
    .await;
    if let Err(error) = ended {
        tracing::debug!(target: "portcullis::listen", peer = %connection.peer(), %error, "HTTP/2 connection ended");
    }
}
