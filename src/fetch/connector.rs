//! Opens the connection of a fetch: directly to the server, or through a proxy, with TLS over it if
//! the address requires it.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use crate::dial;
use crate::fetch::address::FetchUrl;
use crate::fetch::failure::FetchFailure;
use crate::fetch::foreign_reach;
use crate::fetch::proxy::Proxy;
use crate::fetch::recorder::Recorder;
use crate::fetch::trust::{self, RuledVerifier};
use crate::model::key_manager::Fetch;
use crate::model::network::NetworkRule;

/// A connection on which the request can be sent.
pub(super) type Connection = MaybeHttpsStream<TokioIo<TcpStream>>;

/// A connection that is being opened.
type Opening = Pin<Box<dyn Future<Output = Result<TokioIo<TcpStream>, FetchFailure>> + Send>>;

/// Opens a connection by the settings of a key manager.
pub(super) async fn connect(
    settings: &Fetch,
    url: &FetchUrl,
    proxy: Option<&Proxy>,
) -> Result<Connection, FetchFailure> {
    let mut way = TcpWay {
        proxy: proxy.cloned(),
        limit: settings.connect_timeout,
        networks: settings.networks.clone(),
    };
    if !url.is_https() {
        return way.call(url.uri().clone()).await.map(MaybeHttpsStream::Http);
    }
    let library = trust::verifier(settings.ca.as_ref())?;
    let recorder = Arc::new(RuledVerifier::new(library, Recorder::default()));
    let config = trust::client_config_with(
        Arc::clone(&recorder) as _,
        settings.client_certificate.as_ref(),
    )?;
    let mut connector: HttpsConnector<TcpWay> = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_only()
        .enable_http1()
        .wrap_connector(way);
    let connected = connector.call(url.uri().clone()).await;
    connected.map_err(|error| failure(settings, url, error, recorder.rule()))
}

/// Returns the end of the certificate that the server has shown, in seconds since 1970.
pub(super) fn certificate_until(connection: &Connection) -> Option<u64> {
    let MaybeHttpsStream::Https(stream) = connection else { return None };
    trust::valid_until(stream.inner().get_ref().1.peer_certificates()?)
}

/// Names the step that failed: the connector has one error for all of them.
fn failure(
    settings: &Fetch,
    url: &FetchUrl,
    error: Box<dyn Error + Send + Sync>,
    recorder: &Recorder,
) -> FetchFailure {
    let error = match error.downcast::<FetchFailure>() {
        Ok(failure) => return *failure,
        Err(error) => error,
    };
    match error.downcast::<io::Error>() {
        Ok(error) => FetchFailure::Tls {
            host: url.host().to_owned(),
            message: trust::explained(innermost(*error)).to_string(),
            presented: recorder.refused(),
            authorities: authorities(settings),
        },
        // no certificate can be for such a name
        Err(_) => FetchFailure::Address { url: url.to_string() },
    }
}

/// Returns the cause that the connector wrapped in an I/O error.
fn innermost(error: io::Error) -> io::Error {
    match error.downcast::<io::Error>() {
        Ok(inner) | Err(inner) => inner,
    }
}

fn authorities(settings: &Fetch) -> String {
    let system = format!("the system's {} authorities", trust::system_root_count());
    match &settings.ca {
        Some(ca) => format!("{system} and those in {}", ca.path.display()),
        None => format!("{system}; set ca to trust another"),
    }
}

/// The TCP connection below: to the server, to a proxy, or through a proxy's tunnel.
#[derive(Debug, Clone)]
struct TcpWay {
    proxy: Option<Proxy>,
    limit: Duration,
    networks: Option<NetworkRule>,
}

impl Service<Uri> for TcpWay {
    type Response = TokioIo<TcpStream>;
    type Error = FetchFailure;
    type Future = Opening;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), FetchFailure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, server: Uri) -> Opening {
        let Self { proxy, limit, networks } = self.clone();
        Box::pin(async move {
            let host = server.host().unwrap_or_default().to_owned();
            let opening = open(server, proxy, networks.as_ref());
            timeout(limit, opening)
                .await
                .map_err(|_| FetchFailure::Timeout { host, seconds: limit.as_secs().max(1) })?
        })
    }
}

async fn open(
    server: Uri,
    proxy: Option<Proxy>,
    networks: Option<&NetworkRule>,
) -> Result<TokioIo<TcpStream>, FetchFailure> {
    let Some(proxy) = proxy else { return dial_uri(&server, networks).await };
    // names are the proxy's to resolve, and to permit
    foreign_reach::check_literal(server.host().unwrap_or_default(), networks)?;
    if server.scheme_str() != Some("https") {
        return dial_uri(&proxy.uri, None).await;
    }
    let mut tunnel = Tunnel::new(proxy.uri.clone(), DialProxy);
    if let Some(authorization) = &proxy.authorization {
        tunnel = tunnel.with_auth(authorization.clone());
    }
    let host = server.host().unwrap_or_default().to_owned();
    tunnel.call(server).await.map_err(|error| FetchFailure::Proxy {
        proxy: proxy.name(),
        host,
        message: error.to_string(),
    })
}

/// Connects to the proxy, as directly to a server: every address has its attempt.
#[derive(Debug, Clone, Copy)]
struct DialProxy;

impl Service<Uri> for DialProxy {
    type Response = TokioIo<TcpStream>;
    type Error = FetchFailure;
    type Future = Opening;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), FetchFailure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, proxy: Uri) -> Opening {
        Box::pin(async move { dial_uri(&proxy, None).await })
    }
}

async fn dial_uri(
    uri: &Uri,
    networks: Option<&NetworkRule>,
) -> Result<TokioIo<TcpStream>, FetchFailure> {
    let default_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let port = uri.port_u16().unwrap_or(default_port);
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let addresses = foreign_reach::resolve(&host, port, networks).await?;
    let connected = dial::connect(&addresses).await;
    connected.map(TokioIo::new).map_err(|source| FetchFailure::Connect { host, source })
}
