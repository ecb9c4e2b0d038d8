//! The state of one client connection that its requests and its worker share.

use std::cell::{Cell, Ref, RefCell};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::forward::body::OpenBodies;
use crate::forward::early_hints::Interim;
use crate::model::gateway::ClientLimits;
use crate::proxy::connection::clock::{ConnectionClock, Overdue, Phase};
use crate::proxy::connection::continuation::Continuation;
use crate::proxy::origin_cache::OriginCache;
use crate::telemetry::Fragment;

/// One client connection.
#[derive(Debug)]
pub struct Connection {
    pub listener: Box<str>,
    /// The client, or the balancer in front of it until its PROXY header was read.
    peer: Cell<SocketAddr>,
    /// The SHA-256 of the certificate that the client proved to have, as DER.
    certificate: Cell<Option<[u8; 32]>>,
    pub transport: Transport,
    clock: ConnectionClock,
    in_flight: Cell<u32>,
    owes_bytes: Cell<bool>,
    closing: Cell<ConnectionClosing>,
    /// A request asked for another protocol, so the bytes after it may not be HTTP.
    upgrading: Cell<bool>,
    rest: Cell<IdleConnection>,
    listed: Cell<bool>,
    bodies: OpenBodies,
    /// The last bytes were not the end of a message.
    within_message: Cell<bool>,
    /// The protocol that goes on with the switched connection.
    continuation: RefCell<Option<Continuation>>,
    handed: Cell<Handed>,
    waker: RefCell<Option<Waker>>,
    interim: Arc<Interim>,
    origins: OriginCache,
    /// The text of the log fields that all its requests share.
    logged: RefCell<Fragment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Plain,
    Tls,
}

/// The state of a connection that waits for its client: it can give up the buffers that it needs to
/// read a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IdleConnection {
    Awake,
    Wanted,
    Resting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectionClosing {
    No,
    /// Requests in flight finish, and no new one is read.
    Gracefully,
    Now,
}

/// The outcome of asking an answer's body for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handed {
    /// It was not asked for more: its last frame has not been taken.
    Unchanged,
    /// The answer waits for its backend, or has ended.
    Nothing,
    Bytes(usize),
}

impl Connection {
    pub fn new(listener: &str, peer: SocketAddr, transport: Transport, now: u64) -> Self {
        Self {
            listener: listener.into(),
            peer: Cell::new(peer),
            certificate: Cell::new(None),
            transport,
            clock: ConnectionClock::new(now),
            in_flight: Cell::new(0),
            owes_bytes: Cell::new(false),
            closing: Cell::new(ConnectionClosing::No),
            upgrading: Cell::new(false),
            rest: Cell::new(IdleConnection::Awake),
            listed: Cell::new(false),
            bodies: OpenBodies::default(),
            within_message: Cell::new(false),
            continuation: RefCell::default(),
            handed: Cell::new(Handed::Unchanged),
            waker: RefCell::new(None),
            interim: Arc::default(),
            origins: OriginCache::default(),
            logged: RefCell::default(),
        }
    }

    pub fn peer(&self) -> SocketAddr {
        self.peer.get()
    }

    /// Notes the client that a trusted balancer tells about.
    pub fn stands_for(&self, client: SocketAddr) {
        self.peer.set(client);
        self.logged.take();
    }

