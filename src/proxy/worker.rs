//! The state that one worker lends to every request on its thread.

use std::cell::Cell;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::HeaderValue;

use crate::assertion::AssertionCache;
use crate::authenticate::cache::{Common, TokenCache};
use crate::budget::descriptors::Descriptors;
use crate::deadline::Deadlines;
use crate::forward::dns::NameCache;
use crate::forward::forwarder::Forwarder;
use crate::forward::pool::Pools;
use crate::forward::via::Via;
use crate::limiter::counters::Counters;
use crate::limiter::time::{ArrivalTime, CountingTime};
use crate::model::clock::Clock;
use crate::proxy::connection::IdleConnections;
use crate::proxy::request_ids::RequestIds;
use crate::proxy::stream::authorization::StreamAuthorizations;
use crate::snapshot::Snapshots;
use crate::snapshot::local::LocalSnapshots;
use crate::telemetry::refusals::Refusals;
use crate::telemetry::{
    AccessWriter, ApplicationRegistry, CallStatistics, ExchangeTrace, TraceContext, Tracer,
    TracerParts, WorkerCounters,
};
use crate::throttle::headers::RateLimitValues;

/// The parts that a worker's thread is given. It makes everything else itself, on its own thread.
#[derive(Debug)]
pub struct WorkerParts {
    pub index: usize,
    pub snapshots: Arc<Snapshots>,
    pub counters: Arc<WorkerCounters>,
    pub access_log: AccessWriter,
    /// `None` if exchanges are not counted by application.
    pub applications: Option<Arc<ApplicationRegistry>>,
    /// `None` if statistics of applications are not offered.
    pub statistics: Option<Arc<CallStatistics>>,
    /// `None` if the gateway makes no spans.
    pub tracer: Option<TracerParts>,
    pub clock: Arc<dyn Clock>,
    pub token_cache_bytes: u64,
    pub common: Common,
    /// A random number of the process and worker: the front half of request ids.
    pub id_prefix: u64,
    pub via: Via,
    /// The name servers to ask; empty: the system's.
    pub dns_servers: Vec<SocketAddr>,
    /// The file descriptors of the process, which all workers share.
    pub descriptors: Arc<Descriptors>,
}

impl WorkerParts {
    /// Returns the parts for a worker that is started again. Nothing that is counted or remembered
    /// begins anew, but request ids do not repeat.
    #[must_use]
    pub fn again(&self) -> Self {
        let mut prefix = [0; 8];
        let id_prefix = match aws_lc_rs::rand::fill(&mut prefix) {
            Ok(()) => u64::from_ne_bytes(prefix),
            Err(_) => self.id_prefix.rotate_left(1).wrapping_add(1),
        };
        Self {
            index: self.index,
            snapshots: Arc::clone(&self.snapshots),
            counters: Arc::clone(&self.counters),
            access_log: self.access_log.again(),
            applications: self.applications.clone(),
            statistics: self.statistics.clone(),
            tracer: self.tracer.clone(),
            clock: Arc::clone(&self.clock),
            token_cache_bytes: self.token_cache_bytes,
            common: self.common.clone(),
            id_prefix,
            via: self.via.clone(),
            dns_servers: self.dns_servers.clone(),
            descriptors: Arc::clone(&self.descriptors),
        }
    }
}

/// The belongings of one worker, all on its thread.
#[derive(Debug)]
pub struct Worker {
    index: usize,
    snapshots: LocalSnapshots,
    cache: TokenCache,
    forwarder: Rc<Forwarder>,
    counters: Arc<WorkerCounters>,
    access_log: AccessWriter,
    applications: Option<Arc<ApplicationRegistry>>,
    statistics: Option<Arc<CallStatistics>>,
    tracer: Option<Tracer>,
    refusals: Arc<Refusals>,
    clock: Arc<dyn Clock>,
    request_ids: RequestIds,
    drawn: Cell<u64>,
    randomness: foldhash::quality::RandomState,
    via: Via,
    overloaded: Cell<bool>,
    stream_authorizations: Rc<StreamAuthorizations>,
    assertions: AssertionCache,
    rate_limit_values: RateLimitValues,
    idle: Rc<IdleConnections>,
    descriptors: Arc<Descriptors>,
}

