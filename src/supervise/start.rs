//! From a file to a running gateway: read, check, bind, compile, serve. A failure on the way leaves
//! nothing running.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::authenticate::cache::Common;
use crate::config::{ConfigFiles, Loaded};
use crate::jwks::KeyManagerKeys;
use crate::limiter::shared::SharedCounters;
use crate::management::Readiness;
use crate::model::Model;
use crate::model::clock::Clock;
use crate::model::gateway::Gateway;
use crate::model::identity::Identities;
use crate::model::redis::RedisServer;
use crate::model::throttling::SharedCounting;
use crate::revocation::channel::Channel;
use crate::state_dir::lock::Lock;
use crate::store::{self, StoreKeys};
use crate::supervise::clock::SystemClock;
use crate::supervise::control_side::{ControlSide, ManagementWanted};
use crate::supervise::error::SuperviseError;
use crate::supervise::facts;
use crate::supervise::file_stamp::FileStamp;
use crate::supervise::inherited::Inherited;
use crate::supervise::last_use::LastUses;
use crate::supervise::listeners::{ListenerChanges, ListenerPlan, Listeners};
use crate::supervise::object_counts;
use crate::supervise::opening::{BoundManagement, HeldResources};
use crate::supervise::own_folder::own_folder;
use crate::supervise::process::Process;
use crate::supervise::provisioning::{Provisioning, StoreReader};
use crate::supervise::publisher::{Publisher, PublisherContext};
use crate::supervise::reload::{Reloader, set_log};
use crate::supervise::running::RunningGateway;
use crate::supervise::saved_counts::{self, KeptCounts};
use crate::supervise::settled_files::{self, SettledFiles};
use crate::supervise::start_settings::{SinceStart, StartSettings};
use crate::supervise::state_dir_turn::turn;
use crate::supervise::takeover_link::TakeoverLink;
use crate::supervise::trace_export::TraceExport;
use crate::supervise::upkeep;
use crate::supervise::warnings::tell_limits;
use crate::supervise::watch::Watch;
use crate::supervise::worker_parts::{WorkerShared, common, worker_parts};
use crate::supervise::workers::WorkerThreads;
use crate::telemetry::{AccessLog, LogHandle, SnapshotFacts, TracerParts};

/// Starts the gateway of this file on the current runtime and on worker threads of its own. Key
/// sets are fetched in the background: an authorization server that is down does not stop the
/// start.
pub async fn start(
    path: &Path,
    log: Option<LogHandle>,
    inherited: Inherited,
) -> Result<RunningGateway, SuperviseError> {
    let identities = Identities::default();
    let store = open_store(path.to_owned()).await?;
    let settled = load(path.to_owned(), identities.clone(), store.clone()).await?;
    let loaded = &settled.loaded;
    if let Some(log) = &log {
        set_log(log, loaded.model.telemetry.log);
    }
    for warning in loaded.warnings.problems() {
        tracing::warn!(target: "portcullis::config", "{warning}");
    }
    tell_limits(&loaded.model, SystemClock.now());
    let age = age_of_copy(store.as_ref()).await;
    let provisioning = Provisioning::new(store, &settled, age);
    Box::pin(assemble(path, settled, provisioning, identities, log, inherited)).await
}

/// Opens the store that the files name, if its objects are to be served.
async fn open_store(path: PathBuf) -> Result<Option<StoreReader>, SuperviseError> {
    let settings = waited(move || ConfigFiles::read(&path).store_settings()).await;
    let Some(settings) = settings.map_err(SuperviseError::Configuration)? else { return Ok(None) };
    own_folder(&settings.state_dir)?;
    let store = store::open(&settings, &settings.state_dir, Arc::new(SystemClock)).await?;
    let keys = StoreKeys::new(&settings)?;
    Ok(store.map(|store| StoreReader::new(store, keys)))
}

/// Returns how long ago the copy that reads are answered from was the same as the store. An age
/// that is not known counts as none.
async fn age_of_copy(store: Option<&StoreReader>) -> Duration {
    let Some(store) = store else { return Duration::ZERO };
    let copied_at = store.store().copied_at().await.ok().flatten();
    let now = SystemClock.milliseconds();
    Duration::from_millis(copied_at.map_or(0, |at| now.saturating_sub(at)))
}

async fn waited<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

/// Reads the files on a thread where waiting is allowed: a million applications take seconds.
async fn load(
    path: PathBuf,
    identities: Identities,
    store: Option<StoreReader>,
) -> Result<SettledFiles, SuperviseError> {
    let loaded = waited(move || settled_files::load_once(&path, &identities, store)).await;
    loaded.map_err(SuperviseError::Configuration)
}

