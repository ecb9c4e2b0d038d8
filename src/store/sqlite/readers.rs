//! Connections that read, each on a thread where waiting is allowed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::store::changes::StoreHead;
use crate::store::error::StoreError;
use crate::store::sql::{self, StoreReading};
use crate::store::sqlite::session::{SqliteSession, now};

/// Reads at a time: more do not read faster.
const MOST_READERS: usize = 4;

/// The page cache of a reader, 4 MiB: the operating system caches the file.
const CACHE: &str = "PRAGMA cache_size = -4096";

/// The longest wait for a connection and its answer.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub(super) struct Readers {
    path: PathBuf,
    places: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<SqliteSession>>>,
    connect: fn(&Path) -> Result<SqliteSession, StoreError>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            places: Arc::new(Semaphore::new(MOST_READERS)),
            idle: Arc::default(),
            connect: SqliteSession::open,
        }
    }

    /// Connections that cannot write.
    pub(super) fn read_only(path: &Path) -> Self {
        Self { connect: SqliteSession::open_to_read, ..Self::new(path) }
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

    /// Like [`Readers::read`], without a time limit.
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
                None => readers.open()?,
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

    /// Passes a reading to `each`, item by item, and returns the state that all of it is of.
    pub(super) async fn read_each<R: StoreReading + 'static>(
        &self,
        mut reading: R,
        mut each: Box<dyn FnMut(R::Item) + Send>,
    ) -> Result<StoreHead, StoreError> {
        self.read_long(move |session| {
            let head = now(sql::read_state(session))?.head();
            loop {
                let items = now(reading.next(session))?;
                if items.is_empty() {
                    // it has pages of everything that it will not read again
                    session.batch("PRAGMA shrink_memory")?;
                    return Ok(head);
                }
                items.into_iter().for_each(&mut each);
            }
        })
        .await
    }

    fn open(&self) -> Result<SqliteSession, StoreError> {
        let session = (self.connect)(&self.path)?;
        session.batch(CACHE)?;
        Ok(session)
    }

    fn take(&self) -> Option<SqliteSession> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, session: SqliteSession) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }
}
