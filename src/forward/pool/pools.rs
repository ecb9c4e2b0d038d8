//! The pools of one worker, one for each target.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::backend::{CompiledTarget, FormerTargetSlot};
use crate::budget::descriptors::{Descriptor, Descriptors};
use crate::deadline::{Deadlines, ticks};
use crate::forward::connect::{self, Connected};
use crate::forward::counted_stream::CountedStream;
use crate::forward::dns::NameCache;
use crate::forward::failure::ForwardError;
use crate::forward::pool::lease::{Lease, LeaseKind};
use crate::forward::pool::shared::SharedConnection;
use crate::forward::pool::target_pool::{Idle, Pool, Spoken, StreamPlace};
use crate::forward::reachable_address::{Reached, Way};
use crate::telemetry::WorkerCounters;

/// Idle connections older than this are closed. It is shorter than the keep-alive of the usual
/// servers (Node.js closes after 5 s, nginx after 75 s), so a request seldom meets a connection
/// that the backend is just closing.
const KEEP_IDLE: Duration = Duration::from_secs(4);

/// HTTP/2 servers send a GOAWAY before they close.
const KEEP_IDLE_HTTP2: Duration = Duration::from_mins(1);

/// Backends close idle connections after whole seconds; one that was used within this time is not
/// about to be closed.
const AGED: Duration = Duration::from_millis(500);

/// The pools of one worker, by [`crate::backend::TargetSlot`]. A pool ends with its target: the
/// slot can be another target's then.
#[derive(Debug)]
pub struct Pools {
    by_slot: RefCell<Vec<Option<SlotPool>>>,
    names: Rc<NameCache>,
    deadlines: Rc<Deadlines>,
    counters: Arc<WorkerCounters>,
    idle_count: Rc<Cell<u64>>,
    descriptors: Arc<Descriptors>,
}

/// A pool, with the slot of its target.
#[derive(Debug)]
struct SlotPool {
    slot: FormerTargetSlot,
    pool: Rc<Pool>,
}

/// The purpose of a connection, which decides the suitable ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionPurpose {
    Exchange,
    /// A new connection for itself alone: of HTTP/1.1, or of HTTP/2 if the target speaks nothing
    /// else. Long streams would hold the places and the window of a shared one.
    Upgrade,
}

impl Pools {
    pub fn new(
        names: Rc<NameCache>,
        deadlines: Rc<Deadlines>,
        counters: Arc<WorkerCounters>,
        descriptors: Arc<Descriptors>,
    ) -> Self {
        Self {
            by_slot: RefCell::new(Vec::new()),
            names,
            deadlines,
            counters,
            idle_count: Rc::default(),
            descriptors,
        }
    }

    /// Returns a number that changes when any name gets other addresses.
    pub fn changes(&self) -> u64 {
        self.names.changes()
    }

    /// Returns the known addresses of a target; none before the first answer. Resolves again when
    /// it is time.
    pub fn addresses(&self, target: &CompiledTarget) -> Rc<[SocketAddr]> {
        let addresses = Rc::clone(&self.pool(target).addresses);
        let known = addresses.known(&self.names);
        if target.networks.is_some() {
            target.healths.note_denied(addresses.is_denied());
        }
        known
    }

    /// Waits for the first answer to the question for a target's addresses.
    pub async fn resolve(
        &self,
        target: &CompiledTarget,
        limit: Duration,
    ) -> Result<(), ForwardError> {
        let addresses = Rc::clone(&self.pool(target).addresses);
        match timeout(limit, addresses.get(&self.names)).await {
            Ok(found) => {
                target.healths.note_denied(addresses.is_denied());
                found.map(|_| ())
            }
            Err(_) => {
                let source = Some(io::Error::from(io::ErrorKind::TimedOut));
                Err(ForwardError::Unresolved { host: target.definition.host.clone(), source })
            }
        }
    }