/// A gateway that holds all it needs and serves nothing yet.
struct Staged {
    process: Process,
    settings: Gateway,
    predecessor: Option<TakeoverLink>,
    lock: Lock,
    listeners: Listeners,
    plan: ListenerPlan,
    management: Option<BoundManagement>,
    /// The socket for the process that takes over.
    management_socket: Option<TcpListener>,
    access_log: AccessLog,
    tracer: Option<TracerParts>,
    traces: TraceExport,
    counts: Arc<KeptCounts>,
    publisher: Publisher,
    provisioning: Provisioning,
    common: Common,
}

/// The settings that are used after the model has become a snapshot, and the log that follows them.
struct Lasting {
    log: Option<LogHandle>,
    calls: ManagementWanted,
    channel: Option<RedisServer>,
    shared_counting: Option<SharedCounting>,
    start: Box<SinceStart>,
}

async fn assemble(
    path: &Path,
    settled: SettledFiles,
    provisioning: Provisioning,
    identities: Identities,
    log: Option<LogHandle>,
    inherited: Inherited,
) -> Result<RunningGateway, SuperviseError> {
    let SettledFiles { loaded: Loaded { model, watched, .. }, seen, .. } = settled;
    let process = Process::of(&model);
    if provisioning.follower.is_some() {
        process.metrics.keep_statistics(Arc::clone(&process.clock));
    }
    let opened = HeldResources::of(&model, inherited, &process.metrics)?;
    let HeldResources { mut predecessor, lock, listeners, plan, management, access_log } = opened;
    let (tracer, traces) = TraceExport::start(model.telemetry.traces.as_ref(), &process.metrics);
    facts::show_lost_lines(&process.metrics, &access_log, log.as_ref());
    let management_socket = management.as_ref().and_then(|(socket, _)| socket.try_clone().ok());
    let settings = model.gateway.clone();
    let lasting = Lasting {
        log,
        calls: ManagementWanted::of(&model),
        channel: model.revocation_channel.clone(),
        shared_counting: model.throttling.shared.clone(),
        start: Box::new(SinceStart {
            settings: StartSettings::of(&model),
            management_tls: management.as_ref().and_then(|(_, tls)| tls.clone()),
        }),
    };
    let counts = kept_counts(&settings.state_dir, &process)?;
    let (publisher, keys) = publish(identities, model, &process, &counts)?;
    let lock = turn(lock, predecessor.as_mut(), &keys, &settings.state_dir).await?;
    let snapshots = publisher.snapshots();
    counts.own(&snapshots.load().throttling, saved_counts::time(&counts, &*process.clock));
    let common = common(&settings.state_dir, &*process.clock)?;
    facts::show(&process.metrics, &common, snapshots);
    let staged = Staged {
        process,
        settings,
        predecessor,
        lock,
        listeners,
        plan,
        management,
        management_socket,
        access_log,
        tracer,
        traces,
        counts,
        publisher,
        provisioning,
        common,
    };
    let files = WatchedFiles { path: path.to_owned(), watched, seen };
    Box::pin(staged.serve(lasting, files)).await
}

/// The files of the configuration.
struct WatchedFiles {
    path: PathBuf,
    watched: Vec<PathBuf>,
    seen: Vec<FileStamp>,
}

/// The counters of limits, which each scrape asks.
fn kept_counts(state_dir: &Path, process: &Process) -> Result<Arc<KeptCounts>, SuperviseError> {
    let counts = KeptCounts::open(state_dir, &*process.clock);
    let counts = Arc::new(counts.map_err(|_| SuperviseError::Random)?);
    facts::show_counts(&process.metrics, &counts, &process.limiter);
    Ok(counts)
}

/// Publishes the first generation.
fn publish(
    identities: Identities,
    model: Model,
    process: &Process,
    counts: &KeptCounts,
) -> Result<(Publisher, Vec<Arc<KeyManagerKeys>>), SuperviseError> {
    let facts = facts::snapshot_facts(&model);
    let context = PublisherContext {
        metrics: &process.metrics,
        workers: process.workers,
        clock: &process.clock,
        counters: counts.counters(),
        limiter: &process.limiter,
    };
    let (publisher, keys) = Publisher::start(identities, model, &context)?;
    let generation = publisher.snapshots().load().generation;
    process.metrics.snapshot_installed(&SnapshotFacts { generation, ..facts });
    process.metrics.configuration_loaded(process.clock.now());
    Ok((publisher, keys))
}

