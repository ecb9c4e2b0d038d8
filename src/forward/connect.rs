//! A new connection to a backend: TCP, TLS, HTTP/1.1 or HTTP/2.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::forward::body::RequestBody;
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

/// An open connection of one kind. Dropping it closes the connection at once, whatever is still being sent on it: a
/// backend that has answered and reads no further would otherwise hold the rest of the client's body.
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

pub(super) type Http1Connection = Driven<http1::SendRequest<RequestBody>>;
pub(super) type Http2Connection = Driven<http2::SendRequest<RequestBody>>;

#[derive(Debug)]
pub(super) enum Connected {
    Http1(Http1Connection),
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
        None => Err(ForwardError::Unresolved { host: target.definition.host.clone(), source: None }),
    }
}

async fn open(target: &CompiledTarget, stream: TcpStream, upgrade: bool) -> Result<Connected, ForwardError> {
    let _ = stream.set_nodelay(true);
    let Some(TargetTls { config, server_name }) = &target.tls else {
        let io = TokioIo::new(stream);
        return if target.http2 == Http2::Always { http2(target, io, upgrade).await } else { http1(target, io).await };
    };
    let mut connector = TlsConnector::from(Arc::clone(config));
    if upgrade && target.http2 != Http2::Always {
        // where there is a choice, what is upgraded is an HTTP/1.1 connection
        let mut config = (**config).clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        connector = TlsConnector::from(Arc::new(config));
    }
    let stream = connector.connect(server_name.clone(), stream).await;
    let stream = stream.map_err(|source| ForwardError::Tls { target: target.label.to_string(), source })?;
    let agreed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let io = TokioIo::new(stream);
    if agreed || target.http2 == Http2::Always { http2(target, io, upgrade).await } else { http1(target, io).await }
}

fn http1<S>(target: &CompiledTarget, io: TokioIo<S>) -> impl Future<Output = Result<Connected, ForwardError>> + use<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let label = target.label.clone();
    async move {
        let handshake = http1::Builder::new().max_headers(MOST_RESPONSE_HEADERS).handshake(io).await;
        let (sender, connection) = handshake.map_err(|source| ForwardError::Protocol { target: label.to_string(), source })?;
        let driver = spawn_local(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(target: "portcullis::forward", backend = %label, %error, "connection ended");
            }
        });
        Ok(Connected::Http1(Driven { sender, driver: driver.abort_handle() }))
    }
}

fn http2<S>(target: &CompiledTarget, io: TokioIo<S>, upgrade: bool) -> impl Future<Output = Result<Connected, ForwardError>> + use<S>
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
