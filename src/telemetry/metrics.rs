//! Counts, and answers `/metrics` in Prometheus' text format.
//!
//! Workers write to cells of their own and never wait; a scrape sums the cells. A series lives as
//! long as it has a holder: a snapshot holds those of its operations, and a scrape leaves out
//! series without a holder. If a snapshot asks for the labels of a former one that is still alive,
//! it gets the same series, so counters outlive reloads. The method and the status are the only
//! labels that come from a request, each from a closed list.
//!
//! The walk through the files: [`operation`] (exchanges), [`worker`], [`listener`], [`control`]
//! (the control side), [`key_manager`] (early warnings), [`identity`] (revocations and
//! introspection), [`throttling`], [`statistics`] (applications' own), [`collect`] and
//! [`exposition`] (a scrape and its cap), [`families`] (all names), [`cardinality`] (the number of
//! series of a configuration); below them [`cell`], [`histogram`], [`status`] and [`process`].

mod application;
mod cardinality;
mod cell;
mod clock_lead;
mod collect;
mod control;
mod exemplars;
mod exposition;
mod families;
mod family;
mod histogram;
mod identity;
mod key_manager;
mod listener;
mod management;
mod openmetrics;
mod operation;
mod process;
mod reason_counts;
mod registry;
mod sample;
mod scrape_format;
mod statistics;
mod status;
mod throttling;
mod worker;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

pub use self::application::{ApplicationRegistry, ApplicationSeries};
pub use self::cardinality::{
    ExpectedLoad, FamilySeries, UNMATCHED_OPERATION, operation_label, worst_case_series,
};
pub use self::control::{
    BudgetFacts, CertificateFacts, IdentityFacts, IdentitySource, KeyManagerFacts,
    KeyManagerSource, OrganizationFacts, ServerCertificateFacts, SnapshotFacts, StorePlace,
};
pub use self::identity::{ChannelFacts, IntrospectionCounters, RevocationFacts};
pub use self::key_manager::KeyManagerSeries;
pub use self::listener::{ListenerSeries, RefusedConnection, TlsFailure};
pub use self::management::{ManagementCall, ManagementCounters, SignIn, SignUp};
pub use self::operation::{Measured, OperationSeries};
pub use self::scrape_format::ScrapeFormat;
pub use self::statistics::{CallPair, CallReport, CallStatistics, CallWindow, CountedCalls};
pub use self::throttling::{CounterFacts, PolicySeries, SharedCounterFacts};
pub use self::worker::WorkerCounters;

use self::control::Control;
use self::exposition::{Caps, Exposition};
use self::identity::{Introspections, RevocationSource};
use self::key_manager::KeyManagerRegistry;
use self::registry::Registry;
use self::throttling::{CounterSource, PolicyRegistry};
use crate::model::clock::{Clock, UnixSeconds};
use crate::telemetry::traces::TraceCounters;

/// Every count of the process; there is one.
#[derive(Debug)]
pub struct Metrics {
    workers: Vec<Arc<WorkerCounters>>,
    registry: Registry,
    /// The registry holds it too; it is kept here so that it is never forgotten.
    unrouted: Arc<OperationSeries>,
    control: Control,
    revocations: OnceLock<RevocationSource>,
    introspections: Introspections,
    key_managers: KeyManagerRegistry,
    policies: PolicyRegistry,
    applications: OnceLock<Arc<ApplicationRegistry>>,
    statistics: OnceLock<Arc<CallStatistics>>,
    counters: OnceLock<CounterSource>,
    access_log_dropped: OnceLock<Arc<AtomicU64>>,
    log_dropped: OnceLock<Arc<AtomicU64>>,
    traces: OnceLock<Arc<TraceCounters>>,
    management: Arc<ManagementCounters>,
    /// Locked for a whole scrape, because it remembers which label sets have a series.
    caps: Mutex<Caps>,
}

impl Metrics {
    /// For workers `0..workers`. Each family has at most `max_series` series; a histogram has at
    /// least one.
    pub fn new(workers: usize, max_series: usize) -> Arc<Self> {
        let registry = Registry::new(workers);
        let unrouted = registry.operation("", "", UNMATCHED_OPERATION);
        Arc::new(Self {
            workers: (0..workers).map(|_| Arc::default()).collect(),
            registry,
            unrouted,
            control: Control::default(),
            revocations: OnceLock::new(),
            introspections: Introspections::default(),
            key_managers: KeyManagerRegistry::new(workers),
            policies: PolicyRegistry::default(),
            applications: OnceLock::new(),
            statistics: OnceLock::new(),
            counters: OnceLock::new(),
            access_log_dropped: OnceLock::new(),
            log_dropped: OnceLock::new(),
            traces: OnceLock::new(),
            management: Arc::default(),
            caps: Mutex::new(Caps::new(max_series)),
        })
    }

