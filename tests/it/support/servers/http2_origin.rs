//! [`Http2Origin`]: a backend of HTTP/2 by hand. Each connection is served by what the test says, frame by frame, with or
//! without TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis::demo::certificates;
use portcullis::supervise::clock::SystemClock;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::support::frames::{ACK, END_HEADERS, END_STREAM, frame, kind};

/// `:status: 200` of the static table (RFC 7541 appendix A).
pub(crate) const OK: [u8; 1] = [0x88];

/// `:status: 102`, as a literal whose name is in the static table.
pub(crate) const PROCESSING: [u8; 5] = [0x08, 3, b'1', b'0', b'2'];

pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;

pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A backend; it ends with this value.
pub(crate) struct Http2Origin {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

/// What came on a connection.
#[derive(Debug, Clone)]
pub(crate) struct Came {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Came {
    /// The last frame of its request.
    pub(crate) fn ends(&self) -> bool {
        matches!(self.kind, kind::DATA | kind::HEADERS) && self.flags & END_STREAM != 0
    }
}

/// One connection, after its preface.
pub(crate) struct Served {
    /// Counted from 0.
    pub(crate) number: usize,
    stream: Box<dyn Stream>,
}

impl Http2Origin {
    /// Serves each connection with `serve`; the settings are the first frame that the gateway sees.
    pub(crate) async fn start<F>(
        tls: Option<Arc<ServerConfig>>,
        settings: &[(u16, u32)],
        serve: impl Fn(Served) -> F + Send + Sync + 'static,
    ) -> Http2Origin
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let settings: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        let connections = Arc::new(AtomicUsize::new(0));
        let (mut tasks, count, serve) = (JoinSet::new(), Arc::clone(&connections), Arc::new(serve));
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let (tls, settings, serve) = (tls.clone(), settings.clone(), Arc::clone(&serve));
                open.spawn(async move {
                    let _ = tcp.set_nodelay(true);
                    let mut stream: Box<dyn Stream> = match tls {
                        None => Box::new(tcp),
                        Some(config) => match TlsAcceptor::from(config).accept(tcp).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => return,
                        },
                    };
                    let mut preface = [0; 24];
                    if stream.read_exact(&mut preface).await.is_err() {
                        return;
                    }
                    let mut served = Served { number, stream };
                    served.send(frame(kind::SETTINGS, 0, 0, &settings)).await;
                    serve(served).await;
                });
            }
        });
        Http2Origin { address, connections, _tasks: tasks }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Served {
    /// The next frame but those of settings, which are acknowledged as they should be. `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Came> {
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.ok()?;
            let [a, b, c, kind, flags, number @ ..] = head;
            let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes(number);
            match kind {
                kind::SETTINGS if flags & ACK == 0 => {
                    self.send(frame(kind::SETTINGS, ACK, 0, &[])).await;
                }
                kind::SETTINGS => {}
                // the connection's window never closes; a stream's may
                kind::DATA if length > 0 => {
                    let taken = u32::try_from(length).expect("a small frame").to_be_bytes();
                    self.send(frame(kind::WINDOW_UPDATE, 0, 0, &taken)).await;
                    return Some(Came { kind, flags, stream, payload });
                }
                kind::PING if flags & ACK == 0 => {
                    self.send(frame(kind::PING, ACK, 0, &payload)).await;
                    return Some(Came { kind, flags, stream, payload });
                }
                _ => return Some(Came { kind, flags, stream, payload }),
            }
        }
    }

    /// Lets more of a stream come.
    pub(crate) async fn takes(&mut self, came: &Came) {
        let taken = u32::try_from(came.payload.len()).expect("a small frame").to_be_bytes();
        if came.kind == kind::DATA && !came.payload.is_empty() && !came.ends() {
            self.send(frame(kind::WINDOW_UPDATE, 0, came.stream, &taken)).await;
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
        let _ = self.stream.flush().await;
    }

    /// 200 without a body.
    pub(crate) async fn answer(&mut self, stream: u32) {
        self.send(frame(kind::HEADERS, END_HEADERS | END_STREAM, stream, &OK)).await;
    }

    pub(crate) async fn reset(&mut self, stream: u32, code: u32) {
        self.send(frame(kind::RST_STREAM, 0, stream, &code.to_be_bytes())).await;
    }

    pub(crate) async fn go_away(&mut self, last: u32, code: u32, why: &str) {
        let payload = [&last.to_be_bytes()[..], &code.to_be_bytes(), why.as_bytes()].concat();
        self.send(frame(kind::GOAWAY, 0, 0, &payload)).await;
    }
}

/// A server's side of TLS that offers HTTP/2, and the path of its authority's certificate.
pub(crate) fn tls(folder: &std::path::Path) -> (Arc<ServerConfig>, String) {
    certificates::make(folder, &SystemClock).expect("certificates");
    let read = |name: &str| std::fs::read(folder.join(name)).expect("a file");
    let chain = CertificateDer::pem_slice_iter(&read("gateway.crt"))
        .collect::<Result<Vec<_>, _>>()
        .expect("certificates");
    let key = PrivateKeyDer::from_pem_slice(&read("gateway.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a pair");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (Arc::new(config), folder.join("dev-ca.crt").display().to_string())
}
