//! Key sets that no file lists: started when a token needs one.
//!
//! Decides nothing: the caller decides which are started, and how many. Keeps the list of those
//! that are opened again at the next start.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::runtime::Handle;

use crate::jwks::Fetching;
use crate::model::clock::{Clock, Moment};
use crate::model::key_manager::KeyManager;
use crate::model::names::KeyManagerName;
use crate::state_dir;

/// The largest list that the gateway writes: a thousand names of the greatest length.
const MOST_LIST_BYTES: u64 = 1024 * 1024;

/// Starts key sets on the runtime that it was made on.
#[derive(Debug, Clone)]
pub struct OnDemand {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    runtime: Handle,
}

impl OnDemand {
    /// `state_dir` is where last good keys are kept. Must be called on the runtime that keys are to
    /// be fetched on.
    pub fn new(state_dir: &Path, clock: Arc<dyn Clock>) -> Self {
        Self { folder: state_dir.to_owned(), clock, runtime: Handle::current() }
    }

    pub fn now(&self) -> Moment {
        self.clock.moment()
    }

    /// Starts a key set; callable from any thread.
    pub fn start(&self, definition: &KeyManager) -> Fetching {
        Fetching::start(definition, &self.folder, &self.clock, &self.runtime)
    }

    /// The names that were kept for a template.
    pub fn listed(&self, template: &KeyManagerName) -> Vec<String> {
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
    pub fn keep_list(&self, template: &KeyManagerName, names: &[&str]) {
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

fn list(folder: &Path, template: &KeyManagerName) -> PathBuf {
    const MOST: usize = 200;
    let mut name = URL_SAFE_NO_PAD.encode(template.as_str());
    name.truncate(MOST);
    folder.join(format!("organizations-{name}.json"))
}
