//! `portcullis healthcheck`: asks a container's own gateway.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::cli::arguments::HealthcheckOptions;
use crate::cli::exit;
use crate::cli::output::Output;
use crate::cli::runtime::{control_runtime, install_crypto};
use crate::config;
use crate::fetch::{self, trust};
use crate::model::gateway::CertifiedPair;

/// The longest wait: container runtimes give up after 30 s, and the answer takes milliseconds.
const TIMEOUT: Duration = Duration::from_secs(3);
const MOST_ANSWER: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
enum HealthcheckError {
    #[error("[management] is not configured, so no listener can be asked")]
    NoManagement,
    #[error("no answer from {0} in time")]
    Timeout(SocketAddr),
    #[error("cannot connect to {0}: {1}")]
    Connect(SocketAddr, std::io::Error),
    #[error("cannot read the answer of {0}: {1}")]
    Answer(SocketAddr, String),
}

/// Asks `/readyz` (or `/livez`) and prints the answer.
pub(super) fn healthcheck(config: &Path, options: &HealthcheckOptions, output: Output) -> u8 {
    install_crypto();
    let (address, tls) = match options.address {
        Some(address) => (address, None),
        None => match config::load(config) {
            Ok(loaded) => match loaded.model.management {
                Some(management) => (reachable(management.address), management.tls),
                None => {
                    output.note(&format!("portcullis: {}", HealthcheckError::NoManagement));
                    return exit::FAILED;
                }
            },
            Err(report) => {
                output.note(&report.render(output.style));
                return exit::CONFIGURATION;
            }
        },
    };
    let path = if options.live { "/livez" } else { "/readyz" };
    let Ok(runtime) = control_runtime() else { return exit::FAILED };
    let asked = runtime.block_on(async {
        tokio::time::timeout(TIMEOUT, ask(address, tls.as_ref(), path))
            .await
            .unwrap_or(Err(HealthcheckError::Timeout(address)))
    });
    match asked {
        Ok((status, body)) => {
            output.line(&body);
            if status == StatusCode::OK { exit::OK } else { exit::FAILED }
        }
        Err(error) => {
            output.note(&format!("portcullis: {error}"));
            exit::FAILED
        }
    }
}

/// Returns loopback for a gateway that listens on every address.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn ask(
    address: SocketAddr,
    tls: Option<&CertifiedPair>,
    path: &str,
) -> Result<(StatusCode, String), HealthcheckError> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| HealthcheckError::Connect(address, error))?;
    let Some(pair) = tls else { return exchange(address, stream, path).await };
    let connect = async {
        let config = trust::pinned_config(&pair.certificate).map_err(std::io::Error::other)?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::from(address.ip()), stream).await
    };
    let stream = connect.await.map_err(|error| HealthcheckError::Connect(address, error))?;
    exchange(address, stream, path).await
}

async fn exchange<S>(
    address: SocketAddr,
    stream: S,
    path: &str,
) -> Result<(StatusCode, String), HealthcheckError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let unreadable = |error: String| HealthcheckError::Answer(address, error);
    let request = Request::get(path)
        .header(header::HOST, address.to_string())
        .body(Full::default())
        .map_err(|error| unreadable(error.to_string()))?;
    let response = fetch::send(TokioIo::new(stream), request)
        .await
        .map_err(|error| unreadable(error.to_string()))?;
    let status = response.status();
    let body =
        response.content(MOST_ANSWER).await.map_err(|error| unreadable(error.to_string()))?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
