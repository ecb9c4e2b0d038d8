//! What the walk knows of the client's connection, and what the connection knows of the walk.
//!
//! Decides when a connection has waited too long. Never touches the socket: `listen` owns it and asks here.

pub mod idle;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::deadline::{Deadlines, ticks};
use crate::forward::body::OpenBodies;
use crate::forward::early_hints::Interim;
use crate::model::gateway::Limits;
use crate::proxy::connection::idle::IdleConnections;
use crate::proxy::request_origin::OriginCache;
use crate::proxy::stream::tunnel::Tunnel;

/// An idle HTTP/1 client has this long to use its connection once more when the connection is drained.
const ONCE_MORE: Duration = Duration::from_secs(1);

/// A drained HTTP/2 connection without streams is closed after this time, whether or not its client reads what it is told.
const UNHEARD: Duration = Duration::from_secs(2);

/// One client connection.
#[derive(Debug)]
pub struct Connection {
    pub listener: Box<str>,
    /// The client, or the balancer in front of it until its PROXY header was read.
    peer: Cell<SocketAddr>,
    /// The SHA-256 of the certificate that the client proved to have, as DER.
    certificate: Cell<Option<[u8; 32]>>,
    pub transport: Transport,
    phase: Cell<Phase>,
    /// In ticks: when the phase began.
    since: Cell<u64>,
    /// In ticks, while the client takes none of our bytes.
    blocked: Cell<Option<u64>>,
    in_flight: Cell<u32>,
    owes_bytes: Cell<bool>,
    closing: Cell<ConnectionClosing>,
    /// In ticks: when it was told to go because it asked for nothing.
    told: Cell<Option<u64>>,
    /// In ticks: since then the next request is the last one.
    draining: Cell<Option<u64>>,
    multiplexed: Cell<bool>,
    /// A request asked for another protocol: what follows it may not be HTTP.
    upgrading: Cell<bool>,
    rest: Cell<IdleConnection>,
    idle: Rc<IdleConnections>,
    listed: Cell<bool>,
    bodies: OpenBodies,
    /// What came last was not the end of a message.
    within_message: Cell<bool>,
    /// The connection was switched, and this goes on with it.
    tunnel: RefCell<Option<Box<Tunnel>>>,
    handed: Cell<Handed>,
    waker: RefCell<Option<Waker>>,
    interim: Arc<Interim>,
    origins: OriginCache,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Plain,
    Tls,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between requests.
    Idle,
    /// Some bytes of a head came, or the connection is new.
    Head,
    Serving,
}

/// Whether a connection that waits for its client keeps what it needs to read a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IdleConnection {
    Awake,
    Wanted,
    Resting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectionClosing {
    No,
    /// Finish what is in flight, take nothing new.
    Gracefully,
    Now,
}

/// What an answer's body came to when it was last asked for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handed {
    /// It was not asked: what it gave before has not been taken.
    Unchanged,
    /// It waits for its backend, or has ended.
    Nothing,
    Bytes(usize),
}

/// Why a connection is closed by the worker's sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    Head,
    Idle,
    /// It was told to go, and had long enough to.
    Lingering,
    Write,
}

/// A request that is being answered, for as long as it is held.
#[derive(Debug)]
pub struct InFlight {
    connection: Rc<Connection>,
    deadlines: Rc<Deadlines>,
}

impl InFlight {
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    pub fn connection_handle(&self) -> Rc<Connection> {
        Rc::clone(&self.connection)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.in_flight.set(connection.in_flight.get().saturating_sub(1));
        if connection.in_flight.get() == 0 {
            let now = self.deadlines.now();
            connection.enter(Phase::Idle, now);
            if !connection.multiplexed.get() {
                connection.idle.add(connection, now);
            }
        }
    }
}

