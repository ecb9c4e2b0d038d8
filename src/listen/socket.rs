//! A listening socket that all workers accept from.
//!
//! It is one socket with one queue, so that no worker's queue is lost when it stops, and a taken
//! port is an error. Each worker waits on its own copy of the descriptor.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};

use crate::budget::descriptors::Descriptor;
use crate::model::gateway::{Listener, Protocols};
use crate::telemetry::ListenerSeries;

/// The connections that the kernel may hold until a worker accepts them.
const BACKLOG: i32 = 4096;

/// A listener over its life: the socket stays, the settings may change with a reload.
#[derive(Debug)]
pub struct ListenerSocket {
    pub name: Box<str>,
    pub address: SocketAddr,
    pub settings: ArcSwap<ListenerSettings>,
    pub series: Arc<ListenerSeries>,
    /// `None` once no connections are accepted any more.
    socket: Mutex<Option<TcpListener>>,
    open: AtomicUsize,
    /// The connections by client address, if they are bounded.
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// The settings that a reload can change without a new socket.
#[derive(Debug)]
pub struct ListenerSettings {
    pub definition: Listener,
    pub tls: Option<Arc<ServerConfig>>,
}

impl ListenerSettings {
    pub fn protocols(&self) -> Protocols {
        self.definition.protocols
    }
}

/// A place among a listener's connections; dropping it frees the place.
#[derive(Debug)]
pub struct ConnectionPlace {
    listener: Arc<ListenerSocket>,
    worker: usize,
    /// The client that the connection counts for.
    client: Option<IpAddr>,
    _descriptor: Descriptor,
}

impl ListenerSocket {
    /// Binds and listens. `EADDRINUSE` and `EACCES` come back as they are, and `supervise` explains
    /// them.
    pub fn bind(settings: ListenerSettings, series: Arc<ListenerSeries>) -> io::Result<Self> {
        let socket = listen(settings.definition.address)?;
        Self::on(socket, settings, series)
    }

    /// Uses a socket that listens already.
    pub fn on(
        socket: TcpListener,
        settings: ListenerSettings,
        series: Arc<ListenerSeries>,
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            name: settings.definition.name.as_str().into(),
            address: socket.local_addr()?,
            settings: ArcSwap::from_pointee(settings),
            series,
            socket: Mutex::new(Some(socket)),
            open: AtomicUsize::new(0),
            by_address: Mutex::default(),
        })
    }

    /// A copy of the descriptor for one worker.
    pub fn copy(&self) -> io::Result<TcpListener> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        socket.as_ref().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?.try_clone()
    }

    /// Returns the same socket under another name, for a listener that a reload renames.
    pub fn renamed(
        &self,
        settings: ListenerSettings,
        series: Arc<ListenerSeries>,
    ) -> io::Result<Self> {
        Self::on(self.copy()?, settings, series)
    }

    /// Tells whether the listener was removed, or the gateway stops.
    pub fn is_closed(&self) -> bool {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Lets the socket go: when the workers have done so too, connecting is refused at once instead
    /// of waiting for us.
    pub fn close(&self) {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// A place for one more connection, if `max_connections` leaves one.
    pub fn admit(
        self: &Arc<Self>,
        most: usize,
        worker: usize,
        descriptor: Descriptor,
    ) -> Option<ConnectionPlace> {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        if before >= most {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        self.series.opened(worker);
        let listener = Arc::clone(self);
        Some(ConnectionPlace { listener, worker, client: None, _descriptor: descriptor })
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a new listening socket. Errors come back as they are, and `supervise` explains them.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // a port of a gateway that has just ended is free; one that another process listens on is not
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(address.ip() != IpAddr::V6(Ipv6Addr::UNSPECIFIED))?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from(socket))
}

impl ConnectionPlace {
    pub fn listener(&self) -> &Arc<ListenerSocket> {
        &self.listener
    }

    /// Counts the connection for its client, unless `max_connections_per_address` of them are open.
    pub fn claim(&mut self, client: IpAddr) -> bool {
        let settings = self.listener.settings.load();
        let most = settings.definition.max_connections_per_address;
        if most >= settings.definition.max_connections {
            return true;
        }
        let client = one_client(client);
        let mut clients = self.listener.clients();
        let open = clients.entry(client).or_default();
        if *open >= most {
            return false;
        }
        *open = open.saturating_add(1);
        drop(clients);
        self.client = Some(client);
        true
    }

    /// The connection leaves this worker; the next one calls [`ConnectionPlace::arrive`]. Each
    /// worker writes only its own cells.
    pub fn leave(&self) {
        self.listener.series.closed(self.worker);
    }

    /// The connection is this worker's now.
    pub fn arrive(&mut self, worker: usize) {
        self.listener.series.opened(worker);
        self.worker = worker;
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        self.listener.open.fetch_sub(1, Ordering::Relaxed);
        self.listener.series.closed(self.worker);
        let Some(client) = self.client else { return };
        let mut clients = self.listener.clients();
        if let Some(open) = clients.get_mut(&client) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                clients.remove(&client);
            }
        }
    }
}

/// An IPv6 client has a whole /64 to choose from.
fn one_client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        address @ IpAddr::V4(_) => address,
    }
}
