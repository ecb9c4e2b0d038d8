//! Serves the connections of small HTTP/1.1 servers: the management listener, the control socket
//! and the servers of the demo.
//!
//! The data path has a server of its own, in `listen` and `proxy`.

use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

/// The longest time from accept to the end of a request head, and between requests.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause after a failed `accept`, so that a lack of file descriptors does not busy the core.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves one connection. When `stop` ends, the current request is still answered, as the last one.
pub async fn serve<S, A, F, B>(
    stream: S,
    stop: impl Future<Output = ()>,
    answer: A,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<B>>,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    let service = service_fn(move |request| {
        let answered = answer(request);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        served = serving.as_mut() => served,
        () = stop => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    }
}
