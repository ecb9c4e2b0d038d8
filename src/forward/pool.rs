//! Connections to backends, kept by each worker for itself.
//!
//! Decides which open connection is used again and how long an idle one is kept. HTTP/1.1 connections are a stack: the
//! one used last is the one least likely to be closed. HTTP/2 connections are shared by their streams, as many as the
//! backend allows; when all are full another connection is opened, and beyond a bound requests wait for a stream. Nothing
//! is shared between workers, so nothing is locked.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http2;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::backend::{CompiledTarget, FormerTargetSlot};
use crate::budget::descriptors::{Descriptor, Descriptors};
use crate::deadline::{Deadlines, ticks};
use crate::forward::body::RequestBody;
use crate::forward::connect::{self, Connected, Http1Connection};
use crate::forward::counted::CountedStream;
use crate::forward::dns::{Addresses, NameCache};
use crate::forward::failure::ForwardError;
use crate::forward::framing::Reuse;
use crate::forward::multiplexed::{Http2Connection, MOST_STREAMS};
use crate::forward::reach::{Reached, Way};
use crate::model::backend::Http2;
use crate::telemetry::WorkerCounters;

mod lease;

/// Idle connections older than this are closed. Shorter than the keep-alive of the usual servers (Node.js closes after
/// 5 s, nginx after 75 s), so that a request seldom meets a connection that the backend is just closing.
const KEEP_IDLE: Duration = Duration::from_secs(4);

/// HTTP/2 servers say goodbye before they close.
const KEEP_IDLE_HTTP2: Duration = Duration::from_mins(1);

/// Backends close idle connections after whole seconds; one that was used within this time is not about to be closed.
const AGED: Duration = Duration::from_millis(500);

/// A backend that sent bytes after an answer is not trusted with reused connections for this long.
const DOUBT: Duration = Duration::from_mins(1);

/// HTTP/2 connections that one worker opens to one target; beyond, requests wait for a stream. More only for a backend
/// that allows so few streams that [`MOST_STREAMS`] would not fit.
const MOST_SHARED: usize = 8;

/// The pools of one worker, by [`crate::backend::TargetSlot`]. A pool ends with its target: the slot can be another target's then.
#[derive(Debug)]
pub struct Pools {
    by_slot: RefCell<Vec<Option<SlotPool>>>,
    names: Rc<NameCache>,
    deadlines: Rc<Deadlines>,
    counters: Arc<WorkerCounters>,
    idle_count: Rc<Cell<u64>>,
    descriptors: Arc<Descriptors>,
}

#[derive(Debug)]
struct SlotPool {
    slot: FormerTargetSlot,
    pool: Rc<Pool>,
}

/// The open connections to one target.
#[derive(Debug)]
pub struct Pool {
    addresses: Rc<Addresses>,
    idle: RefCell<Vec<Idle>>,
    shared: RefCell<Vec<Rc<SharedConnection>>>,
    spoken: Cell<Spoken>,
    /// In ticks: until then a reused connection may carry bytes that nobody asked for.
    doubted_until: Cell<u64>,
    connecting: Cell<bool>,
    connected: Notify,
    /// Tells those who wait for a stream that there may be one.
    streams: Rc<Notify>,
    /// How many wait.
    queued: Cell<usize>,
    most_idle: usize,
    deadlines: Rc<Deadlines>,
    counters: Arc<WorkerCounters>,
    idle_count: Rc<Cell<u64>>,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Http1Connection>,
    address: SocketAddr,
    /// In ticks.
    since: u64,
    /// The last answer on it may be followed by bytes that belong to no request.
    doubtful: bool,
}

/// What a target spoke on the last connection that was opened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spoken {
    Unknown,
    Http1,
    Http2,
}

/// An HTTP/2 connection.
#[derive(Debug)]
struct SharedConnection {
    connection: Http2Connection,
    address: SocketAddr,
    streams: Cell<usize>,
    /// It gets no more streams: the backend said nothing for as long as a request waited.
    retired: Cell<bool>,
    /// Those who wait for a stream.
    waiting: Rc<Notify>,
    /// In ticks: when its last stream ended.
    since: Cell<u64>,
}

