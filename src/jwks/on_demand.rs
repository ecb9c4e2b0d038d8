//! Key sets that nobody listed: started when a token asks for one, stopped when their owner lets them go.
//!
//! Decides nothing: which may be started, and how many, is the caller's. Only those that are told to be are kept on disk.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::jwks::keys::KeyManagerKeys;
use crate::jwks::refresh_task::RefreshTask;
use crate::jwks::store;
use crate::model::clock::{Clock, Moment};
use crate::model::key_manager::KeyManager;
use crate::state_dir;

/// Larger lists are not ours: a thousand names of the greatest length.
const MOST_LIST_BYTES: u64 = 1024 * 1024;

/// Starts key sets on the runtime that it was made on.
#[derive(Debug, Clone)]
pub struct OnDemand {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    runtime: Handle,
}

/// One key set and the task that fetches it, which ends when this is dropped.
#[derive(Debug)]
pub struct Fetching {
    pub keys: Arc<KeyManagerKeys>,
    definition: KeyManager,
    folder: PathBuf,
    kept: Arc<AtomicBool>,
    task: AbortHandle,
}

impl OnDemand {
    pub(super) fn new(folder: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { folder, clock, runtime: Handle::current() }
    }

    pub fn now(&self) -> Moment {
        self.clock.moment()
    }

    /// Starts a key set; callable from any thread.
    pub fn start(&self, definition: &KeyManager) -> Fetching {
        let keys = KeyManagerKeys::new(definition.fetch.request_timeout);
        let kept = Arc::new(AtomicBool::new(false));
        let fetcher = RefreshTask {
            key_manager: definition.clone(),
            keys: Arc::clone(&keys),
            folder: self.folder.clone(),
            kept: Arc::clone(&kept),
            clock: Arc::clone(&self.clock),
        };
        let task = self.runtime.spawn(async move {
            fetcher.restore();
            fetcher.run().await;
        });
        Fetching {
            keys,
            definition: definition.clone(),
            folder: self.folder.clone(),
            kept,
            task: task.abort_handle(),
        }
    }

    /// The names that were kept for a template.
    pub fn listed(&self, template: &KeyManager) -> Vec<String> {
        let path = list(&self.folder, template);
        let mut content = Vec::new();
        let read = match state_dir::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            opened => opened.and_then(|file| file.take(MOST_LIST_BYTES).read_to_end(&mut content)),
        };
        let names = read.and_then(|_| serde_json::from_slice(&content).map_err(io::Error::from));
        names.unwrap_or_else(|error| {
            tracing::warn!(target: "portcullis::jwks", file = %path.display(), %error, "the kept list of organizations cannot be read");
            Vec::new()
        })
    }

    /// Keeps the names of a template's organizations for the next start.
    pub fn keep_list(&self, template: &KeyManager, names: &[&str]) {
        let path = list(&self.folder, template);
        let temporary = path.with_extension("new");
        let written = serde_json::to_vec(names)
            .map_err(io::Error::from)
            .and_then(|content| state_dir::create(&temporary)?.write_all(&content));
        if let Err(error) = written.and_then(|()| state_dir::replace(&temporary, &path)) {
            tracing::warn!(target: "portcullis::jwks", file = %path.display(), %error, "the list of organizations cannot be kept");
        }
    }
}

impl Fetching {
    /// From now on good keys are kept on disk too.
    pub fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// Nothing of it is left on disk.
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

fn list(folder: &Path, template: &KeyManager) -> PathBuf {
    const MOST: usize = 200;
    let mut name = URL_SAFE_NO_PAD.encode(template.name.as_str());
    name.truncate(MOST);
    folder.join(format!("organizations-{name}.json"))
}