impl Staged {
    /// Starts the workers, the control side and the tasks beside them.
    async fn serve(
        self,
        lasting: Lasting,
        files: WatchedFiles,
    ) -> Result<RunningGateway, SuperviseError> {
        let Self { process, settings, predecessor, lock, mut listeners, plan, tracer, .. } = self;
        let Self { management, management_socket, access_log, traces, counts, .. } = self;
        let Self { publisher, provisioning, common, .. } = self;
        let snapshots = Arc::clone(publisher.snapshots());
        let shared = WorkerShared {
            process: &process,
            snapshots: &snapshots,
            access_log: &access_log,
            tracer: tracer.as_ref(),
            common: &common,
        };
        let readiness = Arc::new(Readiness::new(Arc::clone(&snapshots)));
        let threads = work(&settings, &shared, &readiness, &listeners.apply(plan)).await?;
        let (side, at) = (lasting.calls, (&*settings.state_dir, &shared));
        let predecessors = predecessor.as_ref();
        let ControlSide { mut tasks, reload, reloads, live, in_force, gate, control } =
            ControlSide::start(side, management, predecessors, at, &readiness, &provisioning)?;
        let channel = join_channel(&process, &common, lasting.channel.as_ref()).await;
        let shared_counters = share(&process, &counts, lasting.shared_counting.as_ref()).await;
        begin_tasks(&mut tasks, &shared, &counts, &provisioning);
        let reloader = Reloader {
            in_force,
            path: files.path,
            watched: files.watched.clone(),
            publisher,
            metrics: Arc::clone(&process.metrics),
            listeners,
            descriptors: process.descriptors,
            log: lasting.log,
            settings,
            start: lasting.start,
            channel,
            shared_counters,
            clock: process.clock,
            provisioning,
        };
        reloader.note_in_force();
        Ok(RunningGateway {
            reloader,
            threads,
            readiness,
            access_log,
            traces,
            snapshots,
            metrics: process.metrics,
            tasks,
            reload,
            reloads,
            live,
            watch: Watch::new(files.watched, files.seen),
            management_socket,
            lock: Some(lock),
            counts,
            revocations: common.revocations,
            gate,
            control,
            predecessor,
        })
    }
}

/// Begins the tasks beside the requests. If there is a store, it keeps the days on which APIs were
/// used.
fn begin_tasks(
    tasks: &mut JoinSet<()>,
    shared: &WorkerShared<'_>,
    counts: &Arc<KeptCounts>,
    provisioning: &Provisioning,
) {
    let (process, snapshots) = (shared.process, shared.snapshots);
    upkeep::begin(tasks, process, shared.common, snapshots, counts);
    let follower = provisioning.follower.as_ref();
    if let Some(follower) = follower {
        process.metrics.store_found(follower.head().revision, provisioning.age);
        let (store, metrics) = (Arc::clone(follower.reader().store()), &process.metrics);
        tasks.spawn(object_counts::keep(store, Arc::clone(metrics)));
    }
    if let Some((statistics, follower)) = process.metrics.statistics().zip(follower) {
        let uses = LastUses {
            statistics,
            store: Arc::clone(follower.reader().store()),
            snapshots: Arc::clone(snapshots),
            clock: Arc::clone(&process.clock),
        };
        tasks.spawn(uses.keep());
    }
}

/// Starts the workers, and has them accept connections.
async fn work(
    settings: &Gateway,
    shared: &WorkerShared<'_>,
    readiness: &Arc<Readiness>,
    listeners: &ListenerChanges,
) -> Result<WorkerThreads, SuperviseError> {
    let parts = worker_parts(settings, shared)?;
    let threads = WorkerThreads::start(parts, readiness, &shared.process.metrics)?;
    threads.listen_all(&listeners.opened).await;
    Ok(threads)
}

/// Joins the gateways that tell each other of revocations, if the file names a channel.
async fn join_channel(process: &Process, common: &Common, wanted: Option<&RedisServer>) -> Channel {
    let mut channel = Channel::new(Arc::clone(&common.revocations), Arc::clone(&process.clock));
    channel.follow(wanted).await;
    channel
}

/// Begins to compare the counters with those of the other gateways, if the file asks for it.
async fn share(
    process: &Process,
    counts: &KeptCounts,
    counting: Option<&SharedCounting>,
) -> SharedCounters {
    let (limiter, counters) = (Arc::clone(&process.limiter), Arc::clone(counts.counters()));
    let mut shared = SharedCounters::new(limiter, counters, Arc::clone(&process.clock));
    shared.follow(counting).await;
    shared
}
