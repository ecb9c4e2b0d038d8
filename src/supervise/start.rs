//! From a file to a running gateway: read, check, bind, compile, serve; a failure on the way leaves
//! nothing running.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::authenticate::Proofs;
use crate::authenticate::cache::Common;
use crate::budget::descriptors::Descriptors;
use crate::config::Loaded;
use crate::forward::via::Via;
use crate::jwks::KeyManagerKeys;
use crate::limiter::shared::{SharedCounters, SharedLimiter};
use crate::listen::{listen, server_config};
use crate::management::{
    Access, CallGate, Explaining, InForce, ManagementState, OwnHosts, Readiness, control, server,
};
use crate::model::Model;
use crate::model::clock::Clock;
use crate::model::gateway::{self, ClientAuth, ListenerTls, Protocols};
use crate::model::identity::Identities;
use crate::model::throttling::SharedCounting;
use crate::proxy::worker::WorkerParts;
use crate::revocation::Revocations;
use crate::revocation::channel::Channel;
use crate::revocation::journal::Journal;
use crate::sign_in::PasswordChecks;
use crate::snapshot::Snapshots;
use crate::state_dir::lock::Lock;
use crate::supervise::clock::SystemClock;
use crate::supervise::clock_watch::{self, ClockReading};
use crate::supervise::counts::{self, KeptCounts};
use crate::supervise::error::{SuperviseError, bind_error};
use crate::supervise::facts::{identity_facts, shared_counters};
use crate::supervise::link::{self, Predecessor, TakeoverLink};
use crate::supervise::listeners::Listeners;
use crate::supervise::own_folder::own_folder;
use crate::supervise::publisher::{Publisher, PublisherContext};
use crate::supervise::reload::{Reloader, key_manager_facts, set_log, snapshot_facts};
use crate::supervise::running::RunningGateway;
use crate::supervise::settled::{self, Settled};
use crate::supervise::takeover::Inherited;
use crate::supervise::trace_export::TraceExport;
use crate::supervise::warnings::tell_limits;
use crate::supervise::watch::Watch;
use crate::supervise::workers::{self, WorkerThreads};
use crate::supervise::{certificates, descriptors};
use crate::telemetry::{AccessLog, CounterFacts, LogHandle, Metrics, SnapshotFacts, TracerParts};

/// Reloads that may wait for one that is under way; more callers wait in their own connection.
const RELOAD_QUEUE: usize = 16;

/// Starts the gateway of this file on the current runtime and on worker threads of its own. Key
/// sets are fetched in the background: an authorization server that is down does not stop the
/// start.
pub async fn start(
    path: &Path,
    log: Option<LogHandle>,
    inherited: Inherited,
) -> Result<RunningGateway, SuperviseError> {
    let identities = Identities::default();
    let settled = load(path.to_owned(), identities.clone()).await?;
    let loaded = &settled.loaded;
    if let Some(log) = &log {
        set_log(log, loaded.model.telemetry.log);
    }
    for warning in loaded.warnings.problems() {
        tracing::warn!(target: "portcullis::config", "{warning}");
    }
    tell_limits(&loaded.model, SystemClock.now());
    Box::pin(assemble(path, settled, identities, log, inherited)).await
}

fn shares(model: &Model) -> Arc<Descriptors> {
    Arc::new(Descriptors::new(descriptors::division(model, descriptors::limit(false))))
}

