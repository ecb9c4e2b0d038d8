//! The management listener's connections: few, short, and bounded like the others.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::management::answer::Management;
use crate::management::gate::Gate;

/// Scrapers and probes need few connections; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 64;
/// From accept to the end of a request's head, and between requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A whole connection; a reload of a million applications is the longest thing that happens on one.
const CONNECTION_TIMEOUT: Duration = Duration::from_mins(5);
/// The longest message that is taken.
const MOST_BODY: usize = 64 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until dropped.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    management: Arc<Management>,
    gate: Arc<Gate>,
) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            biased;
            () = gate.closed() => {
                gate.finish(&mut connections).await;
                gate.opened().await;
                continue;
            }
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                let caller =
                    Caller { peer, management: Arc::clone(&management), gate: Arc::clone(&gate) };
                let tls = tls.clone();
                connections.spawn(async move {
                    let _place = place;
                    let _ = timeout(CONNECTION_TIMEOUT, connection(stream, tls, caller)).await;
                });
            }
            Err(error) => {
                tracing::warn!(target: "portcullis::management", %error, "cannot accept; trying again shortly");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Who calls, and who answers.
struct Caller {
    peer: SocketAddr,
    management: Arc<Management>,
    gate: Arc<Gate>,
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

async fn connection(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    caller: Caller,
) -> io::Result<()> {
    match tls {
        None => http(stream, caller).await,
        Some(config) => {
            let stream = timeout(HEAD_TIMEOUT, TlsAcceptor::from(config).accept(stream)).await??;
            http(stream, caller).await
        }
    }
}

async fn http<S>(stream: S, caller: Caller) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let Caller { peer, management, gate } = caller;
    let service = service_fn(|request: Request<Incoming>| {
        let (management, gate) = (Arc::clone(&management), Arc::clone(&gate));
        async move {
            let (parts, body) = request.into_parts();
            let Ok(body) = Limited::new(body, MOST_BODY).collect().await else {
                let mut answer = Response::new(Full::new(Bytes::new()));
                *answer.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
                return Ok::<_, Infallible>(answer);
            };
            let _busy = gate.busy();
            Ok(management.answer(&parts, body.to_bytes(), peer.ip()).await)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = gate.closed() => {
            // the call that is here is answered, and it is the last one
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    served.map_err(io::Error::other)
}
