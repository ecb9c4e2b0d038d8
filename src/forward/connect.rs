//! A new connection to a backend: TCP, TLS, HTTP/1.1 or HTTP/2.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::backend::{CompiledTarget, TargetTls};
use crate::fetch::trust;
use crate::forward::body::RequestBody;
use crate::forward::counted::CountedStream;
use crate::forward::driver::Driver;
use crate::forward::failure::ForwardError;
use crate::forward::multiplexed::{self, Http2Connection};
use crate::model::backend::Http2;

/// Backends may answer with more headers than clients may send; far more is a fault.
const MOST_RESPONSE_HEADERS: usize = 256;

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
    Http2(Http2Connection),
}

/// Makes a new connection one that requests can be sent on: TLS, and the protocol that was agreed.
pub(super) async fn open(
    target: &CompiledTarget,
    stream: CountedStream,
    upgrade: bool,
) -> Result<Connected, ForwardError> {
    let Some(TargetTls { config, server_name }) = &target.tls else {
        return if target.http2 == Http2::Always {
            multiplexed::open(target, stream, upgrade).await
        } else {
            http1(target, TokioIo::new(stream), upgrade).await
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
    let stream = stream.map_err(|source| tls_failed(target, source))?;
    let agreed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    if agreed || target.http2 == Http2::Always {
        multiplexed::open(target, stream, upgrade).await
    } else {
        http1(target, TokioIo::new(stream), upgrade).await
    }
}

fn tls_failed(target: &CompiledTarget, source: std::io::Error) -> ForwardError {
    ForwardError::Tls { target: target.label.to_string(), source: trust::explained(source) }
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
