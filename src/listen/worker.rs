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
use std::time::{Duration, Instant};

use slab::Slab;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio::time::{MissedTickBehavior, interval};

use crate::deadline::{Deadlines, TICK, ticks};
use crate::forward::health;
use crate::listen::accept;
use crate::listen::socket::{ConnectionPlace, ListenerSocket};
use crate::model::gateway::Limits;
use crate::proxy::connection::{Connection, ConnectionClosing, Overdue};
use crate::proxy::worker::{Worker, WorkerParts};
use crate::telemetry::WorkerCounters;

/// Connections that may wait for another worker to take them.
const HAND_OVER_QUEUE: usize = 256;

/// A connection goes elsewhere when another worker has this many fewer.
const HAND_OVER_DIFFERENCE: usize = 2;

/// What a worker is told.
#[derive(Debug)]
pub enum WorkerCommand {
    Listen(Arc<ListenerSocket>),
    /// Stop accepting there, and drain the connections that came from there.
    Unlisten(Arc<ListenerSocket>),
    Take {
        stream: std::net::TcpStream,
        peer: SocketAddr,
        place: ConnectionPlace,
    },
    /// Say when everything that was told before is done.
    Settle(mpsc::Sender<()>),
    /// Stop accepting, finish what is in flight. Streams are told to go `within` this time.
    Drain {
        within: Duration,
    },
    /// End now.
    Stop,
    /// Fail, for the test of what comes next.
    #[cfg(test)]
    Panic,
}

/// How others reach a worker.
#[derive(Debug, Clone)]
pub struct WorkerHandle {
    pub commands: mpsc::Sender<WorkerCommand>,
    connections: Arc<AtomicUsize>,
}

/// The two ends of a worker's queue, made before its thread so that all workers know each other. Outlives a worker that
/// fails: the next one goes on with it.
#[derive(Debug)]
pub struct WorkerQueue {
    pub handle: WorkerHandle,
    commands: mpsc::Receiver<WorkerCommand>,
    /// Where the worker accepts.
    listeners: Vec<Arc<ListenerSocket>>,
    draining: bool,
}

/// A connection that was just accepted.
#[derive(Debug)]
pub struct Arrival {
    pub stream: TcpStream,
    pub peer: SocketAddr,
    pub place: ConnectionPlace,
}

/// A worker as its own thread sees it.
#[derive(Debug)]
pub struct LocalWorker {
    shared: Rc<Worker>,
    connections: RefCell<Slab<Entry>>,
    open: Arc<AtomicUsize>,
    peers: Vec<WorkerHandle>,
    draining: Cell<bool>,
}

#[derive(Debug)]
struct Entry {
    connection: Rc<Connection>,
    listener: Arc<ListenerSocket>,
}

/// A connection's entry in its worker's table; dropping it takes the entry out and frees the place.
#[derive(Debug)]
pub struct Registration {
    worker: Rc<LocalWorker>,
    key: usize,
    place: ConnectionPlace,
}

impl WorkerQueue {
    pub fn new() -> Self {
        let (sender, commands) = mpsc::channel(HAND_OVER_QUEUE);
        let handle = WorkerHandle { commands: sender, connections: Arc::default() };
        Self { handle, commands, listeners: Vec::new(), draining: false }
    }
}

impl Default for WorkerQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl WorkerQueue {
    /// Whether the worker was told to end.
    pub fn is_draining(&self) -> bool {
        self.draining
    }
}

/// The life of a worker: returns when it was drained or stopped, and with an error when one of its tasks has failed.
pub fn run(
    parts: WorkerParts,
    queue: &mut WorkerQueue,
    peers: Vec<WorkerHandle>,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        let worker = Rc::new(LocalWorker {
            shared: Rc::new(Worker::new(parts)),
            connections: RefCell::new(Slab::new()),
            open: Arc::clone(&queue.handle.connections),
            peers,
            draining: Cell::new(false),
        });
        let mut tasks = Tasks { all: JoinSet::new(), accepting: HashMap::new() };
        tasks.all.spawn_local(tick(Rc::clone(&worker)));
        for listener in &queue.listeners {
            tasks.accept(&worker, listener);
        }
        let ended = serve(&worker, queue, &mut tasks).await;
        tasks.all.abort_all();
        worker.shared.access_log().flush();
        ended
    })
}

