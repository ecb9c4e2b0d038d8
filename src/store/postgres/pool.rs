//! A few connections, opened when they are needed and given back when nothing is left in them.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use crate::model::store::PostgresServer;
use crate::store::error::StoreError;
use crate::store::postgres::nudges::Nudges;
use crate::store::postgres::session::PostgresSession;
use crate::store::postgres::target::PostgresTarget;
use crate::store::sql::{self, SqlSession};

/// Connections of one gateway: the server has 100 by default, for all of them.
const MOST_CONNECTIONS: usize = 6;

/// A transaction that sees one state and changes nothing.
pub(super) const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A transaction that takes the lock of writers first, so each statement sees earlier writes.
pub(super) const WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

#[derive(Debug)]
pub(super) struct PostgresPool {
    target: PostgresTarget,
    nudges: Arc<Nudges>,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<PostgresSession>>,
    /// The tables are there, and of our version.
    migrated: OnceCell<()>,
    tables: MissingTables,
}

/// The fate of tables that are missing, or of an earlier version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MissingTables {
    Made,
    Refused,
}

/// A connection for one transaction. If that is left unfinished, the connection is closed.
#[derive(Debug)]
pub(super) struct PostgresLease {
    session: PostgresSession,
    pool: Arc<PostgresPool>,
    _place: OwnedSemaphorePermit,
}

impl PostgresPool {
    pub(super) fn new(
        server: &PostgresServer,
        nudges: &Arc<Nudges>,
        tables: MissingTables,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            target: PostgresTarget::new(server)?,
            nudges: Arc::clone(nudges),
            places: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
            idle: Mutex::default(),
            migrated: OnceCell::new(),
            tables,
        })
    }

    /// Returns a connection, and makes the tables first if they are missing.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<PostgresLease, StoreError> {
        let closed = |_| StoreError::Unavailable("the store is closed".to_owned());
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(closed)?;
        let ready = async || match self.tables {
            MissingTables::Made => self.migrate().await,
            MissingTables::Refused => self.is_current().await,
        };
        self.migrated.get_or_try_init(ready).await?;
        let session = match self.usable() {
            Some(session) => session,
            None => self.connect().await?,
        };
        Ok(PostgresLease { session, pool: Arc::clone(self), _place: place })
    }

    pub(super) async fn connect(&self) -> Result<PostgresSession, StoreError> {
        self.target.connect(&self.nudges).await
    }

    fn usable(&self) -> Option<PostgresSession> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|session| !session.is_closed());
        idle.pop()
    }

    fn give_back(&self, session: PostgresSession) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }

    async fn is_current(&self) -> Result<(), StoreError> {
        let mut session = self.connect().await?;
        session.batch(READ).await?;
        sql::is_current(&mut session).await?;
        session.batch("COMMIT").await?;
        self.give_back(session);
        Ok(())
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        let mut session = self.connect().await?;
        session.batch(WRITE).await?;
        // several gateways start at once
        session.exclude().await?;
        session.run(sql::META, &[]).await?;
        for step in sql::missing(&mut session).await? {
            session.batch(step.postgres).await?;
        }
        sql::done(&mut session).await?;
        session.batch("COMMIT").await?;
        self.give_back(session);
        Ok(())
    }
}

impl PostgresLease {
    pub(super) async fn begin(&mut self, begin: &str) -> Result<&mut PostgresSession, StoreError> {
        self.session.batch(begin).await?;
        Ok(&mut self.session)
    }

    /// Ends the transaction and gives the connection back.
    pub(super) async fn end<T>(self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        let end = match &done {
            Ok(_) => "COMMIT",
            // statements that were prepared may be of tables that are gone: a new connection
            Err(StoreError::Unavailable(_) | StoreError::Unreadable(_)) => return done,
            Err(_) => "ROLLBACK",
        };
        match self.session.batch(end).await {
            Ok(()) => {
                self.pool.give_back(self.session);
                done
            }
            // a refusal stands, however the connection ended
            Err(error) => done.and(Err(error)),
        }
    }
}
