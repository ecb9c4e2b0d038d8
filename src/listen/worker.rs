//! One worker: a thread with a runtime, connections and caches of its own.
//!
//! Decides which worker takes a connection, and when one may stop. Nothing that a request touches is shared with
//! another worker but the snapshot.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use slab::Slab;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_local, yield_now};
use tokio::time::{MissedTickBehavior, interval};

use crate::deadline::{Deadlines, TICK, ticks};
use crate::forward::health;
use crate::listen::accept;
use crate::listen::socket::{ListenerSocket, Place};
use crate::model::gateway::Limits;
use crate::proxy::connection::{Closing, Connection, Overdue};
use crate::proxy::worker::{Walk, WalkParts};
use crate::telemetry::WorkerCounters;

/// Connections that may wait for another worker to take them.
const HAND_OVER_QUEUE: usize = 256;

/// A connection goes elsewhere when another worker has this many fewer.
const HAND_OVER_DIFFERENCE: usize = 2;

/// What a worker is told.
#[derive(Debug)]
pub enum Command {
    Listen(Arc<ListenerSocket>),
    Unlisten(Arc<ListenerSocket>),
    Take {
        stream: std::net::TcpStream,
        peer: SocketAddr,
        place: Place,
    },
    /// Say when everything that was told before is done.
    Settle(mpsc::Sender<()>),
    /// Stop accepting, finish what is in flight.
    Drain,
    /// End now.
    Stop,
}

/// How others reach a worker.
#[derive(Debug, Clone)]
pub struct WorkerHandle {
    pub commands: mpsc::Sender<Command>,
    connections: Arc<AtomicUsize>,
}

/// The two ends of a worker's queue, made before its thread so that all workers know each other.
#[derive(Debug)]
pub struct WorkerQueue {
    pub handle: WorkerHandle,
    commands: mpsc::Receiver<Command>,
}

/// A connection that was just accepted.
#[derive(Debug)]
pub struct Arrival {
    pub stream: TcpStream,
    pub peer: SocketAddr,
    pub place: Place,
}

/// A worker as its own thread sees it.
#[derive(Debug)]
pub struct LocalWorker {
    walk: Rc<Walk>,
    connections: RefCell<Slab<Rc<Connection>>>,
    open: Arc<AtomicUsize>,
    peers: Vec<WorkerHandle>,
    draining: Cell<bool>,
}

/// A connection's entry in its worker's table; dropping it takes the entry out and frees the place.
#[derive(Debug)]
pub struct Registration {
    worker: Rc<LocalWorker>,
    key: usize,
    place: Place,
}

impl WorkerQueue {
    pub fn new() -> Self {
        let (sender, commands) = mpsc::channel(HAND_OVER_QUEUE);
        Self { handle: WorkerHandle { commands: sender, connections: Arc::default() }, commands }
    }
}

impl Default for WorkerQueue {
    fn default() -> Self {
        Self::new()
    }
}

/// The life of a worker's thread: returns when it was drained or stopped.
pub fn run(parts: WalkParts, queue: WorkerQueue, peers: Vec<WorkerHandle>) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        let WorkerQueue { handle, mut commands } = queue;
        let worker = Rc::new(LocalWorker {
            walk: Rc::new(Walk::new(parts)),
            connections: RefCell::new(Slab::new()),
            open: handle.connections,
            peers,
            draining: Cell::new(false),
        });
        let ticking = spawn_local(tick(Rc::clone(&worker)));
        let mut listening: HashMap<*const ListenerSocket, JoinHandle<()>> = HashMap::new();
        while let Some(command) = commands.recv().await {
            match command {
                Command::Listen(listener) => match listener.copy().and_then(accept::register) {
                    Ok(socket) => {
                        let accepting = spawn_local(accept::accept(Rc::clone(&worker), Arc::clone(&listener), socket));
                        listening.insert(Arc::as_ptr(&listener), accepting);
                    }
                    Err(error) => {
                        tracing::error!(target: "portcullis::listen", listener = %listener.name, %error, "a worker cannot accept");
                    }
                },
                Command::Unlisten(listener) => {
                    if let Some(accepting) = listening.remove(&Arc::as_ptr(&listener)) {
                        accepting.abort();
                    }
                }
                Command::Settle(done) => {
                    // a task that was aborted ends in its next turn
                    yield_now().await;
                    let _ = done.send(()).await;
                }
                Command::Take { stream, peer, mut place } => {
                    place.arrive(worker.index());
                    if let Ok(stream) = TcpStream::from_std(stream) {
                        accept::take(&worker, Arrival { stream, peer, place });
                    }
                }
                Command::Drain => {
                    for (_, accepting) in listening.drain() {
                        accepting.abort();
                    }
                    worker.drain();
                    if worker.is_empty() {
                        break;
                    }
                }
                Command::Stop => break,
            }
        }
        ticking.abort();
        worker.walk.access_log().flush();
    });
    Ok(())
}