impl Connection {
    pub fn new(
        listener: &str,
        peer: SocketAddr,
        transport: Transport,
        idle: Rc<IdleConnections>,
        now: u64,
    ) -> Self {
        Self {
            listener: listener.into(),
            peer: Cell::new(peer),
            certificate: Cell::new(None),
            transport,
            phase: Cell::new(Phase::Head),
            since: Cell::new(now),
            blocked: Cell::new(None),
            in_flight: Cell::new(0),
            owes_bytes: Cell::new(false),
            closing: Cell::new(ConnectionClosing::No),
            told: Cell::new(None),
            draining: Cell::new(None),
            multiplexed: Cell::new(false),
            upgrading: Cell::new(false),
            rest: Cell::new(IdleConnection::Awake),
            idle,
            listed: Cell::new(false),
            bodies: OpenBodies::default(),
            within_message: Cell::new(false),
            tunnel: RefCell::default(),
            handed: Cell::new(Handed::Unchanged),
            waker: RefCell::new(None),
            interim: Arc::default(),
            origins: OriginCache::default(),
        }
    }

    pub fn peer(&self) -> SocketAddr {
        self.peer.get()
    }

    /// A balancer that is believed has said who the client is.
    pub fn stands_for(&self, client: SocketAddr) {
        self.peer.set(client);
    }

    /// The thumbprint of the client's certificate, where the handshake proved one.
    pub fn certificate(&self) -> Option<[u8; 32]> {
        self.certificate.get()
    }

    pub fn proved(&self, certificate: [u8; 32]) {
        self.certificate.set(Some(certificate));
    }

    /// Bytes came from the client.
    pub fn bytes_came(&self, now: u64) {
        if self.phase.get() == Phase::Idle {
            self.enter(Phase::Head, now);
        }
    }

    /// Frames of HTTP/2 came. Pings, acknowledgements and windows of a client without requests are no head that is late.
    pub fn frames_came(&self, within_head: bool, now: u64) {
        match (self.phase.get(), within_head) {
            (Phase::Idle, true) => self.enter(Phase::Head, now),
            (Phase::Head, false) => self.enter(Phase::Idle, now),
            _ => {}
        }
    }

    /// The client takes our bytes, or does not.
    pub fn write_blocked(&self, blocked: bool, now: u64) {
        match (blocked, self.blocked.get()) {
            (true, None) => self.blocked.set(Some(now)),
            (false, Some(_)) => self.blocked.set(None),
            _ => {}
        }
    }

    /// A request's head was read.
    pub fn request_began(self: &Rc<Self>, deadlines: &Rc<Deadlines>) -> InFlight {
        self.in_flight.set(self.in_flight.get().saturating_add(1));
        self.owes_bytes.set(true);
        if self.is_draining() {
            self.close(ConnectionClosing::Gracefully);
        }
        self.told.set(None);
        self.enter(Phase::Serving, deadlines.now());
        InFlight { connection: Rc::clone(self), deadlines: Rc::clone(deadlines) }
    }

    /// An answer's body was asked for more.
    pub fn body_polled(&self, handed: Handed) {
        self.handed.set(handed);
    }

    /// What came of it; of interest only between two streams' turns.
    pub fn handed(&self) -> Handed {
        self.handed.get()
    }

    /// Whether an answer, or the rest of one, is still to be written.
    pub fn owes_bytes(&self) -> bool {
        self.owes_bytes.get()
    }

    /// Everything that was written has gone out.
    pub fn flushed(&self) {
        if self.in_flight.get() == 0 {
            self.owes_bytes.set(false);
        }
    }

    /// The requests that are in flight beside one.
    pub fn neighbors(&self) -> usize {
        usize::try_from(self.in_flight.get().saturating_sub(1)).unwrap_or(usize::MAX)
    }

    pub fn is_serving(&self) -> bool {
        self.in_flight.get() > 0
    }

