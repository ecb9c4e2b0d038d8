//! Last good key sets on disk, so that a restart during an outage still works.
//!
//! A file is used only for the source and issuer that it was kept for. Writing goes through a
//! temporary file and a rename, so a crash leaves the old one or the new one. A failed write is
//! logged, and has no other effect.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::model::clock::UnixSeconds;
use crate::model::key_manager::{KeyManager, KeySource};
use crate::state_dir;

/// A key set from its last good fetch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredKeySet {
    /// The address and the trust with which it was fetched.
    pub(super) source: String,
    /// The configured issuer.
    pub(super) issuer: Option<String>,
    /// The issuer of the discovery document.
    pub(super) learned_issuer: Option<String>,
    pub(super) fetched_at: u64,
    pub(super) document: String,
}

/// The largest file: far above `max_document_bytes`, so a larger one is not the gateway's.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

impl StoredKeySet {
    pub(super) fn new(
        key_manager: &KeyManager,
        learned_issuer: Option<String>,
        at: UnixSeconds,
        document: &[u8],
    ) -> Option<Self> {
        Some(Self {
            source: source(key_manager)?,
            issuer: key_manager.issuer.as_ref().map(ToString::to_string),
            learned_issuer,
            fetched_at: at.0,
            document: std::str::from_utf8(document).ok()?.to_owned(),
        })
    }

    /// Tells whether the key set was stored for exactly this configuration.
    pub(super) fn is_for(&self, key_manager: &KeyManager) -> bool {
        Some(&self.source) == source(key_manager).as_ref()
            && self.issuer == key_manager.issuer.as_ref().map(ToString::to_string)
    }
}

/// Returns the address and the trust of a key set; `None` for keys that are not fetched.
fn source(key_manager: &KeyManager) -> Option<String> {
    match &key_manager.keys {
        KeySource::Discovery { well_known_url } => Some(format!("discovery {well_known_url}")),
        KeySource::Jwks { url, well_known_url } => {
            Some(format!("jwks {url} {}", well_known_url.as_deref().unwrap_or_default()))
        }
        KeySource::None | KeySource::Pem { .. } | KeySource::JwksFile { .. } => None,
    }
}

/// Names may hold any character, so the file is named by their base64url, cut where file systems
/// cut.
fn path(folder: &Path, key_manager: &KeyManager) -> PathBuf {
    const MOST: usize = 200;
    let mut name = URL_SAFE_NO_PAD.encode(key_manager.name.as_str());
    name.truncate(MOST);
    folder.join(format!("keys-{name}.json"))
}

pub(super) fn write(
    folder: &Path,
    key_manager: &KeyManager,
    kept: &StoredKeySet,
) -> io::Result<()> {
    let path = path(folder, key_manager);
    let temporary = path.with_extension("new");
    let mut file = state_dir::create(&temporary)?;
    serde_json::to_writer(&mut file, kept)?;
    file.flush()?;
    file.sync_all()?;
    state_dir::replace(&temporary, &path)
}

/// Removes the kept key set, if there is one.
pub(super) fn remove(folder: &Path, key_manager: &KeyManager) {
    let path = path(folder, key_manager);
    if let Err(error) = fs::remove_file(&path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(
            target: "portcullis::jwks",
            file = %path.display(),
            %error,
            "kept keys cannot be removed",
        );
    }
}

/// Returns the kept key set; `None` if there is none, or if it cannot be read, which is logged.
pub(super) fn read(folder: &Path, key_manager: &KeyManager) -> Option<StoredKeySet> {
    let path = path(folder, key_manager);
    let file = match state_dir::read(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(
                target: "portcullis::jwks",
                file = %path.display(),
                %error,
                "the last good keys cannot be read",
            );
            return None;
        }
    };
    let kept = serde_json::from_reader(io::BufReader::new(file.take(MOST_BYTES)));
    kept.inspect_err(|error| {
        tracing::warn!(
            target: "portcullis::jwks",
            file = %path.display(),
            %error,
            "the last good keys are not readable as JSON",
        );
    })
    .ok()
}
