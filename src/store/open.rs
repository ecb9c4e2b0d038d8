//! Opens the store that the settings name.

use std::path::Path;
use std::sync::Arc;

use crate::model::clock::Clock;
use crate::model::store::{StoreLocation, StoreSettings};
use crate::store::error::StoreError;
use crate::store::sqlite::SqliteStore;
use crate::store::storage::Store;

/// Opens the store; `None` if files alone say everything. A store of several gateways keeps a copy
/// in `state_dir`.
pub async fn open(
    settings: &StoreSettings,
    _state_dir: &Path,
    clock: Arc<dyn Clock>,
) -> Result<Option<Arc<dyn Store>>, StoreError> {
    match &settings.location {
        StoreLocation::None => Ok(None),
        StoreLocation::Sqlite(path) => {
            let path = path.clone();
            let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&path, clock)).await;
            let store = opened.map_err(|error| StoreError::Unavailable(error.to_string()))??;
            Ok(Some(Arc::new(store)))
        }
        StoreLocation::Postgres(_) => {
            Err(StoreError::Unavailable("PostgreSQL is not supported yet".to_owned()))
        }
    }
}
