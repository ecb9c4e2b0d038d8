//! Connections that read, each on a thread where waiting is allowed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::store::error::StoreError;
use crate::store::sqlite::session::SqliteSession;

/// Reads at a time: more do not read faster.
const MOST_READERS: usize = 4;

/// The longest wait for a connection and its answer.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub(super) struct Readers {
    path: PathBuf,
    places: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<SqliteSession>>>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            places: Arc::new(Semaphore::new(MOST_READERS)),
            idle: Arc::default(),
        }
    }

    /// Runs work on one state of the database.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteSession) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        timeout(READ_TIMEOUT, self.read_long(work)).await.map_err(|_| {
            let seconds = READ_TIMEOUT.as_secs();
            StoreError::Unavailable(format!("SQLite did not answer within {seconds} seconds"))
        })?
    }

    /// Like [`Readers::read`], for as long as it takes.
    pub(super) async fn read_long<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteSession) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let gone = |_| StoreError::Unavailable("the store is closed".to_owned());
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(gone)?;
        let readers = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let mut session = match readers.take() {
                Some(session) => session,
                None => SqliteSession::open(&readers.path)?,
            };
            let done = session.reading(work);
            if session.outside_transaction() {
                readers.give_back(session);
            }
            drop(place);
            done
        });
        done.await
            .map_err(|_| StoreError::Unavailable("a read of the store ended early".to_owned()))?
    }

    fn take(&self) -> Option<SqliteSession> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, session: SqliteSession) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }
}
