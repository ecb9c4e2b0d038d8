//! Owns the way to the snapshot: compares a read configuration with the one in force, applies the
//! difference, publishes it.
//!
//! Nothing else makes or swaps a snapshot while the gateway runs. Changed applications go into the
//! directory's overlay. When it has grown, a background thread compacts it into a new base, and the
//! publisher puts that under the changes that came in the meantime.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::config::{ConfigFiles, Loaded, StoredApplications, StoredObjects, StoredTable};
use crate::jwks::{KeyManagerKeys, KeySets};
use crate::key_managers::OnDemand;
use crate::limiter::counters::Counters;
use crate::limiter::shared::SharedLimiter;
use crate::model::api::Api;
use crate::model::clock::Clock;
use crate::model::directory::{Conflict, Directory, MOST_OVERLAID};
use crate::model::identity::Identities;
use crate::model::key_manager::KeyManager;
use crate::model::{KeyManagerTemplate, Model};

use crate::model::names::{ApiSlot, KeyManagerSlot};
use crate::snapshot::compile::{CompileError, Compiler};
use crate::snapshot::{Snapshot, SnapshotChange, SnapshotState, Snapshots};
use crate::store::StoreError;
use crate::supervise::background;
use crate::supervise::error::SuperviseError;
use crate::supervise::provisioning::StoreReader;
use crate::supervise::reload_pace::ReloadPace;
use crate::supervise::settled_files::{self, ReadBeside, SettledFiles, StoredState};
use crate::telemetry::Metrics;

/// An overlay of more applications than this is compacted. A copy of it takes less than a tenth of
/// a millisecond, and each change makes one.
const COMPACT_BEYOND: usize = 1_000;

/// With many applications, an overlay of more than this share of them, a hundredth, is compacted:
/// to pack a million takes a second of a processor, and a thousand changes come in a second.
const COMPACT_SHARE: usize = 100;

/// The time between two looks; workers look for the newest generation with every request and every
/// tick.
const RETIREMENT_LOOK: Duration = Duration::from_millis(20);
const LONGEST_RETIREMENT: Duration = Duration::from_secs(2);

/// The one owner of compiler, key sets and swap cell.
#[derive(Debug)]
pub(super) struct Publisher {
    identities: Identities,
    compiler: Compiler,
    key_sets: KeySets,
    snapshots: Arc<Snapshots>,
    compacting: Option<oneshot::Receiver<CompactedDirectory>>,
    pub(super) pace: ReloadPace,
}

/// The parts of the process that compiling uses.
#[derive(Debug)]
pub(super) struct PublisherContext<'p> {
    pub(super) metrics: &'p Arc<Metrics>,
    pub(super) workers: usize,
    pub(super) clock: &'p Arc<dyn Clock>,
    pub(super) counters: &'p Arc<Counters>,
    pub(super) limiter: &'p Arc<SharedLimiter>,
}

/// A directory that was compacted in the background.
#[derive(Debug)]
struct CompactedDirectory {
    from: Directory,
    compacted: Result<Directory, Conflict>,
}

impl Publisher {
    /// Publishes the first generation. Key sets are fetched in the background from now on.
    pub(super) fn start(
        identities: Identities,
        model: Model,
        context: &PublisherContext<'_>,
    ) -> Result<(Self, Vec<Arc<KeyManagerKeys>>), CompileError> {
        let PublisherContext { metrics, workers, clock, counters, limiter } = *context;
        let state_dir = model.gateway.state_dir.clone();
        let mut key_sets = KeySets::new(&state_dir, Arc::clone(clock));
        let keys = key_sets.reconcile(&model.key_managers);
        let on_demand = OnDemand::new(&state_dir, Arc::clone(clock));
        let mut compiler = Compiler::new(Arc::clone(metrics), workers)
            .starting(on_demand)
            .counting(Arc::clone(counters), Arc::clone(limiter));
        let snapshots = Arc::new(Snapshots::new(compiler.compile(model, keys.clone())?));
        let (compacting, pace) = (None, ReloadPace::default());
        Ok((Self { identities, compiler, key_sets, snapshots, compacting, pace }, keys))
    }