    /// Whether the connection has waited longer than the limits allow.
    pub fn overdue(&self, limits: &Limits, now: u64) -> Option<Overdue> {
        let waited = now.saturating_sub(self.since.get());
        if self
            .blocked
            .get()
            .is_some_and(|since| now.saturating_sub(since) > ticks(limits.body_stall_timeout))
        {
            return Some(Overdue::Write);
        }
        // from when it was told, and not from when it should have been: the sweep may have come late
        if self
            .told
            .get()
            .is_some_and(|since| now.saturating_sub(since) > ticks(limits.header_timeout))
        {
            return Some(Overdue::Lingering);
        }
        if let Some(since) = self.draining.get().filter(|_| !self.is_serving()) {
            let waited = waited.min(now.saturating_sub(since));
            if self.multiplexed.get() {
                if waited > ticks(UNHEARD) {
                    return Some(Overdue::Lingering);
                }
            } else if self.phase.get() == Phase::Idle && waited > ticks(ONCE_MORE) {
                return Some(Overdue::Idle);
            }
        }
        match self.phase.get() {
            Phase::Head if waited > ticks(limits.header_timeout) => Some(Overdue::Head),
            Phase::Idle if waited > ticks(limits.idle_timeout) => Some(Overdue::Idle),
            _ => None,
        }
    }

    /// An answer may be over before its request is: then what comes is of that request.
    fn is_between_requests(&self) -> bool {
        self.phase.get() == Phase::Idle && !self.bodies.any() && !self.within_message.get()
    }

    /// How the bytes that came ended, as the watch over the framing reads them.
    pub fn within_message(&self, within: bool) {
        self.within_message.set(within);
    }

    /// The bodies of its requests.
    pub fn bodies(&self) -> &OpenBodies {
        &self.bodies
    }

    /// When it began to wait for its next request, in ticks; `None` where it does not, or is to stay awake.
    pub(super) fn waits_since(&self) -> Option<u64> {
        let waits = self.is_between_requests()
            && !self.multiplexed.get()
            && self.rest.get() == IdleConnection::Awake;
        waits.then_some(self.since.get())
    }

    /// Remembers whether [`IdleConnections`] has it, and says whether it had.
    pub(super) fn list(&self, listed: bool) -> bool {
        self.listed.replace(listed)
    }

    /// Lets go of its buffers.
    pub(super) fn rest(&self) {
        self.rest.set(IdleConnection::Wanted);
        self.wake();
    }

    /// Whether it should rest now; it does so once.
    pub fn goes_to_rest(&self) -> bool {
        let goes = self.rest.get() == IdleConnection::Wanted
            && self.is_between_requests()
            && !self.owes_bytes.get();
        if goes {
            self.rest.set(IdleConnection::Resting);
        }
        goes
    }

    /// HTTP/2 is spoken: its clients can be told when to go.
    pub fn is_multiplexed(&self) {
        self.multiplexed.set(true);
    }

    /// The gateway is stopping, or the listener was removed. An idle HTTP/1 client may be sending its next request at this
    /// moment, and closing would lose it: it is answered, with `Connection: close`.
    pub fn drain(&self, now: u64) {
        self.draining.set(self.draining.get().or(Some(now)));
        if self.is_serving() || self.multiplexed.get() {
            self.close(ConnectionClosing::Gracefully);
        }
    }

    /// Nothing was asked for long: it should close once what is on its way has been answered.
    pub fn tell_to_go(&self, now: u64) {
        self.told.set(self.told.get().or(Some(now)));
        self.close(ConnectionClosing::Gracefully);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.get().is_some()
    }

