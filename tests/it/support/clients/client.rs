//! Clients: [`Client`] speaks correct HTTP over hyper; [`RawConnection`] sends any bytes and reads what comes back.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::support::within;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Which HTTP is spoken; over TLS it is also the only protocol that ALPN offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// Trust in exactly the authorities of `ca_pem`.
pub(crate) fn trust(ca_pem: &str, protocol: Protocol) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(certificate.expect("a PEM certificate")).expect("a usable authority");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = match protocol {
        Protocol::Http1 => vec![b"http/1.1".to_vec()],
        Protocol::Http2 => vec![b"h2".to_vec()],
    };
    Arc::new(config)
}

/// A correct HTTP client: one connection per [`Client::send`], or a kept one from [`Client::connect`].
#[derive(Debug, Clone)]
pub(crate) struct Client {
    protocol: Protocol,
    tls: Option<Arc<ClientConfig>>,
}

impl Client {
    /// Plain TCP; HTTP/2 is then spoken with prior knowledge.
    pub(crate) fn plain(protocol: Protocol) -> Client {
        Client { protocol, tls: None }
    }

    /// TLS, showing this certificate.
    pub(crate) fn with_certificate(
        protocol: Protocol,
        ca_pem: &str,
        certificate_pem: &str,
        key_pem: &str,
    ) -> Client {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).expect("a PEM certificate"))
            .expect("a usable authority");
        let chain = vec![
            CertificateDer::from_pem_slice(certificate_pem.as_bytes()).expect("a PEM certificate"),
        ];
        let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).expect("a PEM key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS");
        let mut config = builder
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .expect("a pair");
        config.alpn_protocols = trust(ca_pem, protocol).alpn_protocols.clone();
        Client { protocol, tls: Some(Arc::new(config)) }
    }

    pub(crate) fn tls(protocol: Protocol, ca_pem: &str) -> Client {
        Client { protocol, tls: Some(trust(ca_pem, protocol)) }
    }

    /// Sends a request with an absolute address on a connection of its own.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> io::Result<Response<Bytes>> {
        self.connect(request.uri()).await?.send(request).await
    }

    pub(crate) async fn connect(&self, url: &Uri) -> io::Result<Connection> {
        let host = url.host().expect("an absolute address").to_owned();
        let port = url.port_u16().expect("an address with a port");
        let tcp = within("connect", TcpStream::connect((host.as_str(), port))).await?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some(config) => Box::new(handshake(config, &host, tcp).await?),
        };
        let mut driver = JoinSet::new();
        let sender = match self.protocol {
            Protocol::Http1 => {
                let (sender, connection) =
                    http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
                driver.spawn_on(connection, drivers());
                Sender::Http1(sender)
            }
            Protocol::Http2 => {
                let (sender, connection) =
                    http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                        .await
                        .map_err(io::Error::other)?;
                driver.spawn_on(connection, drivers());
                Sender::Http2(sender)
            }
        };
        Ok(Connection { sender, _driver: driver })
    }
}

/// Where clients' connections are driven: not where the tests run. A test that ends waits for its gateway to drain, and
/// the gateway waits until its clients have closed their side.
fn drivers() -> &'static Handle {
    static DRIVERS: LazyLock<Runtime> = LazyLock::new(|| {
        Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
    });
    DRIVERS.handle()
}

/// One open connection; dropping it closes it.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: Sender,
    _driver: JoinSet<hyper::Result<()>>,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    /// The whole answer, its trailers joined to its headers.
    pub(crate) async fn send(&mut self, request: Request<Bytes>) -> io::Result<Response<Bytes>> {
        let (mut head, body) = request.into_parts();
        let exchange = async {
            let response = match &mut self.sender {
                Sender::Http1(sender) => {
                    let authority = head.uri.authority().map(ToString::to_string);
                    if let (Some(authority), false) =
                        (authority, head.headers.contains_key(http::header::HOST))
                    {
                        head.headers.insert(
                            http::header::HOST,
                            authority.parse().map_err(io::Error::other)?,
                        );
                    }
                    let target =
                        head.uri.path_and_query().map_or("/", |target| target.as_str()).parse();
                    head.uri = target.map_err(io::Error::other)?;
                    sender.ready().await.map_err(io::Error::other)?;
                    sender.send_request(Request::from_parts(head, Full::new(body))).await
                }
                Sender::Http2(sender) => {
                    sender.ready().await.map_err(io::Error::other)?;
                    sender.send_request(Request::from_parts(head, Full::new(body))).await
                }
            };
            let (head, body) = response.map_err(io::Error::other)?.into_parts();
            let collected = body.collect().await.map_err(io::Error::other)?;
            let trailers = collected.trailers().cloned().unwrap_or_else(HeaderMap::new);
            let mut response = Response::from_parts(head, collected.to_bytes());
            response.headers_mut().extend(trailers);
            Ok(response)
        };
        within("an answer", exchange).await
    }
}

async fn handshake(
    config: &Arc<ClientConfig>,
    host: &str,
    tcp: TcpStream,
) -> io::Result<impl Stream + use<>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    within("a TLS handshake", TlsConnector::from(Arc::clone(config)).connect(name, tcp)).await
}

