//! A connection to the server: TCP, TLS if it is configured, the password, the database. Decides
//! nothing. TLS is the gateway's own, with the same trust as all its calls; certificates are always
//! checked.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError};
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::dial;
use crate::fetch::trust::{self, TrustError};
use crate::inspected_stream::InspectedStream;
use crate::model::redis::RedisServer;
use crate::redis_link::bounded::{BoundedConnection, MOST_BYTES, ReplyBudget};

/// The time from resolving the name to an accepted password.
const CONNECT: Duration = Duration::from_secs(5);

/// A command's answer; longer than a read waits for news.
const ANSWER: Duration = Duration::from_secs(10);

/// The driver of a connection; it ends when the connection does.
pub(crate) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The reason why a connection is down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("it cannot be reached")]
    Reach(#[source] std::io::Error),
    #[error("it did not answer within {} seconds", CONNECT.as_secs())]
    Late,
    #[error("TLS cannot be set up")]
    Trust(#[from] TrustError),
    #[error("{0:?} is not a name that a certificate could have")]
    Name(String),
    #[error("the server said")]
    Server(#[from] RedisError),
    #[error(
        "it answered without end: more than {} MiB to one command; check what else uses the server",
        MOST_BYTES / 1024 / 1024
    )]
    Endless,
    #[error("the connection was closed")]
    Closed,
    #[error("the answer to {0} has another shape than Redis 6.2 and Valkey give it")]
    Shape(&'static str),
}

impl LinkError {
    /// Names the kind of failure: a change of it is worth a line in the log.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Reach(_) => "unreachable",
            Self::Late => "late",
            Self::Trust(_) | Self::Name(_) => "tls",
            Self::Server(error) if error.is_io_error() || error.is_connection_dropped() => "lost",
            Self::Server(_) => "refused",
            Self::Endless => "endless",
            Self::Closed => "lost",
            Self::Shape(_) => "shape",
        }
    }

    /// Tells whether the server answered, and refused.
    pub(crate) fn is_refusal(&self) -> bool {
        self.label() == "refused"
    }

    /// Returns the error on one line, with its cause; it has neither passwords nor keys.
    pub(crate) fn describe(&self) -> String {
        let cause =
            std::error::Error::source(self).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{self}{cause}")
            .chars()
            .take(300)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    }
}

/// Opens a connection, with the future that must be polled for it to work.
pub(crate) async fn connect(
    settings: &RedisServer,
) -> Result<(BoundedConnection, Driver), LinkError> {
    timeout(CONNECT, open(settings)).await.map_err(|_| LinkError::Late)?
}

async fn open(settings: &RedisServer) -> Result<(BoundedConnection, Driver), LinkError> {
    let tcp =
        dial::connect_to(&settings.at.host, settings.at.port).await.map_err(LinkError::Reach)?;
    tcp.set_nodelay(true).map_err(LinkError::Reach)?;
    // a partition shows no other sign on a quiet connection
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(10))
        .with_interval(Duration::from_secs(5));
    SockRef::from(&tcp).set_tcp_keepalive(&keepalive).map_err(LinkError::Reach)?;
    let mut login = RedisConnectionInfo::default().set_db(settings.login.database.into());
    if let Some(username) = &settings.login.username {
        login = login.set_username(username);
    }
    if let Some(password) = &settings.login.password {
        login = login.set_password(password.reveal());
    }
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(Some(ANSWER))
        .set_connection_timeout(None);
    let bound = Arc::new(ReplyBudget::default());
    let Some(tls) = &settings.login.tls else {
        let tcp = InspectedStream::new(tcp, Arc::clone(&bound));
        let (connection, driver) =
            MultiplexedConnection::new_with_config(&login, tcp, config).await?;
        return Ok((BoundedConnection::new(connection, bound), Box::pin(driver)));
    };
    let client = trust::client_config(tls.ca.as_ref(), tls.client_certificate.as_ref())?;
    let name = ServerName::try_from(settings.at.host.clone())
        .map_err(|_| LinkError::Name(settings.at.host.clone()))?;
    let stream =
        TlsConnector::from(Arc::new(client)).connect(name, tcp).await.map_err(LinkError::Reach)?;
    let stream = InspectedStream::new(stream, Arc::clone(&bound));
    let (connection, driver) =
        MultiplexedConnection::new_with_config(&login, stream, config).await?;
    Ok((BoundedConnection::new(connection, bound), Box::pin(driver)))
}