    /// The prepared text of `remote` and the other log fields of the connection.
    pub fn logged(&self) -> Ref<'_, Fragment> {
        self.logged.borrow()
    }

    /// Returns the thumbprint of the client's certificate, if the handshake proved one.
    pub fn certificate(&self) -> Option<[u8; 32]> {
        self.certificate.get()
    }

    pub fn proved(&self, certificate: [u8; 32]) {
        self.certificate.set(Some(certificate));
    }

    /// Notes bytes from the client.
    pub fn bytes_came(&self, now: u64) {
        if self.clock.phase.get() == Phase::Idle {
            self.enter(Phase::Head, now);
        }
    }

    /// Notes frames of HTTP/2. Pings, acknowledgements and windows of a client without requests are
    /// no head that is late.
    pub fn frames_came(&self, within_head: bool, now: u64) {
        match (self.clock.phase.get(), within_head) {
            (Phase::Idle, true) => self.enter(Phase::Head, now),
            (Phase::Head, false) => self.enter(Phase::Idle, now),
            _ => {}
        }
    }

    /// Notes whether the client reads the bytes that are sent to it.
    pub fn write_blocked(&self, blocked: bool, now: u64) {
        self.clock.write_blocked(blocked, now);
    }

    /// Notes that a request's head was read.
    pub(super) fn request_began(&self, now: u64) {
        self.in_flight.set(self.in_flight.get().saturating_add(1));
        self.owes_bytes.set(true);
        if self.is_draining() {
            self.close(ConnectionClosing::Gracefully);
        }
        self.clock.told.set(None);
        self.enter(Phase::Serving, now);
    }

    /// Notes that a request was answered. Returns true if the connection now waits for its next
    /// one.
    pub(super) fn request_ended(&self, now: u64) -> bool {
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
        let waits = self.in_flight.get() == 0;
        if waits {
            self.enter(Phase::Idle, now);
        }
        waits && !self.clock.multiplexed.get()
    }

    /// Notes that an answer's body was polled.
    pub fn body_polled(&self, handed: Handed) {
        self.handed.set(handed);
    }

    /// Returns the outcome of asking an answer's body; of interest only between two streams' turns.
    pub fn handed(&self) -> Handed {
        self.handed.get()
    }

    /// Tells whether an answer, or the rest of one, is still to be written.
    pub fn owes_bytes(&self) -> bool {
        self.owes_bytes.get()
    }

    /// Notes that everything written has gone out.
    pub fn flushed(&self) {
        if self.in_flight.get() == 0 {
            self.owes_bytes.set(false);
        }
    }

    /// Returns the number of other requests in flight.
    pub fn neighbors(&self) -> usize {
        usize::try_from(self.in_flight.get().saturating_sub(1)).unwrap_or(usize::MAX)
    }

    pub fn is_serving(&self) -> bool {
        self.in_flight.get() > 0
    }

    /// Returns the limit that the connection has exceeded, if there is one.
    pub fn overdue(&self, limits: &ClientLimits, now: u64) -> Option<Overdue> {
        self.clock.overdue(limits, now, self.is_serving())
    }

    /// Tells whether the next bytes begin a request. An answer can be over before its request is.
    fn is_between_requests(&self) -> bool {
        self.clock.phase.get() == Phase::Idle && !self.bodies.any() && !self.within_message.get()
    }

    /// Notes whether the last bytes ended within a message, as the framing's watch reads them.
    pub fn within_message(&self, within: bool) {
        self.within_message.set(within);
    }

    /// Returns the counter of its requests' bodies.
    pub fn bodies(&self) -> &OpenBodies {
        &self.bodies
    }

    /// Returns the tick at which the connection began to wait for its next request; `None` if it
    /// does not wait, or must stay awake.
    pub(super) fn waits_since(&self) -> Option<u64> {
        let waits = self.is_between_requests()
            && !self.clock.multiplexed.get()
            && self.rest.get() == IdleConnection::Awake;
        waits.then_some(self.clock.since.get())
    }

    /// Remembers whether [`IdleConnections`](super::idle::IdleConnections) lists it, and returns
    /// whether it did before.
    pub(super) fn list(&self, listed: bool) -> bool {
        self.listed.replace(listed)
    }

    /// Asks the connection to give up its buffers.
    pub(super) fn rest(&self) {
        self.rest.set(IdleConnection::Wanted);
        self.wake();
    }

    /// Tells whether it should rest now; it does so once.
    pub fn goes_to_rest(&self) -> bool {
        let goes = self.rest.get() == IdleConnection::Wanted
            && self.is_between_requests()
            && !self.owes_bytes.get();
        if goes {
            self.rest.set(IdleConnection::Resting);
        }
        goes
    }

    /// Notes that the connection speaks HTTP/2, whose clients can be told to close.
    pub fn is_multiplexed(&self) {
        self.clock.multiplexed.set(true);
    }

    /// Drains the connection: the gateway is stopping, or the listener was removed. An idle HTTP/1
    /// client may be sending its next request at this moment, and closing would lose it: it is
    /// answered, with `Connection: close`.
    pub fn drain(&self, now: u64) {
        self.clock.draining.set(self.clock.draining.get().or(Some(now)));
        if self.is_serving() || self.clock.multiplexed.get() {
            self.close(ConnectionClosing::Gracefully);
        }
    }

    /// Tells a client without requests for a long time to close the connection. Requests on their
    /// way are still answered.
    pub fn tell_to_go(&self, now: u64) {
        self.clock.told.set(self.clock.told.get().or(Some(now)));
        self.close(ConnectionClosing::Gracefully);
    }

    pub fn is_draining(&self) -> bool {
        self.clock.draining.get().is_some()
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

    /// Returns the interim answers that come before the answer.
    pub fn interim(&self) -> &Arc<Interim> {
        &self.interim
    }

    pub fn is_upgrading(&self) -> bool {
        self.upgrading.get()
    }

    pub fn upgrades(&self) {
        self.upgrading.set(true);
    }

    /// Hands the socket over: the answer that switches protocols is on its way.
    pub fn switch(&self, continuation: Continuation) {
        *self.continuation.borrow_mut() = Some(continuation);
    }

    pub fn take_continuation(&self) -> Option<Continuation> {
        self.continuation.borrow_mut().take()
    }

    /// Ready when the connection must end at once.
    pub fn poll_cut(&self, context: &Context<'_>) -> Poll<()> {
        if self.poll_closing(context) == ConnectionClosing::Now {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Returns how the connection should close. The task is woken when this changes.
    pub fn poll_closing(&self, context: &Context<'_>) -> ConnectionClosing {
        match &mut *self.waker.borrow_mut() {
            Some(waker) => waker.clone_from(context.waker()),
            empty => *empty = Some(context.waker().clone()),
        }
        self.closing.get()
    }

    fn enter(&self, phase: Phase, now: u64) {
        self.rest.set(IdleConnection::Awake);
        self.clock.enter(phase, now);
    }
}
