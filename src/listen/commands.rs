//! The way in which other threads reach a worker: a queue of commands.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::listen::socket::{ConnectionPlace, ListenerSocket};

/// Connections that may wait for another worker to take them.
const HAND_OVER_QUEUE: usize = 256;

/// A command to a worker.
#[derive(Debug)]
pub enum WorkerCommand {
    Listen(Arc<ListenerSocket>),
    /// Stop accepting there, and drain the connections of that listener.
    Unlisten(Arc<ListenerSocket>),
    Take {
        stream: std::net::TcpStream,
        peer: SocketAddr,
        place: ConnectionPlace,
    },
    /// Report when all earlier commands are done.
    Settle(mpsc::Sender<()>),
    /// Stop accepting, and finish exchanges in flight. Streams are told to end `within` this time.
    Drain {
        within: Duration,
    },
    /// End now.
    Stop,
    /// Fail, to test the reaction.
    #[cfg(test)]
    Panic,
}

/// A handle by which other threads reach a worker.
#[derive(Debug, Clone)]
pub struct WorkerHandle {
    pub commands: mpsc::Sender<WorkerCommand>,
    pub(super) connections: Arc<AtomicUsize>,
}

/// The two ends of a worker's queue, made before its thread so that all workers know each other. It
/// outlives a worker that fails, and the next one uses it.
#[derive(Debug)]
pub struct WorkerQueue {
    pub handle: WorkerHandle,
    pub(super) commands: mpsc::Receiver<WorkerCommand>,
    /// The listeners on which the worker accepts.
    pub(super) listeners: Vec<Arc<ListenerSocket>>,
    pub(super) draining: bool,
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
    /// Tells whether the worker was told to end.
    pub fn is_draining(&self) -> bool {
        self.draining
    }
}