impl Worker {
    pub fn new(parts: WorkerParts) -> Self {
        let deadlines = Rc::new(Deadlines::default());
        let names = Rc::new(NameCache::new(parts.dns_servers));
        let pools = Pools::new(
            names,
            Rc::clone(&deadlines),
            Arc::clone(&parts.counters),
            Arc::clone(&parts.descriptors),
        );
        let refusals = Arc::clone(&parts.common.refusals);
        let cache =
            TokenCache::new(parts.token_cache_bytes, Arc::clone(&parts.counters), parts.common);
        cache.set_moment(parts.clock.moment());
        let randomness = foldhash::quality::RandomState::default();
        // no two workers of any gateway begin with the same
        let seed =
            u128::from(parts.id_prefix) << 64 | u128::from(randomness.hash_one(parts.id_prefix));
        Self {
            index: parts.index,
            snapshots: LocalSnapshots::new(parts.snapshots),
            cache,
            forwarder: Rc::new(Forwarder {
                pools,
                deadlines,
                counters: Arc::clone(&parts.counters),
            }),
            counters: parts.counters,
            access_log: parts.access_log,
            applications: parts.applications,
            statistics: parts.statistics,
            tracer: parts.tracer.map(|tracer| tracer.tracer(seed)),
            refusals,
            clock: parts.clock,
            request_ids: RequestIds::new(parts.id_prefix),
            drawn: Cell::new(0),
            randomness,
            via: parts.via,
            overloaded: Cell::new(false),
            stream_authorizations: Rc::default(),
            assertions: AssertionCache::default(),
            rate_limit_values: RateLimitValues::default(),
            idle: Rc::default(),
            descriptors: parts.descriptors,
        }
    }

    pub fn index(&self) -> usize {
        self.index
    }

    pub fn snapshots(&self) -> &LocalSnapshots {
        &self.snapshots
    }

    pub fn cache(&self) -> &TokenCache {
        &self.cache
    }

    pub fn forwarder(&self) -> &Rc<Forwarder> {
        &self.forwarder
    }

    pub fn deadlines(&self) -> &Rc<Deadlines> {
        &self.forwarder.deadlines
    }

    pub fn counters(&self) -> &WorkerCounters {
        &self.counters
    }

    pub fn access_log(&self) -> &AccessWriter {
        &self.access_log
    }

    pub fn applications(&self) -> Option<&ApplicationRegistry> {
        self.applications.as_deref()
    }

    pub fn statistics(&self) -> Option<&CallStatistics> {
        self.statistics.as_deref()
    }

    pub fn tracer(&self) -> Option<&Tracer> {
        self.tracer.as_ref()
    }

    /// Begins the trace of an exchange. A gateway that does not trace knows the client's alone.
    pub(super) fn trace(&self, client: Option<TraceContext>) -> Option<ExchangeTrace> {
        match &self.tracer {
            Some(tracer) => Some(tracer.begin(client)),
            None => client.map(ExchangeTrace::of_client),
        }
    }

    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Returns the time at which a request counts: that of its arrival if it has not waited, or
    /// else the clocks' time.
    pub(super) fn counting_time(
        &self,
        counters: &Counters,
        arrived: Option<ArrivalTime>,
    ) -> CountingTime {
        match arrived {
            Some(ArrivalTime { moment, wall }) => counters.time(moment, wall),
            None => counters.time(self.clock().moment(), self.clock().milliseconds()),
        }
    }

    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub fn via(&self) -> &Via {
        &self.via
    }

    pub fn stream_authorizations(&self) -> &Rc<StreamAuthorizations> {
        &self.stream_authorizations
    }

    pub fn idle(&self) -> &Rc<IdleConnections> {
        &self.idle
    }

    pub fn descriptors(&self) -> &Arc<Descriptors> {
        &self.descriptors
    }

    pub fn assertions(&self) -> &AssertionCache {
        &self.assertions
    }

    pub fn rate_limit_values(&self) -> &RateLimitValues {
        &self.rate_limit_values
    }

    /// Returns a number that spreads well. Not for secrets.
    pub fn random(&self) -> u64 {
        let count = self.drawn.get();
        self.drawn.set(count.wrapping_add(1));
        self.randomness.hash_one(count)
    }

    /// Tells whether the worker lags behind. Then it sheds new requests until it has caught up.
    pub fn is_overloaded(&self) -> bool {
        self.overloaded.get()
    }

    pub fn set_overloaded(&self, overloaded: bool) {
        self.overloaded.set(overloaded);
    }

    pub fn request_id(&self) -> HeaderValue {
        self.request_ids.next()
    }

    /// Returns the `jti` for a token that the gateway signs.
    pub fn token_id(&self) -> String {
        self.request_id().to_str().unwrap_or_default().to_owned()
    }
}