    pub fn close(&self, how: ConnectionClosing) {
        self.closing.set(self.closing.get().max(how));
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Returns the host and client of the last request.
    pub fn last_origin(&self) -> &OriginCache {
        &self.origins
    }

    /// What has to be said before the answer.
    pub fn interim(&self) -> &Arc<Interim> {
        &self.interim
    }

    pub fn is_upgrading(&self) -> bool {
        self.upgrading.get()
    }

    pub fn upgrades(&self) {
        self.upgrading.set(true);
    }

    /// The answer that switches protocols is on its way; the tunnel begins behind it.
    pub fn switch(&self, tunnel: Tunnel) {
        *self.tunnel.borrow_mut() = Some(Box::new(tunnel));
    }

    pub fn take_tunnel(&self) -> Option<Box<Tunnel>> {
        self.tunnel.borrow_mut().take()
    }

    /// Ready when the connection has to end at once.
    pub fn poll_cut(&self, context: &Context<'_>) -> Poll<()> {
        if self.poll_closing(context) == ConnectionClosing::Now {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// How the connection should close; the task is woken when this changes.
    pub fn poll_closing(&self, context: &Context<'_>) -> ConnectionClosing {
        match &mut *self.waker.borrow_mut() {
            Some(waker) => waker.clone_from(context.waker()),
            empty => *empty = Some(context.waker().clone()),
        }
        self.closing.get()
    }

    fn enter(&self, phase: Phase, now: u64) {
        self.rest.set(IdleConnection::Awake);
        self.phase.set(phase);
        self.since.set(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::TICK;
    use crate::model::gateway::ByteLimit;

    fn connection() -> (Rc<Connection>, Rc<Deadlines>) {
        let peer = SocketAddr::from(([192, 0, 2, 1], 4711));
        (Rc::new(Connection::new("http", peer, Transport::Plain, Rc::default(), 0)), Rc::default())
    }

    fn limits() -> Limits {
        Limits {
            header_timeout: TICK * 10,
            idle_timeout: TICK * 100,
            max_header_bytes: 0,
            max_headers: 0,
            max_body_bytes: ByteLimit::None,
            body_stall_timeout: TICK * 10_000,
            max_token_bytes: 0,
            max_forged_tokens: None,
            unknown_tokens: crate::model::rate::Rate::a_minute(std::num::NonZeroU32::MIN),
            max_streams: 0,
            max_loop_delay: None,
        }
    }

    #[test]
    fn a_client_is_told_to_go_before_it_is_cut_off_however_late_the_sweep_comes() {
        let (connection, deadlines) = connection();
        drop(connection.request_began(&deadlines));
        let limits = limits();
        assert_eq!(connection.overdue(&limits, 100), None);
        for late in [101, 111, 5_000] {
            assert_eq!(connection.overdue(&limits, late), Some(Overdue::Idle), "{late}");
        }
        connection.tell_to_go(5_000);
        assert_eq!(connection.overdue(&limits, 5_010), Some(Overdue::Idle));
        connection.tell_to_go(5_010);
        assert_eq!(
            connection.overdue(&limits, 5_011),
            Some(Overdue::Lingering),
            "told again is not told later"
        );
    }

    #[test]
    fn a_drained_connection_that_is_silent_does_not_hold_the_drain() {
        let limits = limits();
        let (http1, deadlines) = connection();
        drop(http1.request_began(&deadlines));
        http1.drain(10);
        assert_eq!(http1.overdue(&limits, 30), None, "its next request may be under way");
        assert_eq!(http1.overdue(&limits, 31), Some(Overdue::Idle));
        let (http2, deadlines) = connection();
        http2.is_multiplexed();
        let request = http2.request_began(&deadlines);
        http2.drain(10);
        assert_eq!(http2.overdue(&limits, 9_000), None, "a stream is open");
        deadlines.advance(100);
        drop(request);
        assert_eq!(http2.overdue(&limits, 140), None);
        assert_eq!(http2.overdue(&limits, 141), Some(Overdue::Lingering));
    }

    #[test]
    fn who_asks_for_something_after_all_has_its_answer_and_its_time() {
        let (connection, deadlines) = connection();
        drop(connection.request_began(&deadlines));
        connection.tell_to_go(101);
        let request = connection.request_began(&deadlines);
        assert_eq!(connection.overdue(&limits(), 5_000), None);
        deadlines.advance(5_000);
        drop(request);
        assert_eq!(connection.overdue(&limits(), 5_100), None);
        assert_eq!(connection.overdue(&limits(), 5_101), Some(Overdue::Idle));
    }
}