/// What a worker cannot do without: its clock, and accepting. None of them ends by itself.
struct Tasks {
    all: JoinSet<()>,
    accepting: HashMap<*const ListenerSocket, AbortHandle>,
}

impl Tasks {
    fn accept(&mut self, worker: &Rc<LocalWorker>, listener: &Arc<ListenerSocket>) {
        match listener.copy().and_then(accept::register) {
            Ok(socket) => {
                let accepting = accept::accept(Rc::clone(worker), Arc::clone(listener), socket);
                let accepting = self.all.spawn_local(accepting);
                self.accepting.insert(Arc::as_ptr(listener), accepting);
            }
            Err(error) => {
                tracing::error!(target: "portcullis::listen", listener = %listener.name, %error, "a worker cannot accept");
            }
        }
    }

    /// Waits for one that failed.
    async fn failed(&mut self) -> io::Error {
        loop {
            match self.all.join_next().await {
                Some(Err(error)) if error.is_cancelled() => {}
                Some(Err(error)) => return io::Error::other(error),
                Some(Ok(())) => return io::Error::other("a task of the worker came to an end"),
                None => std::future::pending().await,
            }
        }
    }
}

/// Does what the worker is told.
async fn serve(
    worker: &Rc<LocalWorker>,
    queue: &mut WorkerQueue,
    tasks: &mut Tasks,
) -> io::Result<()> {
    loop {
        let command = tokio::select! {
            command = queue.commands.recv() => command,
            error = tasks.failed() => return Err(error),
        };
        match command {
            Some(WorkerCommand::Listen(listener)) => {
                tasks.accept(worker, &listener);
                queue.listeners.push(listener);
            }
            Some(WorkerCommand::Unlisten(listener)) => {
                queue.listeners.retain(|kept| !Arc::ptr_eq(kept, &listener));
                if let Some(accepting) = tasks.accepting.remove(&Arc::as_ptr(&listener)) {
                    accepting.abort();
                }
                worker.drain_listener(&listener);
            }
            Some(WorkerCommand::Settle(done)) => {
                // a task that was aborted ends in its next turn
                yield_now().await;
                let _ = done.send(()).await;
            }
            Some(WorkerCommand::Take { stream, peer, mut place }) => {
                place.arrive(worker.index());
                if let Ok(stream) = TcpStream::from_std(stream) {
                    accept::take(worker, Arrival { stream, peer, place });
                }
            }
            Some(WorkerCommand::Drain { within }) => {
                queue.draining = true;
                queue.listeners.clear();
                for (_, accepting) in tasks.accepting.drain() {
                    accepting.abort();
                }
                worker.drain(within);
                if worker.is_empty() {
                    return Ok(());
                }
            }
            #[cfg(test)]
            #[allow(clippy::panic, reason = "what the test asks for")]
            Some(WorkerCommand::Panic) => panic!("as the test asked"),
            Some(WorkerCommand::Stop) | None => return Ok(()),
        }
    }
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
        worker.shared.set_overloaded(late && late_again);
        (late, last) = (late_again, now);
        turn = turn.wrapping_add(1);
        let deadlines = worker.deadlines();
        deadlines.advance(ticks(started.elapsed()).saturating_sub(deadlines.now()));
        worker.shared.cache().set_moment(worker.shared.clock().moment());
        worker.shared.idle().tick(deadlines.now());
        if turn.is_multiple_of(LOG_FLUSH) {
            worker.shared.access_log().flush();
        }
        let snapshot = worker.shared.snapshots().load();
        health::check(worker.shared.forwarder(), &snapshot.checked);
        if !worker.shared.stream_authorizations().is_empty() {
            let revocations = worker.shared.cache().revocations();
            worker.shared.stream_authorizations().sweep(
                &snapshot,
                revocations,
                worker.shared.clock().milliseconds(),
                deadlines.now(),
            );
        }
        drop(snapshot);
        if turn.is_multiple_of(EACH_SECOND) {
            worker.sweep();
        }
        if worker.draining.get() {
            drained = drained.saturating_add(1);
            if drained == EACH_SECOND {
                worker
                    .each_connection(|connection| connection.close(ConnectionClosing::Gracefully));
            }
        }
    }
}