    /// The series of an operation: the same one for the same labels while anything holds it. Called
    /// when a snapshot is compiled, never for a request. The label of an operation is
    /// [`operation_label`]; requests that an API has no operation for go to
    /// [`UNMATCHED_OPERATION`].
    pub fn operation(&self, api: &str, version: &str, operation: &str) -> Arc<OperationSeries> {
        self.registry.operation(api, version, operation)
    }

    /// Returns the metrics of requests that matched no API. Their labels are empty, which no API's
    /// labels are.
    pub fn unrouted(&self) -> Arc<OperationSeries> {
        Arc::clone(&self.unrouted)
    }

    /// The counters of a worker. Those of one that does not exist are shown nowhere.
    pub fn worker(&self, worker: usize) -> Arc<WorkerCounters> {
        self.workers.get(worker).cloned().unwrap_or_default()
    }

    /// The series of a listener: the same one for the same name while anything holds it.
    pub fn listener(&self, name: &str) -> Arc<ListenerSeries> {
        self.registry.listener(name)
    }

    /// Notes that a snapshot took effect.
    pub fn snapshot_installed(&self, facts: &SnapshotFacts) {
        self.control.snapshot(facts);
    }

    /// The gateway started with this configuration.
    pub fn configuration_loaded(&self, at: UnixSeconds) {
        self.control.loaded(at);
    }

    pub fn reload_succeeded(&self, at: UnixSeconds) {
        self.control.reloaded(at);
    }

    /// Sets the expiry of the certificates of the configuration in use.
    pub fn certificates(&self, facts: Vec<CertificateFacts>) {
        self.control.certificates(facts);
    }

    /// A worker thread ended and is started again.
    pub fn worker_restarted(&self) {
        self.control.worker_restarts.add_shared(1);
    }

    /// The system's clock was set, or ran away.
    pub fn clock_jumped(&self, forward: bool) {
        self.control.clock_jumped(forward);
    }

    /// The configuration before stays in use.
    pub fn reload_failed(&self) {
        self.control.reload_failed();
    }

    /// Notes that everything up to this revision of the store is in force.
    pub fn store_in_force(&self, revision: u64) {
        self.control.store_in_force(revision);
    }

    /// Notes the revision of the store that a start found, perhaps in a copy that was the same as
    /// the store this long ago.
    pub fn store_found(&self, revision: u64, age: Duration) {
        self.control.store_found(revision, age);
    }

    /// Notes that this later revision of the store is in force, of which the store has not been
    /// told yet.
    pub fn store_advanced(&self, revision: u64) {
        self.control.store_advanced(revision);
    }

    /// Returns the gateway's place in the history of its store; `None` if there is no store.
    pub fn store_place(&self) -> Option<StorePlace> {
        self.control.store()
    }

