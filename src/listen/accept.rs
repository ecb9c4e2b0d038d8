//! Accepts connections on the worker that wakes first, for the least busy one to serve.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::listen::local_worker::{AcceptedConnection, LocalWorker, Registration};
use crate::listen::proxy_protocol::{self, Preamble};
use crate::listen::serve::{Protocol, serve};
use crate::listen::socket::{ListenerSettings, ListenerSocket};
use crate::listen::wire::Socket;
use crate::model::gateway::{Protocols, ProxyProtocol};
use crate::proxy::connection::{Connection, Transport};
use crate::telemetry::{RefusedConnection, TlsFailure};

/// The first bytes of HTTP/2 clients with prior knowledge (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The pause after running out of descriptors, instead of asking the kernel in a loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts for as long as the worker listens here. Owned by the worker, which ends it.
pub(super) async fn accept(
    worker: Rc<LocalWorker>,
    listener: Arc<ListenerSocket>,
    socket: TcpListener,
) {
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => admit(&worker, &listener, stream, peer),
            Err(error) if is_one_connection(&error) => {}
            Err(error) => {
                let reason = if is_exhaustion(&error) {
                    RefusedConnection::Descriptors
                } else {
                    RefusedConnection::AcceptFailed
                };
                listener.series.refused(worker.index(), reason);
                tracing::warn!(target: "portcullis::listen", listener = %listener.name, %error, "cannot accept; trying again shortly");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Errors that concern only the connection that was just about to be accepted.
fn is_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Tells whether the process or the system is out of file descriptors.
fn is_exhaustion(error: &io::Error) -> bool {
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
}

fn admit(
    worker: &Rc<LocalWorker>,
    listener: &Arc<ListenerSocket>,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let settings = listener.settings.load_full();
    let Some(descriptor) = worker.shared().descriptors().client() else {
        listener.series.refused(worker.index(), RefusedConnection::Descriptors);
        return;
    };
    let most = settings.definition.max_connections;
    let Some(place) = listener.admit(most, worker.index(), descriptor) else {
        listener.series.refused(worker.index(), RefusedConnection::Limit);
        return;
    };
    let arrival = match worker.hand_over(AcceptedConnection { stream, peer, place }) {
        Ok(()) => return,
        Err(arrival) => arrival,
    };
    take(worker, *arrival);
}

/// Serves a connection on this worker.
pub(super) fn take(worker: &Rc<LocalWorker>, arrival: AcceptedConnection) {
    let worker = Rc::clone(worker);
    // owned by the worker's runtime, and counted in its table of connections, which draining waits
    // for
    spawn_local(async move {
        let AcceptedConnection { stream, peer, mut place } = arrival;
        let settings = place.listener().settings.load_full();
        let _ = stream.set_nodelay(true);
        let transport = if settings.tls.is_some() { Transport::Tls } else { Transport::Plain };
        let listener = Arc::clone(place.listener());
        let connection =
            Rc::new(Connection::new(&listener.name, peer, transport, worker.deadlines().now()));
        let limit = worker.limits().header_timeout;
        if settings.definition.proxy_protocol == ProxyProtocol::Off && !place.claim(peer.ip()) {
            listener.series.refused(worker.index(), RefusedConnection::Address);
            return;
        }
        let mut registration = worker.register(&connection, place);
        // done with before the first request, and large: an idle connection has no part of it
        let opened = Box::pin(timeout(limit, async {
            let stream = introduce(&settings, stream, &connection, &mut registration).await?;
            open(&settings, stream, &connection).await
        }));
        match opened.await {
            Ok(Ok(Some((socket, first, protocol)))) => {
                serve(worker, connection, socket, first, protocol).await;
            }
            Ok(Err(NotOpened::Refused(reason))) => listener.series.refused(worker.index(), reason),
            Ok(Err(NotOpened::Failed(error))) => {
                if settings.tls.is_some() {
                    let closed = matches!(
                        error.kind(),
                        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
                    );
                    listener.series.tls_failed(
                        worker.index(),
                        if closed { TlsFailure::Closed } else { TlsFailure::Protocol },
                    );
                }
                tracing::debug!(target: "portcullis::listen", listener = %listener.name, %peer, %error, "handshake failed");
            }
            Err(_) if settings.tls.is_some() => {
                listener.series.tls_failed(worker.index(), TlsFailure::Timeout);
            }
            // the client left before it sent anything, or was silent for too long
            Ok(Ok(None)) | Err(_) => {}
        }
    });
}

/// A connection that failed before HTTP.
#[derive(Debug)]
enum NotOpened {
    Refused(RefusedConnection),
    Failed(io::Error),
}

impl From<io::Error> for NotOpened {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// Reads the balancer's PROXY header, if the listener accepts one, and nothing behind it.
async fn introduce(
    settings: &ListenerSettings,
    mut stream: TcpStream,
    connection: &Connection,
    registration: &mut Registration,
) -> Result<TcpStream, NotOpened> {
    /// The time between two looks at a header of which only a part has come.
    const LOOK_AGAIN: Duration = Duration::from_millis(5);
    let wanted = settings.definition.proxy_protocol;
    if wanted == ProxyProtocol::Off {
        return Ok(stream);
    }
    let refused = NotOpened::Refused(RefusedConnection::ProxyHeader);
    let mut bytes = vec![0; proxy_protocol::LONGEST];
    loop {
        let there = stream.peek(&mut bytes).await?;
        match proxy_protocol::read(bytes.get(..there).unwrap_or_default()) {
            Ok(Preamble::Incomplete) if there > 0 => sleep(LOOK_AGAIN).await,
            Ok(Preamble::Present { length, client }) => {
                stream.read_exact(bytes.get_mut(..length).unwrap_or_default()).await?;
                if let Some(client) = client {
                    connection.stands_for(client);
                }
                break;
            }
            Ok(Preamble::Absent) if wanted == ProxyProtocol::Optional => break,
            Ok(Preamble::Absent | Preamble::Incomplete) | Err(_) => return Err(refused),
        }
    }
    if registration.claim(connection.peer().ip()) {
        Ok(stream)
    } else {
        Err(NotOpened::Refused(RefusedConnection::Address))
    }
}

/// Makes the handshake, and finds out the version of HTTP; `None` if the client left before it sent
/// anything.
async fn open(
    settings: &ListenerSettings,
    stream: TcpStream,
    connection: &Connection,
) -> Result<Option<(Socket, bytes::Bytes, Protocol)>, NotOpened> {
    let Some(tls) = &settings.tls else {
        let mut stream = stream;
        return Ok(sniff(&mut stream, settings.protocols())
            .await?
            .map(|(first, protocol)| (Socket::Plain(stream), first, protocol)));
    };
    let stream = TlsAcceptor::from(Arc::clone(tls)).accept(stream).await?;
    let session = stream.get_ref().1;
    if let Some(certificate) = session.peer_certificates().and_then(<[_]>::first) {
        connection.proved(thumbprint(certificate));
    }
    let protocol = match (session.alpn_protocol(), settings.protocols()) {
        (Some(b"h2"), _) | (None, Protocols::Http2) => Protocol::Http2,
        _ => Protocol::Http1,
    };
    Ok(Some((Socket::Tls(Box::new(stream)), bytes::Bytes::new(), protocol)))
}

/// RFC 8705 section 3.1: the SHA-256 of the certificate's DER.
fn thumbprint(certificate: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    digest.as_ref().try_into().unwrap_or_default()
}

/// Tells HTTP/1 from HTTP/2 by the preface, where both are spoken.
async fn sniff(
    stream: &mut TcpStream,
    protocols: Protocols,
) -> io::Result<Option<(bytes::Bytes, Protocol)>> {
    match protocols {
        Protocols::Http1 => return Ok(Some((bytes::Bytes::new(), Protocol::Http1))),
        Protocols::Http2 => return Ok(Some((bytes::Bytes::new(), Protocol::Http2))),
        Protocols::Both => {}
    }
    let mut first = BytesMut::with_capacity(PREFACE.len());
    loop {
        if (&mut *stream)
            .take(PREFACE.len().saturating_sub(first.len()) as u64)
            .read_buf(&mut first)
            .await?
            == 0
        {
            return Ok(None);
        }
        let same = first.iter().zip(PREFACE).take_while(|(read, wanted)| read == wanted).count();
        if same < first.len() {
            return Ok(Some((first.freeze(), Protocol::Http1)));
        }
        if same == PREFACE.len() {
            return Ok(Some((first.freeze(), Protocol::Http2)));
        }
    }
}

/// Registers a listening socket with this worker's runtime.
pub(super) fn register(socket: std::net::TcpListener) -> io::Result<TcpListener> {
    TcpListener::from_std(socket)
}
