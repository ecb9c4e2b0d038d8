//! The owner of all tasks: which start, which stay, which stop when the configuration changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hashbrown::HashMap;
use tokio::task::{AbortHandle, JoinSet};

use crate::jwks::document::learns_endpoint;
use crate::jwks::keys::KeyManagerKeys;
use crate::jwks::outcome::FetchEnding;
use crate::jwks::refresh_task::RefreshTask;
use crate::jwks::schedule::Moment;
use crate::jwt::KeySet;
use crate::model::clock::Clock;
use crate::model::key_manager::{KeyManager, KeySource};

/// Fetches for every key manager. Dropping it stops all tasks.
#[derive(Debug)]
pub struct KeySets {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    tasks: JoinSet<()>,
    /// The running tasks, by name.
    running: HashMap<String, KeySetEntry>,
    /// The tasks that the last reconciliation replaced, until it is known which configuration is
    /// used.
    replaced: Vec<(String, Option<KeySetEntry>)>,
}

#[derive(Debug, Clone)]
struct KeySetEntry {
    definition: KeyManager,
    keys: Arc<KeyManagerKeys>,
    task: Option<AbortHandle>,
}

impl KeySetEntry {
    fn stop(self) {
        if let Some(task) = self.task {
            task.abort();
        }
        self.keys.retire();
    }
}

impl KeySets {
    /// `state_dir` is where last good keys are kept.
    pub fn new(state_dir: &Path, clock: Arc<dyn Clock>) -> Self {
        Self {
            folder: state_dir.to_owned(),
            clock,
            tasks: JoinSet::new(),
            running: HashMap::new(),
            replaced: Vec::new(),
        }
    }

    /// Starts a task for each key manager of this configuration and returns their keys in its
    /// order. A task with unchanged settings goes on. A replaced task goes on until
    /// [`KeySets::commit`]. Must be called on a runtime; never waits.
    pub fn reconcile(&mut self, key_managers: &[KeyManager]) -> Vec<Arc<KeyManagerKeys>> {
        self.commit();
        while self.tasks.try_join_next().is_some() {}
        let is_wanted = |name: &str| key_managers.iter().any(|wanted| wanted.name.as_str() == name);
        let gone: Vec<String> =
            self.running.keys().filter(|name| !is_wanted(name)).cloned().collect();
        for name in gone {
            let entry = self.running.remove(&name);
            self.replaced.push((name, entry));
        }
        key_managers.iter().map(|wanted| self.keep_or_start(wanted)).collect()
    }

    /// Confirms the configuration of the last reconciliation: the tasks that it replaced stop.
    pub fn commit(&mut self) {
        for (_, earlier) in self.replaced.drain(..) {
            if let Some(earlier) = earlier {
                earlier.stop();
            }
        }
    }

    /// Drops the configuration of the last reconciliation: the tasks that it started stop, and the
    /// earlier ones go on.
    pub fn take_back(&mut self) {
        for (name, earlier) in std::mem::take(&mut self.replaced) {
            if let Some(started) = self.running.remove(&name) {
                started.stop();
            }
            if let Some(earlier) = earlier {
                self.running.insert(name, earlier);
            }
        }
    }

    /// Stops every task.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }

    fn keep_or_start(&mut self, wanted: &KeyManager) -> Arc<KeyManagerKeys> {
        let name = wanted.name.as_str();
        if let Some(entry) = self.running.get(name)
            && asks_the_same(&entry.definition, wanted)
        {
            return Arc::clone(&entry.keys);
        }
        let earlier = self.running.remove(name);
        let entry = self.start(wanted, earlier.as_ref());
        self.replaced.push((name.to_owned(), earlier));
        let keys = Arc::clone(&entry.keys);
        self.running.insert(name.to_owned(), entry);
        keys
    }

    fn start(&mut self, definition: &KeyManager, earlier: Option<&KeySetEntry>) -> KeySetEntry {
        let keys = KeyManagerKeys::new(definition.fetch.request_timeout);
        let task = match &definition.keys {
            _ if !definition.enabled => {
                keys.is_fixed();
                None
            }
            KeySource::None => {
                keys.is_fixed();
                None
            }
            KeySource::Pem { content, .. } => {
                fixed(definition, &keys, KeySet::from_pem(content));
                None
            }
            KeySource::JwksFile { content, .. } => {
                fixed(definition, &keys, KeySet::from_jwks(content));
                None
            }
            KeySource::Discovery { .. } | KeySource::Jwks { .. } => {
                inherit(definition, &keys, earlier);
                let fetcher = RefreshTask {
                    key_manager: definition.clone(),
                    keys: Arc::clone(&keys),
                    folder: self.folder.clone(),
                    kept: Arc::new(AtomicBool::new(true)),
                    clock: Arc::clone(&self.clock),
                };
                // before anything is served: a first request must not find fewer keys than the last
                // run had
                fetcher.restore();
                Some(self.tasks.spawn(fetcher.run()))
            }
        };
        KeySetEntry { definition: definition.clone(), keys, task }
    }
}

/// Keys from a file are read once, with the configuration.
fn fixed(
    definition: &KeyManager,
    keys: &KeyManagerKeys,
    parsed: Result<crate::jwt::ParsedKeySet, crate::jwt::KeySetError>,
) {
    keys.is_fixed();
    match parsed {
        Ok(parsed) => {
            for skipped in &parsed.skipped {
                let (position, reason) = (skipped.position, &skipped.reason);
                tracing::warn!(
                    target: "portcullis::jwks",
                    key_manager = %definition.name,
                    position,
                    %reason,
                    "a key cannot be used; the others are",
                );
            }
            let ending = keys.succeed(parsed.keys, &parsed.skipped, None, None);
            keys.finish(Moment::ZERO, ending);
        }
        Err(error) => {
            let failure = error.into();
            keys.fail(&failure);
            keys.finish(Moment::ZERO, FetchEnding::Failed);
            tracing::error!(
                target: "portcullis::jwks",
                key_manager = %definition.name,
                %failure,
                "the keys cannot be used",
            );
        }
    }
}

/// Keeps good keys if only the way of fetching changes.
fn inherit(definition: &KeyManager, keys: &KeyManagerKeys, earlier: Option<&KeySetEntry>) {
    let Some(earlier) = earlier.filter(|earlier| {
        earlier.definition.keys == definition.keys && earlier.definition.issuer == definition.issuer
    }) else {
        return;
    };
    let state = earlier.keys.current();
    if let (Some(set), Some(age)) = (&state.keys, earlier.keys.age()) {
        keys.rotation.inherit(&earlier.keys.rotation);
        keys.restore(Arc::clone(set), state.issuer.clone(), age);
    }
}

/// Tells whether a running task already asks the wanted server in the wanted way.
fn asks_the_same(running: &KeyManager, wanted: &KeyManager) -> bool {
    let asking = |key_manager: &KeyManager| {
        let KeyManager { enabled, issuer, keys, fetch, .. } = key_manager.clone();
        (enabled, issuer, keys, fetch, learns_endpoint(key_manager))
    };
    asking(running) == asking(wanted)
}