    pub(super) fn snapshots(&self) -> &Arc<Snapshots> {
        &self.snapshots
    }

    /// Reads and checks the configuration while the workers go on with the one in force, and
    /// compares its applications with those.
    pub(super) async fn read(
        &self,
        path: PathBuf,
        known: Vec<PathBuf>,
        beside: ReadBeside,
    ) -> Result<SettledFiles, SuperviseError> {
        let (identities, current) = (self.identities.clone(), self.snapshots.load());
        let read = move || {
            let mut settled = settled_files::load(&path, &known, &identities, &beside)?;
            let model = &mut settled.loaded.model;
            if let Some(directory) = following(&current, model) {
                model.directory = directory;
            }
            Ok(settled)
        };
        let settled = background::done(self.pace.metered(read)).await;
        settled.ok_or(SuperviseError::Unread)?.map_err(SuperviseError::Configuration)
    }

    /// Reads another configuration, as it is at the moment, to compare it with the one in force.
    pub(super) async fn read_once(
        &self,
        path: PathBuf,
        store: Option<StoreReader>,
    ) -> Result<SettledFiles, SuperviseError> {
        let identities = self.identities.clone();
        let read = move || settled_files::load_once(&path, &identities, store);
        let settled = background::done(read).await;
        settled.ok_or(SuperviseError::Unread)?.map_err(SuperviseError::Configuration)
    }

    /// Puts a model into effect, or changes nothing. Returns the number of the generation.
    pub(super) fn publish(&mut self, model: Model) -> Result<u64, CompileError> {
        let before = self.snapshots.load();
        let keys = self.key_sets.reconcile(&model.key_managers);
        let changes = SnapshotState::of(model, keys).changes_since(&before);
        let snapshot = match self.compiler.apply(&before, changes) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                self.key_sets.take_back();
                return Err(error);
            }
        };
        let generation = snapshot.generation;
        self.begin_compacting(&snapshot.directory);
        self.snapshots.publish(snapshot);
        self.key_sets.commit();
        retire(before);
        Ok(generation)
    }

    /// Reads the whole store again, beside unchanged files.
    pub(super) async fn read_stored(
        &self,
        files: Arc<ConfigFiles>,
        store: Option<StoreReader>,
    ) -> Result<(Loaded, Option<StoredState>), SuperviseError> {
        let (identities, current) = (self.identities.clone(), self.snapshots.load());
        let read = move || {
            let beside = ReadBeside { store, earlier: None };
            let (mut loaded, stored) = settled_files::resolve(&files, &identities, &beside)?;
            if let Some(directory) = following(&current, &loaded.model) {
                loaded.model.directory = directory;
            }
            Ok((loaded, stored))
        };
        let read = background::done(read).await;
        read.ok_or(SuperviseError::Unread)?.map_err(SuperviseError::Configuration)
    }

    /// Reads the configuration with other tables of the store, as far as that can be done without
    /// reading files and applications again.
    pub(super) async fn resolve(
        &self,
        files: Arc<ConfigFiles>,
        tables: Vec<StoredTable>,
    ) -> Result<Loaded, SuperviseError> {
        let (identities, current) = (self.identities.clone(), self.snapshots.load());
        let resolve = move || {
            let applications = StoredApplications::Unchanged {
                directory: current.directory.clone(),
                files: current.settings.files.clone(),
            };
            let loaded = files.resolve_gateway(&identities, StoredObjects { tables, applications });
            let loaded = loaded.map_err(SuperviseError::Configuration)?;
            refuse_dangling(&loaded.model)?;
            Ok(loaded)
        };
        background::done(resolve).await.ok_or(SuperviseError::Unread)?
    }

    /// Puts other applications into effect. Returns the number of the generation.
    pub(super) fn publish_directory(&mut self, directory: Directory) -> Result<u64, CompileError> {
        let before = self.snapshots.load();
        let snapshot = self.compiler.apply(&before, vec![SnapshotChange::Directory(directory)])?;
        let generation = snapshot.generation;
        self.begin_compacting(&snapshot.directory);
        self.snapshots.publish(snapshot);
        retire(before);
        Ok(generation)
    }

    fn begin_compacting(&mut self, directory: &Directory) {
        let beyond =
            (directory.application_count() / COMPACT_SHARE).clamp(COMPACT_BEYOND, MOST_OVERLAID);
        if self.compacting.is_some() || directory.recent_count() <= beyond {
            return;
        }
        let from = directory.clone();
        self.compacting =
            background::begin(move || CompactedDirectory { compacted: from.compacted(), from });
    }

    /// Waits for a directory that is being compacted, and puts it under the changes since. Lookups
    /// give the same results, so it is no new generation. Waits for ever if there is none.
    pub(super) async fn compact(&mut self) {
        let compacted = match &mut self.compacting {
            Some(compacting) => compacting.await.ok(),
            None => std::future::pending().await,
        };
        self.compacting = None;
        if let Some(compacted) = compacted {
            self.rebase(compacted);
        }
    }

    fn rebase(&self, CompactedDirectory { from, compacted }: CompactedDirectory) {
        let compacted = match compacted {
            Ok(compacted) => compacted,
            Err(error) => {
                tracing::warn!(
                    target: "portcullis::supervise",
                    %error,
                    "recent changes of applications stay apart from the others",
                );
                return;
            }
        };
        let before = self.snapshots.load();
        if let Some(directory) = before.directory.rebased(&from, &compacted) {
            self.snapshots.publish(Snapshot { directory, ..Snapshot::clone(&before) });
        }
        retire(before);
        background::free((from, compacted));
    }

    /// Stops fetching keys.
    pub(super) async fn shutdown(self) {
        self.key_sets.shutdown().await;
    }
}

