//! Compares files with the store that a gateway of them would serve, without a change of either.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{ConfigFiles, Report};
use crate::model::identity::Identities;
use crate::store::{self, StoreError, StoreKeys};
use crate::supervise::clock::SystemClock;
use crate::supervise::provisioning::StoreReader;
use crate::supervise::settled_files::{self, ReadBeside, StoredState};

/// The result of a comparison.
#[derive(Debug)]
pub enum StoreCheck {
    /// The files name no store whose objects would be served.
    NoStore,
    /// Nobody can tell, for this reason.
    NotCompared(StoreError),
    /// The gateway would refuse both together, for example because one name is in both.
    Refused(Report),
    /// The gateway would serve the store at this revision.
    Served { revision: u64 },
}

/// Reads the files again, together with the store.
pub async fn check_with_store(file: PathBuf) -> StoreCheck {
    let files = Arc::new(ConfigFiles::read(&file));
    let Ok(Some(settings)) = files.store_settings() else { return StoreCheck::NoStore };
    let opened = async {
        let keys = StoreKeys::new(&settings)?;
        let store = store::open_to_read(&settings, Arc::new(SystemClock)).await?;
        store.head().await?;
        Ok(StoreReader::new(store, keys))
    };
    let reader = match opened.await {
        Ok(reader) => reader,
        Err(error) => return StoreCheck::NotCompared(error),
    };
    let beside = ReadBeside { store: Some(reader), earlier: None };
    let resolve = move || settled_files::resolve(&files, &Identities::default(), &beside);
    match tokio::task::spawn_blocking(resolve).await {
        Ok(Ok((_, Some(StoredState { head, .. })))) => {
            StoreCheck::Served { revision: head.revision }
        }
        Ok(Ok((_, None))) => StoreCheck::NoStore,
        Ok(Err(report)) => StoreCheck::Refused(report),
        Err(ended) => StoreCheck::NotCompared(StoreError::Unavailable(ended.to_string())),
    }
}
