//! A new connection to a backend: TCP, TLS, HTTP/1.1 or HTTP/2.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::forward::body::RequestBody;
use crate::forward::driver::Driver;
use crate::forward::failure::ForwardError;
use crate::model::backend::Http2;
use crate::snapshot::backend::{CompiledTarget, TargetTls};

/// Backends may answer with more headers than clients may send; far more is a fault.
const MOST_RESPONSE_HEADERS: usize = 256;
const MOST_RESPONSE_HEADER_BYTES: u32 = 256 * 1024;

/// What a stream, and a connection, of a backend may send before the client has taken it.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// HTTP/2 backends that do not answer a ping are gone.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// How often it is looked whether a backend's first settings have come, because the library tells nobody.
const SETTINGS_LOOK: Duration = Duration::from_millis(2);

/// An open connection that a task drives. Dropping it closes the connection at once.
#[derive(Debug)]
pub(super) struct Driven<S> {
    pub(super) sender: S,
    driver: AbortHandle,
}

impl<S> Drop for Driven<S> {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

pub(super) type Http2Connection = Driven<http2::SendRequest<RequestBody>>;

/// An open connection of HTTP/1.1, for one exchange after the other.
#[derive(Debug)]
pub(super) struct Http1Connection {
    sender: http1::SendRequest<RequestBody>,
    driver: Driver,
}

impl Http1Connection {
    /// What the exchange waits for; drives the connection meanwhile.
    pub(super) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        ask: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.driver.poll(context, ask)
    }

    pub(super) async fn send(
        &mut self,
        request: Box<Request<RequestBody>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        if !request.body().is_end_stream() {
            self.driver.run();
        }
        let Self { sender, driver } = self;
        let mut answer = pin!(sender.try_send_request(*request));
        poll_fn(|context| driver.poll(context, |context| answer.as_mut().poll(context))).await
    }

    /// Whether it takes another request now: nothing of the one before is still to be sent or read.
    pub(super) fn is_ready(&mut self) -> bool {
        self.is_open() && self.sender.is_ready()
    }

    /// Whether the backend has not closed it.
    pub(super) fn is_open(&mut self) -> bool {
        self.driver.look();
        !self.sender.is_closed()
    }

    /// The exchange is over; the connection may need one more turn to notice.
    pub(super) fn rest(&mut self) {
        self.driver.hold();
        if !self.sender.is_ready() {
            self.driver.turn();
        }
    }
}

#[derive(Debug)]
pub(super) enum Connected {
    Http1(Box<Http1Connection>),
    /// With the streams that the backend allows at the moment.
    Http2(Http2Connection, Rc<Cell<usize>>),
}

/// Connects to the first of these addresses that takes the connection, TLS handshake included.
pub(super) async fn connect(
    target: &CompiledTarget,
    addresses: impl Iterator<Item = SocketAddr>,
    upgrade: bool,
) -> Result<(SocketAddr, Connected), ForwardError> {
    let mut failure = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok((address, Box::pin(open(target, stream, upgrade)).await?)),
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(source) => Err(ForwardError::Refused { target: target.label.to_string(), source }),
        None => {
            Err(ForwardError::Unresolved { host: target.definition.host.clone(), source: None })
        }
    }
}

async fn open(
    target: &CompiledTarget,
    stream: TcpStream,
    upgrade: bool,
) -> Result<Connected, ForwardError> {
    let _ = stream.set_nodelay(true);
    let Some(TargetTls { config, server_name }) = &target.tls else {
        let io = TokioIo::new(stream);
        return if target.http2 == Http2::Always {
            http2(target, io, upgrade).await
        } else {
            http1(target, io, upgrade).await
        };
    };
    let mut connector = TlsConnector::from(Arc::clone(config));
    if upgrade && target.http2 != Http2::Always {
        // where there is a choice, what is upgraded is an HTTP/1.1 connection
        let mut config = (**config).clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        connector = TlsConnector::from(Arc::new(config));
    }
    let stream = connector.connect(server_name.clone(), stream).await;
    let stream =
        stream.map_err(|source| ForwardError::Tls { target: target.label.to_string(), source })?;
    let agreed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let io = TokioIo::new(stream);
    if agreed || target.http2 == Http2::Always {
        http2(target, io, upgrade).await
    } else {
        http1(target, io, upgrade).await
    }
}

fn http1<S>(
    target: &CompiledTarget,
    io: TokioIo<S>,
    upgrade: bool,
) -> impl Future<Output = Result<Connected, ForwardError>> + use<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let label = target.label.clone();
    async move {
        let handshake =
            http1::Builder::new().max_headers(MOST_RESPONSE_HEADERS).handshake(io).await;
        let (sender, connection) = handshake
            .map_err(|source| ForwardError::Protocol { target: label.to_string(), source })?;
        let mut driver = Driver::new(Box::pin(connection.with_upgrades()));
        if upgrade {
            // the exchange ends with the answer, and what follows it begins
            driver.run();
        }
        Ok(Connected::Http1(Box::new(Http1Connection { sender, driver })))
    }
}

fn http2<S>(
    target: &CompiledTarget,
    io: TokioIo<S>,
    upgrade: bool,
) -> impl Future<Output = Result<Connected, ForwardError>> + use<S>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let label = target.label.clone();
    async move {
        let mut builder = http2::Builder::new(LocalExecutor);
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MOST_RESPONSE_HEADER_BYTES)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT);
        if upgrade {
            // none before the backend's settings came: so their coming is seen
            builder.initial_max_send_streams(0);
        }
        let handshake = builder.handshake(io).await;
        let broken = |source| ForwardError::Protocol { target: label.to_string(), source };
        let (sender, mut connection) = handshake.map_err(broken)?;
        while upgrade && connection.current_max_send_streams() == 0 {
            // an end is an error here: nothing was asked yet
            if let Ok(ended) = timeout(SETTINGS_LOOK, &mut connection).await {
                ended.map_err(broken)?;
                return Err(ForwardError::Reset { target: label.to_string(), source: None });
            }
        }
        if upgrade && !connection.is_extended_connect_protocol_enabled() {
            return Err(ForwardError::NoUpgrade { target: label.to_string() });
        }
        let allowed = Rc::new(Cell::new(connection.current_max_send_streams()));
        let newest = Rc::clone(&allowed);
        let driver = spawn_local(async move {
            let ended = poll_fn(|context| {
                newest.set(connection.current_max_send_streams());
                Pin::new(&mut connection).poll(context)
            });
            if let Err(error) = ended.await {
                tracing::debug!(target: "portcullis::forward", backend = %label, %error, "connection ended");
            }
        });
        Ok(Connected::Http2(Driven { sender, driver: driver.abort_handle() }, allowed))
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
