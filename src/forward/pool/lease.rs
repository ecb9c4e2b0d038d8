//! A connection in use: the exchange's requests to it, and its reports to the pool.

use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http2};

use crate::deadline::ticks;
use crate::forward::body::request::RequestBody;
use crate::forward::framing::Reuse;
use crate::forward::http1_connection::Http1Connection;
use crate::forward::pool::shared::{MultiplexedStream, SharedConnection};
use crate::forward::pool::target_pool::{Idle, Pool};

/// A backend that sent bytes after an answer is not trusted with reused connections for this long.
const DOUBT: Duration = Duration::from_mins(1);

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

/// The past of a connection in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseKind {
    Fresh,
    Reused,
    /// Idle for so long that the backend may be closing it at this moment.
    Aged,
    /// It may carry bytes after an earlier answer, so only requests that can be sent again may use
    /// it.
    Doubtful,
}

impl Lease {
    pub(super) fn http1(
        pool: Rc<Pool>,
        connection: Box<Http1Connection>,
        address: SocketAddr,
        kind: LeaseKind,
    ) -> Self {
        let held = HeldConnection::Http1 { connection, address };
        Self { pool, held, kind, reuse: Reuse::Allowed }
    }

    /// Takes a stream of a shared connection.
    pub(super) fn stream(pool: Rc<Pool>, shared: &Rc<SharedConnection>, kind: LeaseKind) -> Self {
        let place = MultiplexedStream::of(shared, &pool.deadlines);
        let held = HeldConnection::Stream { sender: shared.connection.sender.clone(), place };
        Self { pool, held, kind, reuse: Reuse::Allowed }
    }

    pub fn kind(&self) -> LeaseKind {
        self.kind
    }

    /// Returns the address that the connection leads to.
    pub fn address(&self) -> SocketAddr {
        match &self.held {
            HeldConnection::Http1 { address, .. } => *address,
            HeldConnection::Stream { place, .. } => place.shared.address,
        }
    }

    pub fn is_http2(&self) -> bool {
        matches!(self.held, HeldConnection::Stream { .. })
    }

    /// Decides how far the connection is trusted after this exchange.
    pub(in crate::forward) fn trust(&mut self, reuse: Reuse) {
        self.reuse = reuse;
    }

    /// Notes that the answer could not be read. On a connection that was used before, the reason
    /// may be bytes that followed the answer before: for a while, no connection of this target is
    /// trusted.
    pub(in crate::forward) fn said_too_much(&self) {
        if self.kind != LeaseKind::Fresh {
            let pool = &self.pool;
            pool.doubted_until.set(pool.deadlines.now().saturating_add(ticks(DOUBT)));
        }
    }

    /// Returns a number that changes whenever something arrives on an HTTP/2 connection.
    pub(in crate::forward) fn reads(&self) -> Option<u64> {
        match &self.held {
            HeldConnection::Http1 { .. } => None,
            HeldConnection::Stream { place, .. } => {
                Some(place.shared.connection.observation().reads())
            }
        }
    }

    /// Tells whether the backend sent more interim answers on an HTTP/2 connection than it may.
    pub(in crate::forward) fn is_flooded(&self) -> bool {
        match &self.held {
            HeldConnection::Http1 { .. } => false,
            HeldConnection::Stream { place, .. } => {
                place.shared.connection.observation().is_flooded()
            }
        }
    }

    /// Gives an HTTP/2 connection no more streams. Those that it carries go on.
    pub(in crate::forward) fn retire(&self) {
        if let HeldConnection::Stream { place, .. } = &self.held {
            place.shared.retired.set(true);
            place.shared.waiting.notify_waiters();
        }
    }

    pub(in crate::forward) async fn send(
        &mut self,
        request: Box<Request<RequestBody>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        match &mut self.held {
            HeldConnection::Http1 { connection, .. } => connection.send(request).await,
            HeldConnection::Stream { sender, .. } => sender.try_send_request(*request).await,
        }
    }

    /// Polls for the exchange, and drives the connection in the meantime.
    pub(in crate::forward) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        mut ask: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        match &mut self.held {
            HeldConnection::Http1 { connection, .. } => connection.poll(context, ask),
            HeldConnection::Stream { .. } => ask(context),
        }
    }

    /// Puts the connection back after a whole exchange; closes it where enough are idle.
    pub(in crate::forward) fn give_back(self) {
        let Self { pool, held: HeldConnection::Http1 { mut connection, address }, reuse, .. } =
            self
        else {
            return;
        };
        if reuse == Reuse::Forbidden {
            return;
        }
        connection.rest();
        let mut idle = pool.idle.borrow_mut();
        // a backend that answered before it had read everything, and reads no further, would keep
        // the next request waiting
        if connection.is_ready() && idle.len() < pool.most_idle {
            let doubtful = reuse == Reuse::Doubtful;
            idle.push(Idle { connection, address, since: pool.deadlines.now(), doubtful });
            drop(idle);
            pool.idle_changed(1);
        }
    }
}