impl LocalWorker {
    pub fn index(&self) -> usize {
        self.shared.index()
    }

    pub fn shared(&self) -> &Rc<Worker> {
        &self.shared
    }

    pub fn deadlines(&self) -> &Rc<Deadlines> {
        self.shared.deadlines()
    }

    pub fn counters(&self) -> &WorkerCounters {
        self.shared.counters()
    }

    pub fn limits(&self) -> Limits {
        self.shared.snapshots().load().limits
    }

    /// Enters a connection into the table.
    pub fn register(
        self: &Rc<Self>,
        connection: &Rc<Connection>,
        place: ConnectionPlace,
    ) -> Registration {
        let listener = Arc::clone(place.listener());
        let gone = listener.is_closed();
        let entry = Entry { connection: Rc::clone(connection), listener };
        let key = self.connections.borrow_mut().insert(entry);
        self.open.fetch_add(1, Ordering::Relaxed);
        if gone || self.draining.get() {
            connection.drain(self.deadlines().now());
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
        permit.send(WorkerCommand::Take { stream, peer, place });
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.connections.borrow().is_empty()
    }

    fn drain(&self, within: Duration) {
        if !self.draining.replace(true) {
            self.shared.stream_authorizations().leave_within(within);
            let now = self.deadlines().now();
            self.each_connection(|connection| connection.drain(now));
        }
    }

    /// Drains what was accepted on a listener that is gone.
    fn drain_listener(&self, gone: &Arc<ListenerSocket>) {
        let now = self.deadlines().now();
        let connections: Vec<_> = self
            .connections
            .borrow()
            .iter()
            .filter(|(_, entry)| Arc::ptr_eq(&entry.listener, gone))
            .map(|(_, entry)| Rc::clone(&entry.connection))
            .collect();
        for connection in connections {
            connection.drain(now);
        }
    }

    /// Not under the table's borrow: a woken connection may leave it.
    fn each_connection(&self, tell: impl Fn(&Connection)) {
        let connections: Vec<_> = self
            .connections
            .borrow()
            .iter()
            .map(|(_, entry)| Rc::clone(&entry.connection))
            .collect();
        for connection in connections {
            tell(&connection);
        }
    }

    fn sweep(&self) {
        let limits = self.limits();
        let now = self.deadlines().now();
        let mut overdue = Vec::new();
        for (_, Entry { connection, .. }) in self.connections.borrow().iter() {
            if let Some(why) = connection.overdue(&limits, now) {
                overdue.push((Rc::clone(connection), why));
            }
        }
        for (connection, why) in overdue {
            match why {
                // between requests there is nothing to lose, and HTTP/2 clients are told
                Overdue::Idle => connection.tell_to_go(now),
                Overdue::Head | Overdue::Lingering | Overdue::Write => {
                    connection.close(ConnectionClosing::Now);
                }
            }
        }
        self.shared.forwarder().pools.sweep();
    }
}

impl Registration {
    /// See [`ConnectionPlace::claim`].
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
            let _ = own
                .map(|own| own.commands.try_send(WorkerCommand::Drain { within: Duration::ZERO }));
        }
    }
}
