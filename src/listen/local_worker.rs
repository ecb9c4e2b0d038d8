//! A worker as its own thread sees it: its connections, and which of them others should serve.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use slab::Slab;
use tokio::net::TcpStream;

use crate::deadline::Deadlines;
use crate::listen::commands::{WorkerCommand, WorkerHandle};
use crate::listen::socket::{ConnectionPlace, ListenerSocket};
use crate::model::gateway::ClientLimits;
use crate::proxy::connection::{Connection, ConnectionClosing, Overdue};
use crate::proxy::worker::Worker;

/// The difference in connections from which one is handed to another worker.
const HAND_OVER_DIFFERENCE: usize = 2;

/// A worker with its connections, as its own thread sees it.
#[derive(Debug)]
pub(super) struct LocalWorker {
    shared: Rc<Worker>,
    connections: RefCell<Slab<Entry>>,
    open: Arc<AtomicUsize>,
    peers: Vec<WorkerHandle>,
    draining: Cell<bool>,
}

/// An open connection, with its listener.
#[derive(Debug)]
struct Entry {
    connection: Rc<Connection>,
    listener: Arc<ListenerSocket>,
}

/// A connection's entry in its worker's table; dropping it removes the entry and frees the place.
#[derive(Debug)]
pub(super) struct Registration {
    worker: Rc<LocalWorker>,
    key: usize,
    place: ConnectionPlace,
}

/// A connection that was just accepted.
#[derive(Debug)]
pub(super) struct AcceptedConnection {
    pub stream: TcpStream,
    pub peer: SocketAddr,
    pub place: ConnectionPlace,
}

impl LocalWorker {
    /// A worker without connections. `open` counts them for the others.
    pub(super) fn new(
        shared: Rc<Worker>,
        open: Arc<AtomicUsize>,
        peers: Vec<WorkerHandle>,
    ) -> Self {
        let connections = RefCell::new(Slab::new());
        Self { shared, connections, open, peers, draining: Cell::new(false) }
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    pub(super) fn index(&self) -> usize {
        self.shared.index()
    }

    pub(super) fn shared(&self) -> &Rc<Worker> {
        &self.shared
    }

    pub(super) fn deadlines(&self) -> &Rc<Deadlines> {
        self.shared.deadlines()
    }

    pub(super) fn limits(&self) -> ClientLimits {
        self.shared.snapshots().load().settings.limits
    }

    /// Enters a connection into the table.
    pub(super) fn register(
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

    /// Gives a connection to a less busy worker, or returns it if this one should serve it.
    pub(super) fn hand_over(
        &self,
        arrival: AcceptedConnection,
    ) -> Result<(), Box<AcceptedConnection>> {
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

    pub(super) fn is_empty(&self) -> bool {
        self.connections.borrow().is_empty()
    }

    pub(super) fn drain(&self, within: Duration) {
        if !self.draining.replace(true) {
            self.shared.stream_authorizations().leave_within(within);
            let now = self.deadlines().now();
            self.each_connection(|connection| connection.drain(now));
        }
    }

    /// Drains the connections of a listener that was closed.
    pub(super) fn drain_listener(&self, gone: &Arc<ListenerSocket>) {
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

    /// Tells each connection. Not under the table's borrow: a woken connection may leave it.
    pub(super) fn each_connection(&self, tell: impl Fn(&Connection)) {
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

    /// Closes connections that have waited longer than the limits allow, and idle ones to backends.
    pub(super) fn sweep(&self) {
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
                // between requests nothing is lost, and HTTP/2 clients are told
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
    /// Claims a place for this client: see [`ConnectionPlace::claim`].
    pub(super) fn claim(&mut self, client: std::net::IpAddr) -> bool {
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

impl AcceptedConnection {
    /// Takes the connection off this runtime's event loop, for another worker.
    fn detach(self) -> Result<(std::net::TcpStream, SocketAddr, ConnectionPlace), io::Error> {
        let Self { stream, peer, place } = self;
        Ok((stream.into_std()?, peer, place))
    }
}