/// A connection for bytes that no HTTP library would send.
pub(crate) struct RawConnection {
    stream: Box<dyn Stream>,
    received: Vec<u8>,
}

/// One HTTP/1.1 response as it came.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    /// Status line and fields, verbatim, without the empty line.
    pub(crate) head: String,
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// The trailer section of a chunked body, verbatim.
    pub(crate) trailers: String,
    /// The body ended as its head said; false: the connection ended first.
    pub(crate) complete: bool,
}

impl RawAnswer {
    /// The first field of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

impl RawConnection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<RawConnection> {
        let tcp = within("connect", TcpStream::connect(address)).await?;
        tcp.set_nodelay(true)?;
        Ok(RawConnection { stream: Box::new(tcp), received: Vec::new() })
    }

    pub(crate) async fn open_tls(
        address: SocketAddr,
        host: &str,
        ca_pem: &str,
    ) -> io::Result<RawConnection> {
        let tcp = within("connect", TcpStream::connect(address)).await?;
        let stream = handshake(&trust(ca_pem, Protocol::Http1), host, tcp).await?;
        Ok(RawConnection { stream: Box::new(stream), received: Vec::new() })
    }

    /// These bytes and no others.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within("send", async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        })
        .await
    }

    /// Ends the sending half.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        within("shutdown", self.stream.shutdown()).await
    }

    /// Reads one response to a request other than HEAD; further bytes stay for the next call. `None`: the peer closed
    /// without a byte.
    pub(crate) async fn answer(&mut self) -> io::Result<Option<RawAnswer>> {
        within("a raw answer", self.read_answer()).await
    }

    /// Reads one response that has a head and nothing else: what HEAD is answered with.
    pub(crate) async fn head(&mut self) -> io::Result<String> {
        within("a raw head", async {
            let end = self.find(b"\r\n\r\n").await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            Ok(String::from_utf8_lossy(&self.take(end + 4)).into_owned())
        })
        .await
    }

    /// Whatever comes until the peer closes.
    pub(crate) async fn rest(&mut self) -> io::Result<Vec<u8>> {
        within("the end of the connection", async {
            while self.more().await? {}
            Ok(std::mem::take(&mut self.received))
        })
        .await
    }

    async fn read_answer(&mut self) -> io::Result<Option<RawAnswer>> {
        let Some(end) = self.find(b"\r\n\r\n").await? else {
            if self.received.is_empty() {
                return Ok(None);
            }
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the connection ended within a response head",
            ));
        };
        let head = String::from_utf8_lossy(&self.take(end + 4)[..end]).into_owned();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or_else(|| panic!("no status in {head:?}"));
        let mut answer =
            RawAnswer { status, body: Vec::new(), trailers: String::new(), complete: true, head };
        let without_body = status < 200 || status == 204 || status == 304;
        let length = answer
            .header("content-length")
            .map(|length| length.parse::<usize>().expect("a content-length in digits"));
        let chunked = answer
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        if without_body {
            return Ok(Some(answer));
        }
        if chunked {
            answer.complete = self.read_chunks(&mut answer).await?;
        } else if let Some(length) = length {
            while self.received.len() < length && self.more().await? {}
            answer.complete = self.received.len() >= length;
            answer.body = self.take(length);
        } else {
            while self.more().await? {}
            answer.body = std::mem::take(&mut self.received);
        }
        Ok(Some(answer))
    }

    async fn read_chunks(&mut self, answer: &mut RawAnswer) -> io::Result<bool> {
        loop {
            let Some(end) = self.find(b"\r\n").await? else { return Ok(false) };
            let line = String::from_utf8_lossy(&self.take(end + 2)[..end]).into_owned();
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default(), 16)
                .expect("a chunk size in hexadecimal");
            if size == 0 {
                return self.read_trailers(answer).await;
            }
            while self.received.len() < size + 2 && self.more().await? {}
            if self.received.len() < size + 2 {
                answer.body.append(&mut self.received);
                return Ok(false);
            }
            let mut chunk = self.take(size + 2);
            assert!(chunk.ends_with(b"\r\n"), "a chunk ends with CRLF");
            chunk.truncate(size);
            answer.body.extend(chunk);
        }
    }

    async fn read_trailers(&mut self, answer: &mut RawAnswer) -> io::Result<bool> {
        loop {
            let Some(end) = self.find(b"\r\n").await? else { return Ok(false) };
            let line = self.take(end + 2);
            if end == 0 {
                return Ok(true);
            }
            answer.trailers.push_str(&String::from_utf8_lossy(&line));
        }
    }

    async fn find(&mut self, pattern: &[u8]) -> io::Result<Option<usize>> {
        loop {
            if let Some(position) =
                self.received.windows(pattern.len()).position(|window| window == pattern)
            {
                return Ok(Some(position));
            }
            if !self.more().await? {
                return Ok(None);
            }
        }
    }

    /// False at the end of the connection, however it came.
    async fn more(&mut self) -> io::Result<bool> {
        match self.stream.read_buf(&mut self.received).await {
            Ok(read) => Ok(read > 0),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.received.split_off(count.min(self.received.len()));
        std::mem::replace(&mut self.received, rest)
    }
}
