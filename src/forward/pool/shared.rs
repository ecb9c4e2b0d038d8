//! An HTTP/2 connection, which requests share by its streams.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::sync::Notify;

use crate::deadline::Deadlines;
use crate::forward::multiplexed::Http2Connection;

/// An HTTP/2 connection.
#[derive(Debug)]
pub(super) struct SharedConnection {
    pub(super) connection: Http2Connection,
    pub(super) address: SocketAddr,
    pub(super) streams: Cell<usize>,
    /// It gets no more streams: the backend sent nothing for as long as a request waited.
    pub(super) retired: Cell<bool>,
    /// Wakes requests that wait for a stream.
    pub(super) waiting: Rc<Notify>,
    /// The tick at which its last stream ended.
    pub(super) since: Cell<u64>,
}

/// A stream of a shared HTTP/2 connection.
#[derive(Debug)]
pub(super) struct MultiplexedStream {
    pub(super) shared: Rc<SharedConnection>,
    deadlines: Rc<Deadlines>,
}

impl SharedConnection {
    pub(super) fn new(
        connection: Http2Connection,
        address: SocketAddr,
        waiting: &Rc<Notify>,
        now: u64,
    ) -> Self {
        let waiting = Rc::clone(waiting);
        connection.tells(&waiting);
        let since = Cell::new(now);
        Self {
            connection,
            address,
            streams: Cell::new(0),
            retired: Cell::new(false),
            waiting,
            since,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.streams.get() < self.connection.capacity()
    }
}

impl MultiplexedStream {
    /// Takes a stream of a connection, and counts it there.
    pub(super) fn of(shared: &Rc<SharedConnection>, deadlines: &Rc<Deadlines>) -> Self {
        shared.streams.set(shared.streams.get().saturating_add(1));
        Self { shared: Rc::clone(shared), deadlines: Rc::clone(deadlines) }
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