/// The worker's clock: deadlines, overdue connections, idle backend connections, the access log.
async fn tick(worker: Rc<LocalWorker>) {
    const EACH_SECOND: u64 = 20;
    const LOG_FLUSH: u64 = 2;
    let started = Instant::now();
    let mut ticker = interval(TICK);
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn: u64 = 0;
    // idle clients have a second to use their connection once more
    let mut drained: u64 = 0;
    let mut last = started;
    let mut late = false;
    loop {
        ticker.tick().await;
        let now = Instant::now();
        // twice in a row: one late tick is the machine's, not the load's
        let late_again = worker
            .limits()
            .max_loop_delay
            .is_some_and(|most| now.saturating_duration_since(last) > most.saturating_add(TICK));
        worker.walk.set_overloaded(late && late_again);
        (late, last) = (late_again, now);
        turn = turn.wrapping_add(1);
        let deadlines = worker.deadlines();
        deadlines.advance(ticks(started.elapsed()).saturating_sub(deadlines.now()));
        worker.walk.cache().set_moment(worker.walk.clock().moment());
        worker.walk.waiting().tick(deadlines.now());
        if turn.is_multiple_of(LOG_FLUSH) {
            worker.walk.access_log().flush();
        }
        let snapshot = worker.walk.snapshots().load();
        health::check(worker.walk.forwarder(), &snapshot.checked);
        if !worker.walk.tenures().is_empty() {
            let revocations = worker.walk.cache().revocations();
            worker.walk.tenures().sweep(&snapshot, revocations, worker.walk.clock().milliseconds());
        }
        drop(snapshot);
        if turn.is_multiple_of(EACH_SECOND) {
            worker.sweep();
        }
        if worker.draining.get() {
            drained = drained.saturating_add(1);
            if drained == EACH_SECOND {
                worker.each_connection(|connection| connection.close(Closing::Gracefully));
            }
        }
    }
}

impl LocalWorker {
    pub fn index(&self) -> usize {
        self.walk.index()
    }

    pub fn walk(&self) -> &Rc<Walk> {
        &self.walk
    }

    pub fn deadlines(&self) -> &Rc<Deadlines> {
        self.walk.deadlines()
    }

    pub fn counters(&self) -> &WorkerCounters {
        self.walk.counters()
    }

    pub fn limits(&self) -> Limits {
        self.walk.snapshots().load().limits
    }

    /// Enters a connection into the table.
    pub fn register(self: &Rc<Self>, connection: &Rc<Connection>, place: Place) -> Registration {
        let key = self.connections.borrow_mut().insert(Rc::clone(connection));
        self.open.fetch_add(1, Ordering::Relaxed);
        if self.draining.get() {
            connection.drain();
        }
        Registration { worker: Rc::clone(self), key, place }
    }

    /// Gives a connection to a less busy worker; it comes back when this one should serve it.
    pub fn hand_over(&self, arrival: Arrival) -> Result<(), Box<Arrival>> {
        let mine = self.open.load(Ordering::Relaxed);
        let others = self.peers.iter().enumerate().filter(|(index, _)| *index != self.index());
        let least = others.min_by_key(|(_, peer)| peer.connections.load(Ordering::Relaxed));
        let Some((_, peer)) = least.filter(|(_, peer)| {
            peer.connections.load(Ordering::Relaxed).saturating_add(HAND_OVER_DIFFERENCE) <= mine
        }) else {
            return Err(Box::new(arrival));
        };
        let Ok(permit) = peer.commands.try_reserve() else { return Err(Box::new(arrival)) };
        let Ok((stream, peer, place)) = arrival.detach() else { return Ok(()) };
        place.leave();
        permit.send(Command::Take { stream, peer, place });
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.connections.borrow().is_empty()
    }

    fn drain(&self) {
        if !self.draining.replace(true) {
            self.each_connection(Connection::drain);
        }
    }

    /// Not under the table's borrow: a woken connection may leave it.
    fn each_connection(&self, tell: impl Fn(&Connection)) {
        let connections: Vec<_> =
            self.connections.borrow().iter().map(|(_, connection)| Rc::clone(connection)).collect();
        for connection in connections {
            tell(&connection);
        }
    }

    fn sweep(&self) {
        let limits = self.limits();
        let now = self.deadlines().now();
        let mut overdue = Vec::new();
        for (_, connection) in self.connections.borrow().iter() {
            if let Some(why) = connection.overdue(&limits, now) {
                overdue.push((Rc::clone(connection), why));
            }
        }
        for (connection, why) in overdue {
            match why {
                // between requests there is nothing to lose, and HTTP/2 clients are told
                Overdue::Idle => connection.tell_to_go(now),
                Overdue::Head | Overdue::Lingering | Overdue::Write => {
                    connection.close(Closing::Now);
                }
            }
        }
        self.walk.forwarder().pools.sweep();
    }
}

impl Registration {
    /// See [`Place::claim`].
    pub fn claim(&mut self, client: std::net::IpAddr) -> bool {
        self.place.claim(client)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.worker.connections.borrow_mut().try_remove(self.key);
        self.worker.open.fetch_sub(1, Ordering::Relaxed);
        if self.worker.draining.get() && self.worker.is_empty() {
            // the last one: wake the worker's loop so that it may end
            let own = self.worker.peers.get(self.worker.index());
            let _ = own.map(|own| own.commands.try_send(Command::Drain));
        }
    }
}
