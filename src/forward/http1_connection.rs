//! One HTTP/1.1 connection to a backend, for one exchange after the other.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::backend::CompiledTarget;
use crate::forward::body::request::RequestBody;
use crate::forward::driver::Driver;
use crate::forward::failure::ForwardError;

/// Backends may answer with more headers than clients may send; far more is a fault.
const MOST_RESPONSE_HEADERS: usize = 256;

/// An open connection of HTTP/1.1, for one exchange after the other.
#[derive(Debug)]
pub(super) struct Http1Connection {
    sender: http1::SendRequest<RequestBody>,
    driver: Driver,
}

impl Http1Connection {
    /// Polls for the exchange, and drives the connection in the meantime.
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

    /// Tells whether it can take another request now: the one before is completely sent and read.
    pub(super) fn is_ready(&mut self) -> bool {
        self.is_open() && self.sender.is_ready()
    }

    /// Tells whether the backend has kept it open.
    pub(super) fn is_open(&mut self) -> bool {
        self.driver.look();
        !self.sender.is_closed()
    }

    /// Ends an exchange. The connection may need one more turn to notice.
    pub(super) fn rest(&mut self) {
        self.driver.hold();
        if !self.sender.is_ready() {
            self.driver.turn();
        }
    }
}

/// Speaks HTTP/1.1 on a new connection.
pub(super) fn open<S>(
    target: &CompiledTarget,
    stream: S,
    upgrade: bool,
) -> impl Future<Output = Result<Box<Http1Connection>, ForwardError>> + use<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let label = target.label.clone();
    async move {
        let handshake = http1::Builder::new()
            .max_headers(MOST_RESPONSE_HEADERS)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, connection) = handshake
            .map_err(|source| ForwardError::Protocol { target: label.to_string(), source })?;
        let mut driver = Driver::new(Box::pin(connection.with_upgrades()));
        if upgrade {
            // the exchange ends with the answer, and the next one can begin
            driver.run();
        }
        Ok(Box::new(Http1Connection { sender, driver }))
    }
}