/// What a request can have of a pool of HTTP/2 connections.
enum StreamPlace {
    Stream(Lease),
    /// Another connection should be opened.
    Open,
    /// As many connections are open as may be, and they are full.
    Full,
}

/// A connection in use. Dropping it closes the connection, or ends the stream.
#[derive(Debug)]
pub struct Lease {
    pool: Rc<Pool>,
    held: HeldConnection,
    kind: LeaseKind,
    reuse: Reuse,
}

#[derive(Debug)]
enum HeldConnection {
    Http1 { connection: Box<Http1Connection>, address: SocketAddr },
    Stream { sender: http2::SendRequest<RequestBody>, place: MultiplexedStream },
}

/// One of an HTTP/2 connection's streams.
#[derive(Debug)]
struct MultiplexedStream {
    shared: Rc<SharedConnection>,
    deadlines: Rc<Deadlines>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseKind {
    Fresh,
    Reused,
    /// Idle for so long that the backend may be closing it at this moment.
    Aged,
    /// It may carry bytes that follow an earlier answer: only for requests that can be sent again.
    Doubtful,
}

/// Which connections will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionPurpose {
    Exchange,
    /// A new connection for itself alone: of HTTP/1.1, and of HTTP/2 where the target speaks nothing else. Long streams
    /// would keep the places and the window of a shared one.
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

    /// A number that is another one once any name has other addresses.
    pub fn changes(&self) -> u64 {
        self.names.changes()
    }

    /// The addresses of a target as they are known now; none while nobody has answered. Asks again when it is time.
    pub fn addresses(&self, target: &CompiledTarget) -> Rc<[SocketAddr]> {
        self.pool(target).addresses.known(&self.names)
    }

    /// Waits for the first answer to the question for a target's addresses.
    pub async fn resolve(
        &self,
        target: &CompiledTarget,
        limit: Duration,
    ) -> Result<(), ForwardError> {
        let addresses = Rc::clone(&self.pool(target).addresses);
        match timeout(limit, addresses.get(&self.names)).await {
            Ok(found) => found.map(|_| ()),
            Err(_) => {
                let source = Some(io::Error::from(io::ErrorKind::TimedOut));
                Err(ForwardError::Unresolved { host: target.definition.host.clone(), source })
            }
        }
    }

    /// An open connection to this address of the target.
    pub fn idle(&self, target: &CompiledTarget, wanted: SocketAddr) -> Option<Lease> {
        let pool = self.pool(target);
        let known = pool.addresses.known(&self.names);
        if pool.spoken.get() == Spoken::Http2
            && pool.queued.get() == 0
            && let StreamPlace::Stream(lease) = pool.place(wanted)
        {
            return Some(lease);
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
                let held = HeldConnection::Http1 { connection, address };
                return Some(Lease { held, pool, kind, reuse: Reuse::Allowed });
            }
        }
    }

    /// A new connection on this way, or a stream of one that others opened, for which a request waits for `patience`.
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
            // who came first is served first
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

    /// `None`: all connections are full, and there are as many as may be.
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
                    StreamPlace::Stream(lease) => return Ok(Some(lease)),
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
        match &connected {
            Ok(_) => self.counters.backend_connection_opened(),
            Err(error) => {
                self.counters.backend_connection_failed();
                if error.before_sending() {
                    way.failed();
                }
            }
        }
        let (address, connected) = connected?;
        let lease = match connected {
            Connected::Http1(connection) => {
                if !alone {
                    pool.spoken.set(Spoken::Http1);
                }
                let held = HeldConnection::Http1 { connection, address };
                let kind = LeaseKind::Fresh;
                Lease { held, pool: Rc::clone(pool), kind, reuse: Reuse::Allowed }
            }
            Connected::Http2(connection) => {
                let shared = Rc::new(SharedConnection::new(connection, address, pool));
                if !alone {
                    pool.spoken.set(Spoken::Http2);
                    pool.shared.borrow_mut().push(Rc::clone(&shared));
                }
                pool.stream_of(&shared, LeaseKind::Fresh)
            }
        };
        drop(connecting);
        Ok(Some(lease))
    }

    /// A descriptor for a new connection. Where they are scarce, the worker's idle connections go first.
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
        let new = || {
            Rc::new(Pool {
                addresses: Addresses::new(&target.definition, Rc::clone(&self.deadlines)),
                idle: RefCell::new(Vec::new()),
                shared: RefCell::default(),
                spoken: Cell::new(Spoken::Unknown),
                doubted_until: Cell::new(0),
                connecting: Cell::new(false),
                connected: Notify::new(),
                streams: Rc::new(Notify::new()),
                queued: Cell::new(0),
                most_idle: target.idle_per_worker,
                deadlines: Rc::clone(&self.deadlines),
                counters: Arc::clone(&self.counters),
                idle_count: Rc::clone(&self.idle_count),
            })
        };
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

