//! The next generation: read, check, bind, compile; only when all of that went well is anything in
//! use touched.

use std::path::PathBuf;
use std::sync::Arc;

use crate::budget::descriptors::Descriptors;
use crate::config::{EarlierReading, Loaded};
use crate::explain::Listening;
use crate::limiter::shared::SharedCounters;
use crate::management::{InForce, InForceState, ReloadOutcome, Removals};
use crate::model::Model;
use crate::model::clock::Clock;
use crate::model::gateway::{Gateway, Log};
use crate::revocation::channel::Channel;
use crate::supervise::error::SuperviseError;
use crate::supervise::facts::snapshot_facts;
use crate::supervise::file_stamp::FileStamp;
use crate::supervise::inherited::Inherited;
use crate::supervise::inventory::Inventory;
use crate::supervise::listeners::{ListenerChanges, Listeners};
use crate::supervise::opening::management_tls;
use crate::supervise::provisioning::{ApiSettings, Provisioning};
use crate::supervise::publisher::Publisher;
use crate::supervise::settled_files::{ReadBeside, SettledFiles};
use crate::supervise::start_settings::{SinceStart, StartSettings};
use crate::supervise::warnings::tell_limits;
use crate::supervise::workers::WorkerThreads;
use crate::supervise::{certificates, descriptors};
use crate::telemetry::{LogHandle, Metrics, SnapshotFacts};

/// The state of reloading, which nothing else touches.
#[derive(Debug)]
pub struct Reloader {
    pub path: PathBuf,
    /// The files of the last reading.
    pub watched: Vec<PathBuf>,
    pub(super) publisher: Publisher,
    pub metrics: Arc<Metrics>,
    pub listeners: Listeners,
    pub descriptors: Arc<Descriptors>,
    pub log: Option<LogHandle>,
    pub settings: Gateway,
    pub(super) start: Box<SinceStart>,
    pub channel: Channel,
    pub shared_counters: SharedCounters,
    pub clock: Arc<dyn Clock>,
    /// The facts for commands.
    pub in_force: Arc<InForce>,
    pub(super) provisioning: Provisioning,
}

/// A reload that worked.
#[derive(Debug)]
pub struct Reloaded {
    pub generation: u64,
    /// The files to watch from now on.
    pub watched: Vec<PathBuf>,
    pub(super) seen: Vec<FileStamp>,
}

impl Reloader {
    /// Reads the configuration again and puts it into effect, or changes nothing.
    pub async fn reload(
        &mut self,
        threads: &WorkerThreads,
        removals: Removals,
    ) -> Result<Reloaded, SuperviseError> {
        let result = self.try_reload(threads, removals).await;
        self.publisher.pace.ended();
        match &result {
            Ok(Reloaded { generation, .. }) => {
                self.metrics.reload_succeeded(self.clock.now());
                tracing::info!(
                    target: "portcullis::supervise",
                    generation,
                    "configuration reloaded",
                );
            }
            Err(error) => {
                self.metrics.reload_failed();
                tracing::error!(
                    target: "portcullis::supervise",
                    report = %error.describe(),
                    "configuration not reloaded; nothing changed",
                );
            }
        }
        result
    }