/// Reads the files on a thread where waiting is allowed: a million applications take seconds.
async fn load(path: PathBuf, identities: Identities) -> Result<Settled, SuperviseError> {
    match tokio::task::spawn_blocking(move || settled::load_once(&path, &identities)).await {
        Ok(loaded) => loaded.map_err(SuperviseError::Configuration),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

async fn assemble(
    path: &Path,
    settled: Settled,
    identities: Identities,
    log: Option<LogHandle>,
    mut inherited: Inherited,
) -> Result<RunningGateway, SuperviseError> {
    let Settled { loaded: Loaded { model, watched, .. }, seen } = settled;
    let state_dir = model.gateway.state_dir.clone();
    own_folder(&state_dir)?;
    let predecessor = inherited.predecessor.take().map(Predecessor::link).transpose();
    let mut predecessor = predecessor.map_err(SuperviseError::Predecessor)?;
    // in a takeover the old process has it for now
    let lock = predecessor.is_none().then(|| take_lock(&state_dir)).transpose()?;
    let worker_count = workers::count(model.gateway.workers);
    let metrics = Metrics::new(worker_count, model.telemetry.max_series);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let first_reading = clock_watch::read(&*clock);

    let mut listeners = Listeners::default();
    let plan = listeners.plan(&model.listeners, &mut inherited, &metrics)?;
    let management = bind_management(model.management.as_ref(), &mut inherited)?;
    inherited.close_unused();
    let management_socket = management.as_ref().and_then(|(socket, _)| socket.try_clone().ok());
    let access_log = AccessLog::open(&model.telemetry.access_log)?;
    let (tracer, traces) = TraceExport::start(model.telemetry.traces.as_ref(), &metrics);
    show_lost_lines(&metrics, &access_log, log.as_ref());

    let limiter = Arc::<SharedLimiter>::default();
    let counts = kept_counts(&state_dir, &*clock, &metrics, &limiter)?;
    let (settings, addresses) =
        (model.gateway.clone(), management.as_ref().map(|(socket, _)| socket.local_addr()));
    let facts = snapshot_facts(&model);
    let management_settings = model.management.clone();
    metrics.certificates(certificates::facts(&model));
    let (descriptors, notices) = (shares(&model), model.revocation_notices);
    let (talking, counting) = (model.revocation_channel.clone(), model.throttling.shared.clone());
    let context = PublisherContext {
        metrics: &metrics,
        workers: worker_count,
        clock: &clock,
        counters: counts.counters(),
        limiter: &limiter,
    };
    let (publisher, keys) = Publisher::start(identities, model, &context)?;
    let snapshots = Arc::clone(publisher.snapshots());
    show_snapshot(&metrics, &snapshots, facts, &*clock);

    let lock = turn(lock, predecessor.as_mut(), &keys, &state_dir).await?;
    counts.own(&snapshots.load().throttling, counts::time(&counts, &*clock));
    let common = common(&state_dir, &*clock)?;
    show(&metrics, &common, &snapshots);

    let shared = WorkerShared {
        snapshots: &snapshots,
        metrics: &metrics,
        access_log: &access_log,
        tracer: tracer.as_ref(),
        clock: &clock,
        common: &common,
        descriptors: &descriptors,
    };
    let parts = walk_parts(worker_count, &settings, &shared)?;
    let readiness = Arc::new(Readiness::new(Arc::clone(&snapshots)));
    let threads = WorkerThreads::start(parts, &readiness, &metrics)?;
    threads.listen_all(&listeners.apply(plan).opened).await;

    let (reload, reloads) = mpsc::channel(RELOAD_QUEUE);
    let in_force = Arc::<InForce>::default();
    let answers =
        answers(&shared, &readiness, reload.clone(), management_settings, notices, &in_force);
    let [gate, control] = [(); 2].map(|()| Arc::new(CallGate::new(predecessor.is_none())));
    let mut tasks = serve_management(management, answers, &gate, (&state_dir, &control))?;
    let mut channel = Channel::new(Arc::clone(&common.revocations), Arc::clone(&clock));
    channel.follow(talking.as_ref()).await;
    let shared_counters = share(&limiter, &counts, &clock, counting.as_ref()).await;
    let revocations = Arc::clone(&common.revocations);
    tend(&mut tasks, first_reading, common, &clock, &metrics, &snapshots);
    tasks.spawn(counts::keep(Arc::clone(&counts), Arc::clone(&clock)));
    let reloader = Reloader {
        in_force,
        path: path.to_owned(),
        watched: watched.clone(),
        publisher,
        metrics: Arc::clone(&metrics),
        listeners,
        descriptors,
        log,
        settings,
        channel,
        shared_counters,
        clock,
    };
    reloader.note_in_force();
    Ok(RunningGateway {
        reloader,
        threads,
        readiness,
        access_log,
        traces,
        snapshots,
        metrics,
        tasks,
        reload,
        reloads,
        watch: Watch::new(watched, seen),
        management_address: addresses.and_then(Result::ok),
        management_socket,
        lock: Some(lock),
        counts,
        revocations,
        gate,
        control,
        predecessor,
    })
}

/// Begins to compare the counters with those of the other gateways, if the file wants it.
async fn share(
    limiter: &Arc<SharedLimiter>,
    counts: &KeptCounts,
    clock: &Arc<dyn Clock>,
    counting: Option<&SharedCounting>,
) -> SharedCounters {
    let counters = Arc::clone(counts.counters());
    let mut shared = SharedCounters::new(Arc::clone(limiter), counters, Arc::clone(clock));
    shared.follow(counting).await;
    shared
}

/// The counters of limits, which each scrape asks.
fn kept_counts(
    state_dir: &Path,
    clock: &dyn Clock,
    metrics: &Metrics,
    limiter: &Arc<SharedLimiter>,
) -> Result<Arc<KeptCounts>, SuperviseError> {
    let counts = KeptCounts::open(state_dir, clock).map_err(|_| SuperviseError::Random)?;
    let counts = Arc::new(counts);
    let (asked, limiter) = (Arc::clone(&counts), Arc::clone(limiter));
    metrics.counters(move || CounterFacts {
        live: asked.counters().live() as u64,
        most: asked.counters().most() as u64,
        shared: asked.counters().overflowed(),
        failures: asked.failures(),
        of_all_gateways: limiter.status().numbers().map(shared_counters),
    });
    Ok(counts)
}

fn show_lost_lines(metrics: &Metrics, access_log: &AccessLog, log: Option<&LogHandle>) {
    metrics.access_log_dropped(access_log.dropped());
    if let Some(log) = log {
        metrics.log_dropped(log.dropped());
    }
}

fn show_snapshot(
    metrics: &Metrics,
    snapshots: &Snapshots,
    facts: SnapshotFacts,
    clock: &dyn Clock,
) {
    let generation = snapshots.load().generation;
    metrics.snapshot_installed(&SnapshotFacts { generation, ..facts });
    metrics.configuration_loaded(clock.now());
}

/// Sets the sources that each scrape asks.
fn show(metrics: &Metrics, common: &Common, snapshots: &Arc<Snapshots>) {
    let facts_of = Arc::clone(snapshots);
    metrics.key_managers(Box::new(move || key_manager_facts(&facts_of.load())));
    let of_revocations = Arc::clone(&common.revocations);
    metrics.revocations(move || of_revocations.facts());
    let (known, facts_of) = (common.clone(), Arc::clone(snapshots));
    metrics.identity(Box::new(move || identity_facts(&known, &facts_of.load())));
}

/// The state that all workers read.
struct WorkerShared<'s> {
    snapshots: &'s Arc<Snapshots>,
    metrics: &'s Arc<Metrics>,
    access_log: &'s AccessLog,
    tracer: Option<&'s TracerParts>,
    clock: &'s Arc<dyn Clock>,
    common: &'s Common,
    descriptors: &'s Arc<Descriptors>,
}

fn walk_parts(
    count: usize,
    settings: &gateway::Gateway,
    shared: &WorkerShared<'_>,
) -> Result<Vec<WorkerParts>, SuperviseError> {
    let via = Via::new(random()?);
    let share = settings.token_cache_bytes.checked_div(count as u64).unwrap_or_default();
    let parts = (0..count).map(|index| {
        Ok(WorkerParts {
            index,
            snapshots: Arc::clone(shared.snapshots),
            counters: shared.metrics.worker(index),
            access_log: shared.access_log.writer(),
            tracer: shared.tracer.cloned(),
            clock: Arc::clone(shared.clock),
            common: shared.common.clone(),
            token_cache_bytes: share,
            id_prefix: random()?,
            via: via.clone(),
            dns_servers: settings.dns_servers.clone(),
            descriptors: Arc::clone(shared.descriptors),
        })
    });
    parts.collect()
}

fn random() -> Result<u64, SuperviseError> {
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).map_err(|_| SuperviseError::Random)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// The lock, in a takeover when it is this process' turn.
async fn turn(
    lock: Option<Lock>,
    predecessor: Option<&mut TakeoverLink>,
    keys: &[Arc<KeyManagerKeys>],
    state_dir: &Path,
) -> Result<Lock, SuperviseError> {
    if let Some(link) = predecessor {
        await_turn(link, keys).await?;
    }
    match lock {
        Some(lock) => Ok(lock),
        None => take_released_lock(state_dir).await,
    }
}

/// Says that everything is read, and waits until the old process has let the journal go. Keys come
/// first: requests are served from then on.
async fn await_turn(
    link: &mut TakeoverLink,
    keys: &[Arc<KeyManagerKeys>],
) -> Result<(), SuperviseError> {
    const KEYS: Duration = Duration::from_secs(10);
    const JOURNAL: Duration = Duration::from_mins(3);
    let settled = async {
        for keys in keys {
            if !keys.status().usable {
                keys.settled().await;
            }
        }
    };
    // what has no keys by then has none in the old process either
    let _ = tokio::time::timeout(KEYS, settled).await;
    link.say(link::STAGED).await.map_err(SuperviseError::Predecessor)?;
    // where the old process has died, its lock has gone with it; where it lives, the lock says so
    let _ = link.wait_for(&[link::JOURNAL], JOURNAL).await;
    Ok(())
}

/// The lock of a process that let it go, or is about to be dead.
async fn take_released_lock(path: &Path) -> Result<Lock, SuperviseError> {
    const TRIES: u32 = 100;
    for _ in 0..TRIES {
        if let Ok(lock) = Lock::take(path) {
            return Ok(lock);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    take_lock(path)
}

fn take_lock(path: &Path) -> Result<Lock, SuperviseError> {
    Lock::take(path).map_err(|source| SuperviseError::Lock { path: path.to_owned(), source })
}

fn answers(
    shared: &WorkerShared<'_>,
    readiness: &Arc<Readiness>,
    reload: mpsc::Sender<crate::management::ReloadRequest>,
    management: Option<gateway::ManagementSettings>,
    notices: bool,
    in_force: &Arc<InForce>,
) -> ManagementState {
    let (users, hosts) =
        management.map(|management| (management.users, management.hosts)).unwrap_or_default();
    let counters = Arc::clone(shared.metrics.management());
    let passwords = Arc::new(PasswordChecks::new(Arc::clone(shared.clock), counters));
    ManagementState {
        metrics: Arc::clone(shared.metrics),
        readiness: Arc::clone(readiness),
        reload,
        access: Access::new(users.into(), passwords),
        hosts: OwnHosts::new(&hosts),
        revocations: Arc::clone(&shared.common.revocations),
        notices,
        snapshots: Arc::clone(shared.snapshots),
        clock: Arc::clone(shared.clock),
        explaining: Explaining::new(shared.common.clone(), Arc::clone(in_force)),
    }
}

fn serve_management(
    management: Option<BoundManagement>,
    answers: ManagementState,
    gate: &Arc<CallGate>,
    (state_dir, control): (&Path, &Arc<CallGate>),
) -> Result<JoinSet<()>, SuperviseError> {
    let mut tasks = JoinSet::new();
    let answers = Arc::new(answers);
    // in a takeover the old process has the place for now
    let bound = control.is_open().then(|| control::ControlSocket::bind(state_dir, control));
    let bound = bound
        .and_then(|bound| bound.inspect_err(|error| control::unavailable(state_dir, error)).ok());
    tasks.spawn(control::serve(
        state_dir.to_owned(),
        bound,
        Arc::clone(&answers),
        Arc::clone(control),
    ));
    if let Some((socket, tls)) = management {
        let socket = tokio::net::TcpListener::from_std(socket).map_err(|source| {
            bind_error("management", SocketAddr::from(([0, 0, 0, 0], 0)), None, source)
        })?;
        tasks.spawn(server::serve(socket, tls, answers, Arc::clone(gate)));
    }
    Ok(tasks)
}

/// Starts the tasks beside the requests.
fn tend(
    tasks: &mut JoinSet<()>,
    first_reading: Option<ClockReading>,
    common: Common,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
    snapshots: &Arc<Snapshots>,
) {
    tasks.spawn(clock_watch::watch(
        first_reading,
        Arc::clone(clock),
        Arc::clone(metrics),
        Arc::clone(&common.revocations),
    ));
    tasks.spawn(forget_expired(common, Arc::clone(clock)));
    tasks.spawn(tend_organizations(Arc::clone(snapshots), Arc::clone(clock)));
}

/// Takes out revocations whose tokens have expired, and clients that owe nothing, now and then.
async fn forget_expired(common: Common, clock: Arc<dyn Clock>) {
    const EACH: Duration = Duration::from_mins(1);
    loop {
        tokio::time::sleep(EACH).await;
        let (revocations, now) = (Arc::clone(&common.revocations), clock.forget_before());
        common.budgets.forget_settled(clock.moment());
        common.refusals.forget_old(clock.moment());
        // a failure is told and counted there; this is tried again
        let _ = tokio::task::spawn_blocking(move || revocations.forget_expired(now)).await;
    }
}

/// Looks after organizations that nobody listed.
async fn tend_organizations(snapshots: Arc<Snapshots>, clock: Arc<dyn Clock>) {
    const EACH: Duration = Duration::from_millis(500);
    loop {
        tokio::time::sleep(EACH).await;
        snapshots.load().tend_organizations(clock.moment());
    }
}

/// Makes the memory that all workers share, with the revocations from before the start.
fn common(state_dir: &Path, clock: &dyn Clock) -> Result<Common, SuperviseError> {
    let mut secret = [0; 32];
    rand::fill(&mut secret).map_err(|_| SuperviseError::Random)?;
    let revocations = Arc::new(revocations(state_dir, clock)?);
    Ok(Common {
        proofs: Arc::new(Proofs::new(&secret)),
        revocations,
        budgets: Arc::default(),
        refusals: Arc::default(),
    })
}

fn revocations(state_dir: &Path, clock: &dyn Clock) -> Result<Revocations, SuperviseError> {
    let opened = Journal::open(state_dir, clock.forget_before());
    let opened =
        opened.map_err(|source| SuperviseError::StateDir { path: state_dir.to_owned(), source })?;
    Ok(Revocations::kept(opened))
}

type BoundManagement = (TcpListener, Option<Arc<rustls::ServerConfig>>);

fn bind_management(
    management: Option<&gateway::ManagementSettings>,
    inherited: &mut Inherited,
) -> Result<Option<BoundManagement>, SuperviseError> {
    let Some(management) = management else { return Ok(None) };
    let tls = management.tls.as_ref().map(|pair| {
        let tls =
            ListenerTls { default: pair.clone(), by_name: Vec::new(), clients: ClientAuth::None };
        server_config(&tls, Protocols::Http1)
    });
    let tls = tls
        .transpose()
        .map_err(|source| SuperviseError::Tls { listener: "management".to_owned(), source })?;
    let socket = inherited.take(management.address).map_or_else(|| listen(management.address), Ok);
    let socket = socket.and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
    let passed = inherited.beside(management.address);
    let socket =
        socket.map_err(|error| bind_error("management", management.address, passed, error))?;
    tracing::info!(
        target: "portcullis::supervise",
        address = %management.address,
        "management listening",
    );
    Ok(Some((socket, tls)))
}