    /// Takes an open connection to this address of the target.
    pub fn idle(&self, target: &CompiledTarget, wanted: SocketAddr) -> Option<Lease> {
        let pool = self.pool(target);
        let known = pool.addresses.known(&self.names);
        if pool.spoken.get() == Spoken::Http2
            && pool.queued.get() == 0
            && let StreamPlace::Stream(shared) = pool.place(wanted)
        {
            return Some(Lease::stream(pool, &shared, LeaseKind::Reused));
        }
        loop {
            let Idle { mut connection, address, since, doubtful } =
                pool.pop(wanted, known.len())?;
            let age = self.deadlines.now().saturating_sub(since);
            if age <= ticks(KEEP_IDLE) && connection.is_ready() {
                self.counters.backend_connection_reused();
                let kind = if doubtful || pool.doubted_until.get() > self.deadlines.now() {
                    LeaseKind::Doubtful
                } else if age > ticks(AGED) {
                    LeaseKind::Aged
                } else {
                    LeaseKind::Reused
                };
                return Some(Lease::http1(pool, connection, address, kind));
            }
        }
    }

    /// Opens a connection on this way, or a stream of one that others opened, for which a request
    /// waits for `patience`.
    pub async fn connect(
        &self,
        way: &Way<'_>,
        purpose: ConnectionPurpose,
        limit: Duration,
        patience: Duration,
    ) -> Result<Lease, ForwardError> {
        let pool = self.pool(way.target);
        let target = || way.target.label.to_string();
        let waited = async {
            // the first request in the queue is served first
            let mut wait = purpose == ConnectionPurpose::Exchange && pool.queued.get() > 0;
            loop {
                if wait {
                    pool.wait().await;
                }
                wait = true;
                match timeout(limit, self.open(&pool, way, purpose)).await {
                    Ok(Ok(None)) => {}
                    Ok(Ok(Some(lease))) => return Ok(lease),
                    Ok(Err(error)) => return Err(error),
                    Err(_) => {
                        way.failed();
                        self.counters.backend_connection_failed();
                        return Err(ForwardError::ConnectTimeout { target: target() });
                    }
                }
            }
        };
        // a connection that is opened has its own limit, which may be the longer one
        match timeout(patience.saturating_add(limit), waited).await {
            Ok(result) => result,
            Err(_) => Err(ForwardError::NoStream { target: target() }),
        }
    }

    /// Opens a connection, or finds one that others opened in the meantime. `None`: all connections
    /// are full, and no more are allowed.
    async fn open(
        &self,
        pool: &Rc<Pool>,
        way: &Way<'_>,
        purpose: ConnectionPurpose,
    ) -> Result<Option<Lease>, ForwardError> {
        let target = way.target;
        let alone = purpose == ConnectionPurpose::Upgrade;
        let mut connecting = None;
        if !alone && pool.may_share(target) {
            let only_one = pool.only_one().await;
            // the one before may have found out that nothing is shared here
            if pool.may_share(target) {
                match pool.place(way.first) {
                    StreamPlace::Stream(shared) => {
                        return Ok(Some(Lease::stream(
                            Rc::clone(pool),
                            &shared,
                            LeaseKind::Reused,
                        )));
                    }
                    StreamPlace::Full => return Ok(None),
                    StreamPlace::Open => connecting = Some(only_one),
                }
            }
        }
        let already = |address| if alone { None } else { self.idle(target, address) };
        let descriptor = self.descriptor(way)?;
        let connected = match way.reach(already).await {
            Ok(Reached::Already(lease)) => return Ok(Some(lease)),
            Ok(Reached::Opened(address, stream)) => {
                let stream = CountedStream::new(stream, descriptor);
                let opened = Box::pin(connect::open(target, stream, alone)).await;
                opened.map(|connected| (address, connected))
            }
            Err(error) => Err(error),
        };
        self.count_opened(way, connected.as_ref().err());
        let (address, connected) = connected?;
        let lease = Self::first_lease(pool, address, connected, alone);
        drop(connecting);
        Ok(Some(lease))
    }

    /// Counts a connection that was opened, or marks the addresses that took none.
    fn count_opened(&self, way: &Way<'_>, error: Option<&ForwardError>) {
        let Some(error) = error else { return self.counters.backend_connection_opened() };
        self.counters.backend_connection_failed();
        if error.before_sending() {
            way.failed();
        }
    }

