//! A bound on the server's answers: a server that answers without end costs a connection and no
//! memory.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisFuture, Value};

use crate::inspected_stream::Inspect;

/// The most bytes from one command to the next. The largest requested answer, a page of the set, is
/// about 400 KiB; parsed, it takes up to fifteen times as much.
pub(crate) const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// The bytes that were read since the last command.
#[derive(Debug, Default)]
pub(crate) struct ReplyBudget {
    read: AtomicU64,
    exceeded: AtomicBool,
}

/// A connection with bounded answers. One command at a time is sent on it.
#[derive(Clone)]
pub(crate) struct BoundedConnection {
    connection: MultiplexedConnection,
    bound: Arc<ReplyBudget>,
}

impl ReplyBudget {
    pub(crate) fn is_exceeded(&self) -> bool {
        self.exceeded.load(Ordering::Relaxed)
    }

    fn begin(&self) {
        self.read.store(0, Ordering::Relaxed);
    }

    fn add(&self, bytes: usize) -> io::Result<()> {
        let before = self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        if before.saturating_add(bytes as u64) <= MOST_BYTES {
            return Ok(());
        }
        self.exceeded.store(true, Ordering::Relaxed);
        Err(io::Error::new(io::ErrorKind::InvalidData, "an answer is too long"))
    }
}

/// Counts the bytes of a connection.
impl Inspect for ReplyBudget {
    fn inspect(&self, bytes: &[u8]) -> io::Result<()> {
        self.add(bytes.len())
    }
}

impl std::fmt::Debug for BoundedConnection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("BoundedConnection")
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}

impl BoundedConnection {
    pub(crate) fn new(connection: MultiplexedConnection, bound: Arc<ReplyBudget>) -> Self {
        Self { connection, bound }
    }

    pub(crate) fn bound(&self) -> Arc<ReplyBudget> {
        Arc::clone(&self.bound)
    }
}

impl ConnectionLike for BoundedConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        self.bound.begin();
        self.connection.req_packed_command(command)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.bound.begin();
        self.connection.req_packed_commands(commands, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_the_whole_bound() {
        let (bound, most) = (ReplyBudget::default(), usize::try_from(MOST_BYTES).unwrap());
        for _ in 0..3 {
            bound.begin();
            assert!(bound.add(most - 1).is_ok() && bound.add(1).is_ok());
            assert!(!bound.is_exceeded());
        }
        assert!(bound.add(1).is_err() && bound.is_exceeded());
    }
}
