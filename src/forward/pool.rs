//! Connections to backends, kept by each worker for itself.
//!
//! Decides which idle connection is used again and how long one is kept. A pool is a stack: the connection used last
//! is the one least likely to be closed. Nothing is shared between workers, so nothing is locked.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;

use crate::deadline::{Deadlines, ticks};
use crate::forward::body::RequestBody;
use crate::forward::connect::{self, BackendConnection};
use crate::forward::failure::ForwardError;
use crate::snapshot::backend::CompiledTarget;
use crate::telemetry::WorkerCounters;

/// Idle connections older than this are closed. Shorter than the keep-alive of the usual servers (Node.js closes after
/// 5 s, nginx after 75 s), so that a request seldom meets a connection that the backend is just closing.
const KEEP_IDLE: Duration = Duration::from_secs(4);

/// The pools of one worker, by [`crate::snapshot::backend::TargetSlot`].
#[derive(Debug)]
pub struct Pools {
    by_slot: RefCell<Vec<Option<Rc<Pool>>>>,
    deadlines: Rc<Deadlines>,
    counters: Arc<WorkerCounters>,
    idle_count: Rc<Cell<u64>>,
}

/// The idle connections to one target.
#[derive(Debug)]
pub struct Pool {
    idle: RefCell<Vec<Idle>>,
    most_idle: usize,
    deadlines: Rc<Deadlines>,
    counters: Arc<WorkerCounters>,
    idle_count: Rc<Cell<u64>>,
}

#[derive(Debug)]
struct Idle {
    connection: BackendConnection,
    /// In ticks.
    since: u64,
}

/// A connection in use. Dropping it closes the connection.
#[derive(Debug)]
pub struct Lease {
    pool: Rc<Pool>,
    connection: BackendConnection,
    kind: LeaseKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseKind {
    Fresh,
    Reused,
    /// Idle for so long that the backend may be closing it at this moment.
    Aged,
}

/// Backends close idle connections after whole seconds; one that was used within this time is not about to be closed.
const AGED: Duration = Duration::from_millis(500);

impl Pools {
    pub fn new(deadlines: Rc<Deadlines>, counters: Arc<WorkerCounters>) -> Self {
        Self { by_slot: RefCell::new(Vec::new()), deadlines, counters, idle_count: Rc::default() }
    }

    /// An idle connection to the target.
    pub async fn idle(&self, target: &CompiledTarget) -> Option<Lease> {
        let pool = self.pool(target);
        loop {
            let Idle { mut connection, since } = pool.idle.borrow_mut().pop()?;
            pool.idle_changed(-1);
            let age = self.deadlines.now().saturating_sub(since);
            if age > ticks(KEEP_IDLE) || connection.sender.is_closed() {
                continue;
            }
            // the exchange before it has ended; its connection may need one more turn to notice
            if connection.sender.is_ready() || connection.sender.ready().await.is_ok() {
                self.counters.backend_connection_reused();
                let kind = if age > ticks(AGED) { LeaseKind::Aged } else { LeaseKind::Reused };
                return Some(Lease { pool, connection, kind });
            }
        }
    }

    /// A new connection to the target.
    pub async fn connect(&self, target: &CompiledTarget, timeout: Duration) -> Result<Lease, ForwardError> {
        let connected = connect::connect(target, timeout).await;
        if connected.is_ok() {
            self.counters.backend_connection_opened();
        } else {
            self.counters.backend_connection_failed();
        }
        Ok(Lease { pool: self.pool(target), connection: connected?, kind: LeaseKind::Fresh })
    }

    /// Closes connections that were idle for too long. Called by the worker's tick.
    pub fn sweep(&self) {
        let oldest = self.deadlines.now().saturating_sub(ticks(KEEP_IDLE));
        for pool in self.by_slot.borrow().iter().flatten() {
            let mut idle = pool.idle.borrow_mut();
            let before = idle.len();
            idle.retain(|connection| connection.since >= oldest && !connection.connection.sender.is_closed());
            let closed = i64::try_from(before.saturating_sub(idle.len())).unwrap_or_default();
            drop(idle);
            pool.idle_changed(closed.saturating_neg());
        }
    }

    fn pool(&self, target: &CompiledTarget) -> Rc<Pool> {
        let slot = target.slot.0 as usize;
        let mut pools = self.by_slot.borrow_mut();
        if pools.len() <= slot {
            pools.resize_with(slot.saturating_add(1), || None);
        }
        let new = || {
            Rc::new(Pool {
                idle: RefCell::new(Vec::new()),
                most_idle: target.idle_per_worker,
                deadlines: Rc::clone(&self.deadlines),
                counters: Arc::clone(&self.counters),
                idle_count: Rc::clone(&self.idle_count),
            })
        };
        match pools.get_mut(slot) {
            Some(place) => Rc::clone(place.get_or_insert_with(new)),
            None => new(),
        }
    }
}

impl Pool {
    /// The gauge is over all pools of the worker.
    fn idle_changed(&self, by: i64) {
        self.idle_count.set(self.idle_count.get().saturating_add_signed(by));
        self.counters.backend_connections_idle(self.idle_count.get());
    }
}

impl Lease {
    pub fn kind(&self) -> LeaseKind {
        self.kind
    }

    pub(super) fn sender(&mut self) -> &mut SendRequest<RequestBody> {
        &mut self.connection.sender
    }

    /// Puts the connection back after a whole exchange; closes it where enough are idle.
    pub(super) fn give_back(self) {
        let Self { pool, connection, .. } = self;
        let mut idle = pool.idle.borrow_mut();
        if !connection.sender.is_closed() && idle.len() < pool.most_idle {
            idle.push(Idle { connection, since: pool.deadlines.now() });
            pool.idle_changed(1);
        }
    }
}
