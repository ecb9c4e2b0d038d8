//! Counts for each listener. Connections are rare beside requests, so any thread may count here.

use std::sync::Arc;

use super::cell::{Cell, OpenCount};

/// The reason why a client's connection was not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedConnection {
    /// The listener's `max_connections` are open.
    Limit,
    /// The client has `max_connections_per_address` of them.
    Address,
    /// A PROXY header that is malformed, or missing where one is required.
    ProxyHeader,
    /// The process has no file descriptor left.
    Descriptors,
    /// `accept` failed for another reason.
    AcceptFailed,
    /// The gateway is stopping.
    Draining,
}

/// The reason why a client's TLS handshake did not finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFailure {
    /// The handshake or head took longer than `header_timeout`.
    Timeout,
    /// The client closed or reset the connection.
    Closed,
    /// TLS failed: no common version, suite or protocol, a bad certificate, or bytes that are not
    /// TLS.
    Protocol,
}

/// The counts of one listener; shared by all workers, kept while a listener of this name lives.
#[derive(Debug)]
pub struct ListenerSeries {
    pub(super) name: Arc<str>,
    pub(super) limit: Cell,
    pub(super) workers: Box<[ListenerCells]>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct ListenerCells {
    pub(super) connections: OpenCount,
    pub(super) refused: [Cell; RefusedConnection::ALL.len()],
    pub(super) tls_failures: [Cell; TlsFailure::ALL.len()],
}

impl ListenerSeries {
    pub(super) fn new(name: Arc<str>, workers: usize) -> Self {
        Self {
            name,
            limit: Cell::default(),
            workers: (0..workers.max(1)).map(|_| ListenerCells::default()).collect(),
        }
    }

    /// Sets the limit of open connections.
    pub fn set_limit(&self, connections: usize) {
        self.limit.set(connections as u64);
    }

    /// Counts an accepted connection, on the worker that serves it.
    pub fn opened(&self, worker: usize) {
        if let Some(cells) = self.cells(worker) {
            cells.connections.began.add_shared(1);
        }
    }

    /// An opened connection has ended.
    pub fn closed(&self, worker: usize) {
        if let Some(cells) = self.cells(worker) {
            cells.connections.ended.add_shared(1);
        }
    }

    pub fn refused(&self, worker: usize, reason: RefusedConnection) {
        if let Some(cell) = self.cells(worker).and_then(|cells| cells.refused.get(reason as usize))
        {
            cell.add_shared(1);
        }
    }

    pub fn tls_failed(&self, worker: usize, reason: TlsFailure) {
        if let Some(cell) =
            self.cells(worker).and_then(|cells| cells.tls_failures.get(reason as usize))
        {
            cell.add_shared(1);
        }
    }

    /// Connections open on all workers.
    pub fn open(&self) -> u64 {
        self.workers.iter().map(|cells| cells.connections.open()).sum()
    }

    /// A thread that is no worker (an acceptor) counts in the first shard.
    fn cells(&self, worker: usize) -> Option<&ListenerCells> {
        self.workers.get(worker).or_else(|| self.workers.first())
    }
}

impl RefusedConnection {
    /// All, in the order of the cells.
    pub const ALL: [Self; 6] = [
        Self::Limit,
        Self::Address,
        Self::ProxyHeader,
        Self::Descriptors,
        Self::AcceptFailed,
        Self::Draining,
    ];

    pub fn label(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Address => "address",
            Self::ProxyHeader => "proxy_header",
            Self::Descriptors => "descriptors",
            Self::AcceptFailed => "accept_failed",
            Self::Draining => "draining",
        }
    }
}

impl TlsFailure {
    /// All, in the order of the cells.
    pub const ALL: [Self; 3] = [Self::Timeout, Self::Closed, Self::Protocol];

    pub fn label(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stand_at_their_cells() {
        assert!(
            RefusedConnection::ALL.iter().enumerate().all(|(at, reason)| *reason as usize == at)
        );
        assert!(TlsFailure::ALL.iter().enumerate().all(|(at, reason)| *reason as usize == at));
    }
}