    async fn try_reload(
        &mut self,
        threads: &WorkerThreads,
        removals: Removals,
    ) -> Result<Reloaded, SuperviseError> {
        let SettledFiles { loaded, seen, stored } = self.read().await?;
        let Loaded { model, watched, warnings, files, names, application_files } = loaded;
        if removals == Removals::Guarded {
            self.inventory().guard(&Inventory::of(&model), self.settings.reload_max_removed)?;
        }
        for warning in warnings.problems() {
            tracing::warn!(target: "portcullis::config", "{warning}");
        }
        self.tell_what_waits(&model);
        let management_tls = model.management.as_ref().map(management_tls).transpose()?.flatten();
        tell_limits(&model, self.clock.now());
        let plan =
            self.listeners.plan(&model.listeners, &mut Inherited::default(), &self.metrics)?;
        let log = model.telemetry.log;
        let facts = snapshot_facts(&model);
        let (drain_delay, drain_timeout) = (model.gateway.drain_delay, model.gateway.drain_timeout);
        let reload_max_removed = model.gateway.reload_max_removed;
        let channel = model.revocation_channel.clone();
        let counting = model.throttling.shared.clone();
        let certificates = certificates::facts(&model);
        let division = descriptors::division(&model, descriptors::limit(false));
        let api_settings = ApiSettings::of(&model);
        let generation = self.publisher.publish(model)?;
        if let (Some(used), Some(new)) = (&self.start.management_tls, management_tls) {
            used.store(new);
        }
        self.metrics.certificates(certificates);
        self.descriptors.divide(division);
        self.metrics.snapshot_installed(&SnapshotFacts { generation, ..facts });
        (self.settings.drain_delay, self.settings.drain_timeout) = (drain_delay, drain_timeout);
        self.settings.reload_max_removed = reload_max_removed;
        if let Some(handle) = &self.log {
            set_log(handle, log);
        }
        self.channel.follow(channel.as_ref()).await;
        self.shared_counters.follow(counting.as_ref()).await;
        let changes = self.listeners.apply(plan);
        close_listeners(&changes, threads).await;
        threads.listen_all(&changes.opened).await;
        self.note_in_force();
        let provisioning = &mut self.provisioning;
        provisioning.replace_files(files, names, application_files, api_settings).await;
        if let (Some(follower), Some(state)) = (&mut self.provisioning.follower, stored) {
            follower.arrived(state.head, Some(state.tables));
        }
        self.watched.clone_from(&watched);
        Ok(Reloaded { generation, watched, seen })
    }

    async fn read(&self) -> Result<SettledFiles, SuperviseError> {
        let store = self.provisioning.follower.as_ref().map(|own| own.reader().clone());
        let earlier = match (&store, &self.provisioning.application_files) {
            // applications of the store would be in the directory too
            (None, Some(read)) => Some(EarlierReading {
                read: Arc::clone(read),
                directory: self.publisher.snapshots().load().directory.clone(),
            }),
            _ => None,
        };
        let beside = ReadBeside { store, earlier };
        self.publisher.read(self.path.clone(), self.watched.clone(), beside).await
    }

    /// Notes the configuration that is in force from now on.
    pub fn note_in_force(&self) {
        let listening = self.listeners.iter().map(|socket| Listening {
            name: socket.name.to_string(),
            address: socket.address,
            tls: socket.settings.load().tls.is_some(),
        });
        self.in_force.set(InForceState {
            listening: listening.collect(),
            reload_max_removed: self.settings.reload_max_removed,
        });
    }

    /// Refuses a takeover by a process whose files would take away more than a reload may. Files
    /// with errors are left to the new process, which may know more settings than this one.
    pub(super) async fn guard_takeover(&self) -> Result<(), SuperviseError> {
        match self.read().await {
            Ok(SettledFiles { loaded, .. }) => {
                let next = Inventory::of(&loaded.model);
                Ok(self.inventory().guard(&next, self.settings.reload_max_removed)?)
            }
            Err(_) => Ok(()),
        }
    }

    /// Counts the objects of the configuration in use.
    pub(super) fn inventory(&self) -> Inventory {
        let snapshot = self.publisher.snapshots().load();
        Inventory {
            listeners: self.listeners.iter().count(),
            apis: snapshot.routes.apis.len(),
            applications: snapshot.directory.application_count(),
        }
    }

    fn tell_what_waits(&self, file: &Model) {
        let changed = self.start.settings.changed(&StartSettings::of(file));
        if !changed.is_empty() {
            tracing::warn!(
                target: "portcullis::supervise",
                settings = changed.join(", "),
                "changes of these settings take effect at the next start",
            );
        }
    }
}

async fn close_listeners(changes: &ListenerChanges, threads: &WorkerThreads) {
    for listener in &changes.closed {
        listener.close();
        threads.unlisten(listener).await;
        tracing::info!(
            target: "portcullis::supervise",
            listener = %listener.name,
            address = %listener.address,
            "no longer listening",
        );
    }
}

impl From<Result<Reloaded, SuperviseError>> for ReloadOutcome {
    fn from(result: Result<Reloaded, SuperviseError>) -> Self {
        match result {
            Ok(Reloaded { generation, .. }) => Self::Applied { generation },
            Err(error) => Self::Refused { report: error.describe() },
        }
    }
}

/// The log follows the configuration.
pub(super) fn set_log(handle: &LogHandle, log: Log) {
    if let Err(error) = handle.set(log) {
        tracing::warn!(target: "portcullis::supervise", %error, "the log level stays as it was");
    }
}
