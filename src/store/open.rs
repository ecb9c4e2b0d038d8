//! Opens the store that the settings name.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use crate::model::clock::Clock;
use crate::model::store::{StoreLocation, StoreSettings};
use crate::store::error::StoreError;
use crate::store::postgres::PostgresStore;
use crate::store::shared::SharedStore;
use crate::store::sqlite::SqliteStore;
use crate::store::storage::Store;

/// Opens the store; `None` if none is configured. A store of several gateways keeps a copy in
/// `state_dir`, and opens while PostgreSQL is down.
pub async fn open(
    settings: &StoreSettings,
    state_dir: &Path,
    clock: Arc<dyn Clock>,
) -> Result<Option<Arc<dyn Store>>, StoreError> {
    match &settings.location {
        StoreLocation::None => Ok(None),
        StoreLocation::Sqlite(path) => {
            let path = path.clone();
            let store = waiting(move || SqliteStore::open(&path, clock)).await?;
            Ok(Some(Arc::new(store)))
        }
        StoreLocation::Postgres(server) => {
            let (server, poll) = (server.clone(), settings.poll_interval);
            let state_dir = state_dir.to_owned();
            let store =
                waiting(move || SharedStore::open(&server, &state_dir, poll, clock)).await?;
            Ok(Some(Arc::new(store)))
        }
    }
}

/// Opens an existing store for a command beside the gateway; a shared one without its copy.
pub async fn open_beside(
    settings: &StoreSettings,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, StoreError> {
    match &settings.location {
        StoreLocation::None => Err(StoreError::Unavailable("`store.url` is \"none\"".to_owned())),
        StoreLocation::Sqlite(path) => {
            let path = path.clone();
            let store = waiting(move || {
                own(&path)?;
                SqliteStore::open(&path, clock)
            });
            Ok(Arc::new(store.await?))
        }
        StoreLocation::Postgres(server) => Ok(Arc::new(PostgresStore::new(server, None)?)),
    }
}

/// Opens a store that is there and of today's format, for a command that changes nothing in it.
pub async fn open_to_read(
    settings: &StoreSettings,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, StoreError> {
    match &settings.location {
        StoreLocation::None => Err(StoreError::Unavailable("`store.url` is \"none\"".to_owned())),
        StoreLocation::Sqlite(path) => {
            let path = path.clone();
            let store = waiting(move || {
                own(&path)?;
                SqliteStore::open_to_read(&path, clock)
            });
            Ok(Arc::new(store.await?))
        }
        StoreLocation::Postgres(server) => Ok(Arc::new(PostgresStore::to_read(server)?)),
    }
}

/// Refuses a database file of another user. Files that are made beside it would belong to this
/// user, and the gateway could not open them.
fn own(path: &Path) -> Result<(), StoreError> {
    let found = std::fs::metadata(path).map_err(|error| {
        let path = path.display();
        StoreError::Unavailable(format!("{path}: {error}; the gateway makes it at its first start"))
    })?;
    if found.uid() == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let message = format!(
        "{} belongs to user {}; run this command as the gateway's user",
        path.display(),
        found.uid()
    );
    Err(StoreError::Unavailable(message))
}

/// Runs work on a thread where waiting for the disk is allowed.
async fn waiting<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| StoreError::Unavailable(error.to_string()))?
}
