//! The open connections of one worker to one target.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::backend::CompiledTarget;
use crate::deadline::Deadlines;
use crate::forward::dns::Addresses;
use crate::forward::http1_connection::Http1Connection;
use crate::forward::multiplexed::MOST_STREAMS;
use crate::forward::pool::shared::SharedConnection;
use crate::model::backend::Http2;
use crate::telemetry::WorkerCounters;

/// The most HTTP/2 connections that one worker opens to one target; beyond, requests wait for a
/// stream. There are more only for a backend that allows so few streams that [`MOST_STREAMS`] would
/// not fit.
const MOST_SHARED: usize = 8;

/// The open connections to one target.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) addresses: Rc<Addresses>,
    pub(super) idle: RefCell<Vec<Idle>>,
    pub(super) shared: RefCell<Vec<Rc<SharedConnection>>>,
    pub(super) spoken: Cell<Spoken>,
    /// The tick until which a reused connection may carry unrequested bytes.
    pub(super) doubted_until: Cell<u64>,
    connecting: Cell<bool>,
    connected: Notify,
    /// Tells waiting requests that there may be a stream.
    pub(super) streams: Rc<Notify>,
    /// The number of requests that wait.
    pub(super) queued: Cell<usize>,
    pub(super) most_idle: usize,
    pub(super) deadlines: Rc<Deadlines>,
    counters: Arc<WorkerCounters>,
    idle_count: Rc<Cell<u64>>,
}

/// An HTTP/1.1 connection between two exchanges.
#[derive(Debug)]
pub(super) struct Idle {
    pub(super) connection: Box<Http1Connection>,
    pub(super) address: SocketAddr,
    /// The tick since which it is idle.
    pub(super) since: u64,
    /// The last answer on it may be followed by bytes that belong to no request.
    pub(super) doubtful: bool,
}

/// The protocol that a target spoke on the last connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    Unknown,
    Http1,
    Http2,
}

/// The offer of a pool of HTTP/2 connections to a request.
pub(super) enum StreamPlace {
    Stream(Rc<SharedConnection>),
    /// The caller should open another connection.
    Open,
    /// All connections are full, and no further one may be opened.
    Full,
}

/// Only its holder opens a connection; dropping it lets the next one try.
pub(super) struct Connecting<'p>(&'p Pool);

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.0.connecting.set(false);
        self.0.connected.notify_waiters();
    }
}

impl Pool {
    /// A pool without connections, for one target.
    pub(super) fn new(
        target: &CompiledTarget,
        deadlines: &Rc<Deadlines>,
        counters: &Arc<WorkerCounters>,
        idle_count: &Rc<Cell<u64>>,
    ) -> Self {
        Self {
            addresses: Addresses::new(target, Rc::clone(deadlines)),
            idle: RefCell::new(Vec::new()),
            shared: RefCell::default(),
            spoken: Cell::new(Spoken::Unknown),
            doubted_until: Cell::new(0),
            connecting: Cell::new(false),
            connected: Notify::new(),
            streams: Rc::new(Notify::new()),
            queued: Cell::new(0),
            most_idle: target.idle_per_worker,
            deadlines: Rc::clone(deadlines),
            counters: Arc::clone(counters),
            idle_count: Rc::clone(idle_count),
        }
    }

    /// The newest idle connection to this address.
    pub(super) fn pop(&self, address: SocketAddr, addresses: usize) -> Option<Idle> {
        let mut idle = self.idle.borrow_mut();
        let found = if addresses == 1 {
            idle.pop()
        } else {
            let position = idle.iter().rposition(|idle| idle.address == address);
            position.map(|position| idle.remove(position))
        };
        drop(idle);
        if found.is_some() {
            self.idle_changed(-1);
        }
        found.filter(|idle| idle.address == address)
    }

    /// Tells whether requests may share a connection that is opened now. Until it is known, one
    /// request finds out and the others wait for it.
    pub(super) fn may_share(&self, target: &CompiledTarget) -> bool {
        match self.spoken.get() {
            Spoken::Http2 => true,
            Spoken::Http1 => target.http2 == Http2::Always,
            Spoken::Unknown => match target.http2 {
                Http2::Always => true,
                Http2::Auto => target.tls.is_some(),
                Http2::Never => false,
            },
        }
    }

    /// A stream on the open connection to this address that carries the fewest, unless another
    /// should be opened.
    pub(super) fn place(&self, wanted: SocketAddr) -> StreamPlace {
        let mut open = self.shared.borrow_mut();
        open.retain(|shared| !shared.connection.is_closed());
        let usable =
            || open.iter().filter(|shared| !shared.retired.get() && shared.address == wanted);
        let least =
            usable().filter(|shared| shared.has_room()).min_by_key(|shared| shared.streams.get());
        let Some(least) = least else {
            // a connection without an announced number of streams will announce it at once
            let unsettled = usable().any(|shared| !shared.connection.is_settled());
            let capacity = usable().map(|shared| shared.connection.capacity()).min().unwrap_or(1);
            let most = MOST_STREAMS.checked_div(capacity).unwrap_or(MOST_SHARED).max(MOST_SHARED);
            let open = !unsettled && usable().count() < most;
            return if open { StreamPlace::Open } else { StreamPlace::Full };
        };
        let least = Rc::clone(least);
        drop(open);
        self.counters.backend_connection_reused();
        StreamPlace::Stream(least)
    }

    /// Waits until there may be a stream.
    pub(super) async fn wait(&self) {
        struct Queued<'p>(&'p Pool);
        impl Drop for Queued<'_> {
            fn drop(&mut self) {
                self.0.queued.set(self.0.queued.get().saturating_sub(1));
            }
        }
        self.counters.backend_stream_awaited();
        self.queued.set(self.queued.get().saturating_add(1));
        let _queued = Queued(self);
        self.streams.notified().await;
    }

    pub(super) async fn only_one(&self) -> Connecting<'_> {
        while self.connecting.replace(true) {
            self.connected.notified().await;
        }
        Connecting(self)
    }

    /// Closes all idle connections of HTTP/1.1.
    pub(super) fn close_idle(&self) {
        let idle = self.idle.take();
        self.idle_changed(i64::try_from(idle.len()).unwrap_or_default().saturating_neg());
    }

    /// Changes the gauge over all pools of the worker.
    pub(super) fn idle_changed(&self, by: i64) {
        self.idle_count.set(self.idle_count.get().saturating_add_signed(by));
        self.counters.backend_connections_idle(self.idle_count.get());
    }
}
