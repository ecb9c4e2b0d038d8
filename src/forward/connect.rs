//! A new connection to a backend: name, TCP, TLS, HTTP/1.1.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::forward::body::RequestBody;
use crate::forward::failure::ForwardError;
use crate::snapshot::backend::{CompiledTarget, TargetTls};

/// Backends may answer with more headers than clients may send; far more is a fault.
const MOST_RESPONSE_HEADERS: usize = 256;

/// An open connection. Dropping it closes the connection at once, whatever is still being sent on it: a backend that has
/// answered and reads no further would otherwise hold the rest of the client's body.
#[derive(Debug)]
pub(super) struct BackendConnection {
    pub(super) sender: SendRequest<RequestBody>,
    driver: AbortHandle,
}

impl Drop for BackendConnection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Connects within `limit`, TLS handshake included.
pub(super) async fn connect(target: &CompiledTarget, limit: Duration) -> Result<BackendConnection, ForwardError> {
    match timeout(limit, open(target)).await {
        Ok(result) => result,
        Err(_) => Err(ForwardError::ConnectTimeout { target: target.label.to_string() }),
    }
}

async fn open(target: &CompiledTarget) -> Result<BackendConnection, ForwardError> {
    let stream = dial(target).await?;
    let _ = stream.set_nodelay(true);
    match &target.tls {
        None => http1(target, TokioIo::new(stream)).await,
        Some(TargetTls { config, server_name }) => {
            let connector = TlsConnector::from(Arc::clone(config));
            let stream = connector.connect(server_name.clone(), stream).await;
            let stream = stream.map_err(|source| ForwardError::Tls { target: target.label.to_string(), source })?;
            http1(target, TokioIo::new(stream)).await
        }
    }
}

/// Tries every address of the host until one takes the connection.
async fn dial(target: &CompiledTarget) -> Result<TcpStream, ForwardError> {
    let (host, port) = (target.definition.host.as_str(), target.definition.port);
    let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => tokio::net::lookup_host((host, port))
            .await
            .map_err(|source| ForwardError::Unresolved { host: host.to_owned(), source: Some(source) })?
            .collect(),
    };
    let mut failure = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(source) => Err(ForwardError::Refused { target: target.label.to_string(), source }),
        None => Err(ForwardError::Unresolved { host: host.to_owned(), source: None }),
    }
}

fn http1<S>(target: &CompiledTarget, stream: TokioIo<S>) -> impl Future<Output = Result<BackendConnection, ForwardError>> + use<S>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let label = target.label.clone();
    async move {
        let handshake = Builder::new().max_headers(MOST_RESPONSE_HEADERS).handshake(stream).await;
        let (sender, connection) = handshake.map_err(|source| ForwardError::Protocol { target: label.to_string(), source })?;
        let driver = spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(target: "portcullis::forward", backend = %label, %error, "connection ended");
            }
        });
        Ok(BackendConnection { sender, driver: driver.abort_handle() })
    }
}