    /// Hands out a new connection. Others can share it, unless it is for one request alone.
    fn first_lease(
        pool: &Rc<Pool>,
        address: SocketAddr,
        connected: Connected,
        alone: bool,
    ) -> Lease {
        match connected {
            Connected::Http1(connection) => {
                if !alone {
                    pool.spoken.set(Spoken::Http1);
                }
                Lease::http1(Rc::clone(pool), connection, address, LeaseKind::Fresh)
            }
            Connected::Http2(connection) => {
                let now = pool.deadlines.now();
                let shared =
                    Rc::new(SharedConnection::new(connection, address, &pool.streams, now));
                if !alone {
                    pool.spoken.set(Spoken::Http2);
                    pool.shared.borrow_mut().push(Rc::clone(&shared));
                }
                Lease::stream(Rc::clone(pool), &shared, LeaseKind::Fresh)
            }
        }
    }

    /// Takes a descriptor for a new connection. If they are scarce, the worker's idle connections
    /// go first.
    fn descriptor(&self, way: &Way<'_>) -> Result<Descriptor, ForwardError> {
        let take = || self.descriptors.backend(way.neighbors);
        let descriptor = take().or_else(|| {
            self.close_idle();
            take()
        });
        descriptor.ok_or_else(|| ForwardError::NoShare { target: way.target.label.to_string() })
    }

    fn close_idle(&self) {
        for SlotPool { pool, .. } in self.by_slot.borrow().iter().flatten() {
            pool.close_idle();
            pool.shared.borrow_mut().retain(|shared| shared.streams.get() > 0);
        }
    }

    /// Closes connections that were idle for too long. Called by the worker's tick.
    pub fn sweep(&self) {
        let now = self.deadlines.now();
        let oldest = now.saturating_sub(ticks(KEEP_IDLE));
        let oldest_shared = now.saturating_sub(ticks(KEEP_IDLE_HTTP2));
        self.give_back();
        for SlotPool { pool, .. } in self.by_slot.borrow().iter().flatten() {
            let known = pool.addresses.kept();
            let mut idle = pool.idle.borrow_mut();
            let before = idle.len();
            // an address that the name has no more is left as its requests end
            idle.retain_mut(|idle| {
                idle.since >= oldest && idle.connection.is_open() && known.contains(&idle.address)
            });
            let closed = i64::try_from(before.saturating_sub(idle.len())).unwrap_or_default();
            drop(idle);
            pool.idle_changed(closed.saturating_neg());
            pool.shared.borrow_mut().retain(|shared| {
                let wanted = known.contains(&shared.address)
                    && !shared.retired.get()
                    && shared.since.get() >= oldest_shared;
                !shared.connection.is_closed() && (wanted || shared.streams.get() > 0)
            });
        }
    }

    /// Lets go of the pools of targets that no snapshot and no request uses.
    fn give_back(&self) {
        let mut pools = self.by_slot.borrow_mut();
        for place in pools.iter_mut() {
            if let Some(former) = place.take_if(|former| !former.slot.is_held()) {
                former.pool.close_idle();
            }
        }
        while pools.last().is_some_and(Option::is_none) {
            pools.pop();
        }
    }

    fn pool(&self, target: &CompiledTarget) -> Rc<Pool> {
        let slot = target.slot.position();
        let mut pools = self.by_slot.borrow_mut();
        if pools.len() <= slot {
            pools.resize_with(slot.saturating_add(1), || None);
        }
        let new = || Rc::new(Pool::new(target, &self.deadlines, &self.counters, &self.idle_count));
        let Some(place) = pools.get_mut(slot) else { return new() };
        match place {
            Some(own) if own.slot.is(&target.slot) => Rc::clone(&own.pool),
            _ => {
                let pool = new();
                let slot = target.slot.remembered();
                if let Some(former) = place.replace(SlotPool { slot, pool: Rc::clone(&pool) }) {
                    former.pool.close_idle();
                }
                pool
            }
        }
    }
}