/// Returns the directory in force with the difference to the one that was read, or `None` if the
/// latter is the better base.
fn following(current: &Snapshot, model: &Model) -> Option<Directory> {
    if current.directory.shares_base(&model.directory) {
        return None;
    }
    // a place is a file's number and a line: with other files the numbers mean others
    if current.settings.files != model.files {
        return None;
    }
    let changes = current.directory.difference(&model.directory, MOST_OVERLAID)?;
    current.directory.with(&changes).ok()
}

/// Refuses a model in which applications refer to objects that do not exist. Such a slot may be
/// given to another object, and the applications would gain access to it.
fn refuse_dangling(model: &Model) -> Result<(), StoreError> {
    let apis: HashSet<ApiSlot> = model.apis.iter().map(Api::slot).collect();
    let templates = model.templates.iter().map(KeyManagerTemplate::slot);
    let key_managers: HashSet<KeyManagerSlot> =
        model.key_managers.iter().map(KeyManager::slot).chain(templates).collect();
    for application in model.directory.applications() {
        let whole = application.keys().all(|key| key_managers.contains(&key.key_manager))
            && application.subscriptions().all(|own| apis.contains(&own.api));
        if !whole {
            let message = format!("application {:?} still uses what is removed", application.name);
            return Err(StoreError::Unreadable(message));
        }
    }
    Ok(())
}

/// Lets go of an old generation after the workers have: a million records are freed here, and not
/// between two requests.
fn retire(old: Arc<Snapshot>) {
    let wait = move || {
        let begun = Instant::now();
        while Arc::strong_count(&old) > 1 && begun.elapsed() < LONGEST_RETIREMENT {
            thread::sleep(RETIREMENT_LOOK);
        }
    };
    drop(background::begin(wait));
}

#[cfg(test)]
mod tests;
