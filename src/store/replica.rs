//! The copy of a shared store in `state_dir`: a database file of SQLite with the same tables.
//!
//! A gateway can start from it and read from it while PostgreSQL is down. Only the follower writes
//! to it; it takes changes over by revision.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::model::clock::Clock;
use crate::store::changes::{StoreChanges, StoreHead};
use crate::store::error::StoreError;
use crate::store::fleet::GatewayState;
use crate::store::postgres::PostgresStore;
use crate::store::record::Record;
use crate::store::sql;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::now;
use crate::store::storage::Store;

/// Its file in `state_dir`.
const FILE: &str = "portcullis-replica.db";

/// Groups of rows that may wait for the disk while everything is copied.
const WAITING: usize = 4;

/// SQLite's own number for the purpose of a file: set when the copy was complete once.
const COMPLETE: i64 = 1;

#[derive(Debug)]
pub(super) struct Replica {
    store: SqliteStore,
}

impl Replica {
    /// Its writes give way to the workers.
    pub(super) fn open(state_dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Ok(Self { store: SqliteStore::open_giving_way(&state_dir.join(FILE), clock)? })
    }

    /// Returns the copy for reading; an error if it was never complete.
    pub(super) async fn complete(&self) -> Result<&dyn Store, StoreError> {
        if self.is_complete().await? {
            return Ok(&self.store);
        }
        Err(incomplete())
    }

    async fn is_complete(&self) -> Result<bool, StoreError> {
        let number = self
            .store
            .read(|session| {
                now(sql::SqlSession::query(session, "PRAGMA user_version", &[], sql::one_number))
            })
            .await?;
        Ok(number.first() == Some(&COMPLETE))
    }

    /// Returns the state of the copy; `None` if it was never complete.
    pub(super) async fn head(&self) -> Result<Option<StoreHead>, StoreError> {
        if self.is_complete().await? { self.store.head().await.map(Some) } else { Ok(None) }
    }

    /// Computes the checksum over the stored rows.
    pub(super) async fn recount(&self) -> Result<(StoreHead, [u8; 32]), StoreError> {
        self.store.recount().await
    }

    /// Notes that the copy is the same as its server now.
    pub(super) async fn is_current(&self) -> Result<(), StoreError> {
        let (name, version) = (String::new(), String::new());
        // the copy has no gateways of its own
        let now = GatewayState { name, version, revision: 0, started_at: 0, seen_at: 0 };
        self.store.report(&now).await
    }

    /// Returns the time at which that was noted last, in milliseconds since the epoch.
    pub(super) async fn was_current(&self) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT seen_at FROM gateways";
        let found = self
            .store
            .read(move |session| now(sql::SqlSession::query(session, sql, &[], sql::one_number)));
        Ok(found.await?.first().and_then(|at| u64::try_from(*at).ok()))
    }

    pub(super) async fn follow(&self, changes: StoreChanges) -> Result<(), StoreError> {
        self.store.work(move |session| now(sql::follow(session, changes))).await
    }

    /// Copies everything: a reader sees the old state until the new one is complete.
    pub(super) async fn copy(&self, from: &PostgresStore) -> Result<(), StoreError> {
        let (groups, mut waiting) = mpsc::channel::<Vec<Record>>(WAITING);
        let (told, head) = std::sync::mpsc::sync_channel::<StoreHead>(1);
        let keeping = self.store.work_long(move |session| {
            let mut group = Vec::new().into_iter();
            let state = now(sql::replace_all(session, || {
                loop {
                    if let Some(record) = group.next() {
                        return Some(record);
                    }
                    group = waiting.blocking_recv()?.into_iter();
                }
            }))?;
            // without the head the reading is incomplete, and nothing is kept
            let head = head.recv().map_err(|_| incomplete())?;
            session.batch(&format!("PRAGMA user_version = {COMPLETE}"))?;
            now(sql::settle(session, state, head))
        });
        let reading = async move {
            let head = from.read_groups(groups).await?;
            told.send(head).map_err(|_| incomplete())
        };
        let (kept, read) = tokio::join!(keeping, reading);
        // the reason for the end of the reading comes first
        read.and(kept)
    }
}

fn incomplete() -> StoreError {
    StoreError::Unavailable("there is no complete copy of the store".to_owned())
}
