//! The way to the server: address, password, TLS, and limits on every wait.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{AsyncMessage, Config, Connection, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::fetch::trust;
use crate::model::store::{PostgresServer, PostgresTls};
use crate::store::error::StoreError;
use crate::store::postgres::nudges::Nudges;
use crate::store::postgres::session::{PostgresSession, told};

/// The time from resolving the name to an accepted password.
const CONNECT: Duration = Duration::from_secs(5);

/// A partition shows no other sign on a quiet connection.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVES: u32 = 3;

/// The time within which sent bytes must be acknowledged.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);

/// Limits that the server keeps. They are shorter than the gateway's own deadline of a call, so
/// that the server's reason is reported. An acknowledged write is on the disk, and no setting of a
/// session can weaken that.
const SERVER_LIMITS: &str = "-c statement_timeout=8000 -c lock_timeout=6000 \
                             -c idle_in_transaction_session_timeout=60000 \
                             -c synchronous_commit=on -c client_min_messages=warning";

/// A server that was described completely.
#[derive(Debug)]
pub(super) struct PostgresTarget {
    config: Config,
    tls: Option<Arc<ClientConfig>>,
}

impl PostgresTarget {
    pub(super) fn new(server: &PostgresServer) -> Result<Self, StoreError> {
        let mut config: Config = server
            .url
            .parse()
            .map_err(|error| StoreError::Unavailable(format!("`store.url`: {error}")))?;
        if let Some(password) = &server.password {
            config.password(password.reveal());
        }
        let own = config.get_options().map(|own| format!(" {own}")).unwrap_or_default();
        config
            .application_name("portcullis")
            .options(format!("{SERVER_LIMITS}{own}"))
            .connect_timeout(CONNECT)
            .keepalives(true)
            .keepalives_idle(KEEPALIVE_IDLE)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(KEEPALIVES)
            .tcp_user_timeout(UNACKNOWLEDGED);
        let tls = match server.tls {
            PostgresTls::Off => {
                config.ssl_mode(SslMode::Disable);
                None
            }
            PostgresTls::Required => {
                config.ssl_mode(SslMode::Require);
                let client = trust::client_config(server.ca.as_ref(), None)
                    .map_err(|error| StoreError::Unavailable(format!("TLS: {error}")))?;
                Some(Arc::new(client))
            }
        };
        Ok(Self { config, tls })
    }

    /// Opens a connection that nudges on a notification.
    pub(super) async fn connect(
        &self,
        nudges: &Arc<Nudges>,
    ) -> Result<PostgresSession, StoreError> {
        timeout(CONNECT, self.open(nudges)).await.map_err(|_| {
            let seconds = CONNECT.as_secs();
            StoreError::Unavailable(format!("PostgreSQL: no connection within {seconds} seconds"))
        })?
    }

    async fn open(&self, nudges: &Arc<Nudges>) -> Result<PostgresSession, StoreError> {
        let mut driver = JoinSet::new();
        let client = match &self.tls {
            None => {
                let (client, connection) = self.config.connect(NoTls).await.map_err(told)?;
                driver.spawn(drive(connection, Arc::clone(nudges)));
                client
            }
            Some(tls) => {
                let tls = MakeRustlsConnect::new(ClientConfig::clone(tls));
                let (client, connection) = self.config.connect(tls).await.map_err(told)?;
                driver.spawn(drive(connection, Arc::clone(nudges)));
                client
            }
        };
        Ok(PostgresSession::new(client, driver))
    }
}

/// Moves bytes for a connection until it ends.
async fn drive<S, T>(mut connection: Connection<S, T>, nudges: Arc<Nudges>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notification(_) = message {
            nudges.nudge();
        }
    }
}
