//! Accepts the connections of the management listener; they are few, short and bounded.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Request;
use hyper::body::Incoming;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::http_server::{self, ACCEPT_PAUSE, HEAD_TIMEOUT};
use crate::management::answer::answer;
use crate::management::connections::{Activity, Connections, Seat};
use crate::management::gate::CallGate;
use crate::management::state::ManagementState;

/// The longest life of a connection: a reload of a million applications.
const CONNECTION_TIMEOUT: Duration = Duration::from_mins(5);

/// The certificate of the listener. A reload replaces it, and new connections use the new one.
pub type ManagementTls = Arc<ArcSwap<ServerConfig>>;

/// Serves until it is dropped.
pub async fn serve(
    listener: TcpListener,
    tls: Option<ManagementTls>,
    management: Arc<ManagementState>,
    gate: Arc<CallGate>,
) {
    let mut open = Connections::default();
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Some(seat) = open.seat() else {
            // every connection is busy: wait until one of them ends
            let _ = connections.join_next().await;
            continue;
        };
        let accepted = tokio::select! {
            biased;
            () = gate.closed() => {
                gate.finish(&mut connections).await;
                gate.opened().await;
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let activity = Arc::<Activity>::default();
                let caller = CallContext {
                    peer,
                    seat,
                    activity: Arc::clone(&activity),
                    management: Arc::clone(&management),
                    gate: Arc::clone(&gate),
                };
                let tls = tls.as_ref().map(|tls| tls.load_full());
                let task = connections.spawn(async move {
                    let _ = timeout(CONNECTION_TIMEOUT, connection(stream, tls, caller)).await;
                });
                open.add(peer.ip(), activity, task);
            }
            Err(error) => {
                tracing::warn!(
                    target: "portcullis::management",
                    %error,
                    "cannot accept; trying again shortly"
                );
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The caller of a connection, and the service that answers it.
struct CallContext {
    peer: SocketAddr,
    seat: Seat,
    activity: Arc<Activity>,
    management: Arc<ManagementState>,
    gate: Arc<CallGate>,
}

async fn connection(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    caller: CallContext,
) -> io::Result<()> {
    match tls {
        None => http(stream, caller).await,
        Some(config) => {
            let stream = timeout(HEAD_TIMEOUT, TlsAcceptor::from(config).accept(stream)).await??;
            http(stream, caller).await
        }
    }
}

async fn http<S>(stream: S, caller: CallContext) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let CallContext { peer, seat, activity, management, gate } = caller;
    let served = http_server::serve(stream, gate.closed(), |request: Request<Incoming>| {
        let (management, gate) = (Arc::clone(&management), Arc::clone(&gate));
        let activity = Arc::clone(&activity);
        async move {
            let (parts, body) = request.into_parts();
            let (_busy, _answering) = (gate.busy(), activity.answering());
            answer(&management, &parts, body, peer.ip(), seat).await
        }
    });
    served.await.map_err(io::Error::other)
}