/// Its holder alone opens a connection; dropping it lets the next one try.
struct Connecting<'p>(&'p Pool);

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.0.connecting.set(false);
        self.0.connected.notify_waiters();
    }
}

impl Pool {
    /// The newest idle connection to this address.
    fn pop(&self, address: SocketAddr, addresses: usize) -> Option<Idle> {
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

    /// Whether a connection that is opened now may be one that requests share. Where nobody knows yet, one request finds
    /// out and the others wait for it.
    fn may_share(&self, target: &CompiledTarget) -> bool {
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

    /// A stream on the open connection to this address that carries the fewest, unless another should be opened.
    fn place(self: &Rc<Self>, wanted: SocketAddr) -> StreamPlace {
        let mut open = self.shared.borrow_mut();
        open.retain(|shared| !shared.connection.is_closed());
        let usable =
            || open.iter().filter(|shared| !shared.retired.get() && shared.address == wanted);
        let least =
            usable().filter(|shared| shared.has_room()).min_by_key(|shared| shared.streams.get());
        let Some(least) = least else {
            // one that has not said how many streams it takes will do so at once
            let unsettled = usable().any(|shared| !shared.connection.is_settled());
            let capacity = usable().map(|shared| shared.connection.capacity()).min().unwrap_or(1);
            let most = MOST_STREAMS.checked_div(capacity).unwrap_or(MOST_SHARED).max(MOST_SHARED);
            let open = !unsettled && usable().count() < most;
            return if open { StreamPlace::Open } else { StreamPlace::Full };
        };
        let least = Rc::clone(least);
        drop(open);
        self.counters.backend_connection_reused();
        StreamPlace::Stream(self.stream_of(&least, LeaseKind::Reused))
    }

    fn stream_of(self: &Rc<Self>, shared: &Rc<SharedConnection>, kind: LeaseKind) -> Lease {
        shared.streams.set(shared.streams.get().saturating_add(1));
        let place =
            MultiplexedStream { shared: Rc::clone(shared), deadlines: Rc::clone(&self.deadlines) };
        let sender = shared.connection.sender.clone();
        let held = HeldConnection::Stream { sender, place };
        Lease { pool: Rc::clone(self), held, kind, reuse: Reuse::Allowed }
    }

    /// Waits until there may be a stream.
    async fn wait(&self) {
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

    async fn only_one(&self) -> Connecting<'_> {
        while self.connecting.replace(true) {
            self.connected.notified().await;
        }
        Connecting(self)
    }

    fn close_idle(&self) {
        let idle = self.idle.take();
        self.idle_changed(i64::try_from(idle.len()).unwrap_or_default().saturating_neg());
    }

    /// The gauge is over all pools of the worker.
    fn idle_changed(&self, by: i64) {
        self.idle_count.set(self.idle_count.get().saturating_add_signed(by));
        self.counters.backend_connections_idle(self.idle_count.get());
    }
}

impl SharedConnection {
    fn new(connection: Http2Connection, address: SocketAddr, pool: &Pool) -> Self {
        let waiting = Rc::clone(&pool.streams);
        connection.tells(&waiting);
        let since = Cell::new(pool.deadlines.now());
        Self {
            connection,
            address,
            streams: Cell::new(0),
            retired: Cell::new(false),
            waiting,
            since,
        }
    }

    fn has_room(&self) -> bool {
        self.streams.get() < self.connection.capacity()
    }
}

impl Drop for MultiplexedStream {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.streams.set(shared.streams.get().saturating_sub(1));
        shared.since.set(self.deadlines.now());
        shared.waiting.notify_one();
    }
}
