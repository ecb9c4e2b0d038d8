//! One key set with the task that fetches it, which ends with its owner.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::jwks::keys::KeyManagerKeys;
use crate::jwks::refresh_task::RefreshTask;
use crate::jwks::store;
use crate::model::clock::Clock;
use crate::model::key_manager::KeyManager;

/// One key set and the task that fetches it, which ends when this is dropped.
#[derive(Debug)]
pub struct Fetching {
    pub keys: Arc<KeyManagerKeys>,
    definition: KeyManager,
    folder: PathBuf,
    kept: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Fetching {
    /// Starts a key set on a runtime; callable from any thread. It is stored in `folder` after
    /// [`Fetching::keep`].
    pub fn start(
        definition: &KeyManager,
        folder: &Path,
        clock: &Arc<dyn Clock>,
        runtime: &Handle,
    ) -> Self {
        let keys = KeyManagerKeys::new(definition.fetch.request_timeout);
        let kept = Arc::new(AtomicBool::new(false));
        let fetcher = RefreshTask {
            key_manager: definition.clone(),
            keys: Arc::clone(&keys),
            folder: folder.to_owned(),
            kept: Arc::clone(&kept),
            clock: Arc::clone(clock),
        };
        let task = runtime.spawn(async move {
            fetcher.restore();
            fetcher.run().await;
        });
        Self {
            keys,
            definition: definition.clone(),
            folder: folder.to_owned(),
            kept,
            task: task.abort_handle(),
        }
    }

    /// Keeps good keys on disk from now on.
    pub fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// Removes the keys from the disk.
    pub fn forget(&self) {
        if self.kept.swap(false, Ordering::Relaxed) {
            store::remove(&self.folder, &self.definition);
        }
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.task.abort();
        self.keys.retire();
    }
}