    /// Notes how many objects of each kind the store has.
    pub fn store_has(&self, objects: Vec<(&'static str, u64)>) {
        self.control.store_has(objects);
    }

    /// Notes that the store does not answer, or that its changes cannot be put into force.
    pub fn store_failed(&self) {
        self.control.store_failed();
    }

    /// Sets the source of facts about the key managers' keys, which is read at each scrape.
    pub fn key_managers(&self, source: KeyManagerSource) {
        self.control.ask_key_managers(source);
    }

    /// Sets the source of facts about revocations, which is read at each scrape. Only the first
    /// call counts.
    pub fn revocations(&self, source: impl Fn() -> RevocationFacts + Send + Sync + 'static) {
        let _ = self.revocations.set(RevocationSource::new(source));
    }

    /// Returns the counters of a key manager's introspection: the same for the same name while
    /// anything holds them.
    pub fn introspection(&self, key_manager: &str) -> Arc<IntrospectionCounters> {
        self.introspections.of(key_manager)
    }

    /// Returns the series of a key manager, or of a template's organizations: the same for the same
    /// name while anything holds it.
    pub fn key_manager(&self, name: &str) -> Arc<KeyManagerSeries> {
        self.key_managers.of(name)
    }

    /// The series of a throttling policy: the same one for the same name and level while anything
    /// holds it.
    pub fn policy(&self, name: &str, level: &'static str) -> Arc<PolicySeries> {
        self.policies.of(name, level)
    }

    /// The source of the facts about counters. The first call holds.
    pub fn counters(&self, source: impl Fn() -> CounterFacts + Send + Sync + 'static) {
        let _ = self.counters.set(CounterSource::new(source));
    }

    /// Sets the source of facts about callers, which is read at each scrape.
    pub fn identity(&self, source: IdentitySource) {
        self.control.ask_identity(source);
    }

    /// Sets the counter of lines that the access log lost. The first call holds.
    pub fn access_log_dropped(&self, counter: Arc<AtomicU64>) {
        let _ = self.access_log_dropped.set(counter);
    }

    /// Sets the counter of events that the operators' log lost. The first call holds.
    pub fn log_dropped(&self, counter: Arc<AtomicU64>) {
        let _ = self.log_dropped.set(counter);
    }

    /// Counts by application from now on, for at most so many of them, and returns their series.
    pub fn count_applications(&self, most: usize) -> Arc<ApplicationRegistry> {
        let registry = || Arc::new(ApplicationRegistry::new(self.workers.len(), most));
        Arc::clone(self.applications.get_or_init(registry))
    }

    /// Returns the series of applications, if they are counted.
    pub fn applications(&self) -> Option<Arc<ApplicationRegistry>> {
        self.applications.get().cloned()
    }

    /// Keeps statistics of applications from now on, by this clock, and returns them.
    pub fn keep_statistics(&self, clock: Arc<dyn Clock>) -> Arc<CallStatistics> {
        let statistics = || Arc::new(CallStatistics::new(self.workers.len(), clock));
        Arc::clone(self.statistics.get_or_init(statistics))
    }

    /// Returns the statistics of applications, if they are kept.
    pub fn statistics(&self) -> Option<Arc<CallStatistics>> {
        self.statistics.get().cloned()
    }

    /// Returns the counters of exported spans: from the first call on they are shown.
    pub fn traces(&self) -> Arc<TraceCounters> {
        Arc::clone(self.traces.get_or_init(Arc::default))
    }

    /// Returns the counters of the management listener.
    pub fn management(&self) -> &Arc<ManagementCounters> {
        &self.management
    }

    /// Returns all metrics in Prometheus' text format 0.0.4.
    pub fn render(&self) -> String {
        self.scrape(ScrapeFormat::Text)
    }

    /// Returns all metrics in the requested format.
    pub fn scrape(&self, format: ScrapeFormat) -> String {
        let mut caps = self.caps.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = Exposition::new(&mut caps, format);
        let live = self.registry.live();
        collect::exchanges(&mut out, &live.operations, self.registry.statuses());
        collect::apis(&mut out, &live.apis);
        collect::workers(&mut out, &self.workers);
        collect::listeners(&mut out, &live.listeners);
        let lost = |counter: &OnceLock<Arc<AtomicU64>>| {
            counter.get().map_or(0, |lost| lost.load(Ordering::Relaxed))
        };
        management::management(&mut out, &self.management);
        collect::logs(&mut out, lost(&self.access_log_dropped), lost(&self.log_dropped));
        if let Some(traces) = self.traces.get() {
            collect::traces(&mut out, traces);
        }
        collect::key_managers(&mut out, &self.control.key_managers());
        key_manager::judged(&mut out, &self.key_managers.live());
        identity::introspections(&mut out, &self.introspections.live());
        if let Some(source) = self.revocations.get() {
            identity::revocations(&mut out, &source.ask());
        }
        if let Some(registry) = self.applications.get() {
            application::applications(&mut out, registry);
        }
        if let Some(kept) = self.statistics.get() {
            statistics::statistics(&mut out, kept);
        }
        throttling::policies(&mut out, &self.policies.live());
        if let Some(source) = self.counters.get() {
            throttling::counters(&mut out, source.ask());
        }
        collect::identity(&mut out, &self.control.identity());
        collect::control(&mut out, &self.control);
        collect::process(&mut out, &process::read());
        collect::overflow(&mut out);
        out.into_text()
    }
}
