//! The worker threads: started together, told together, waited for together.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::listen::socket::ListenerSocket;
use crate::listen::worker::{self, Command, WorkerHandle, WorkerQueue};
use crate::model::gateway::Workers as WorkerCount;
use crate::proxy::worker::WalkParts;
use crate::supervise::error::SuperviseError;

/// How often the end of the threads is looked for.
const POLL: Duration = Duration::from_millis(10);

/// How long a worker may take to do what it was told.
const SETTLE: Duration = Duration::from_secs(2);

/// The threads that serve clients.
#[derive(Debug)]
pub struct WorkerThreads {
    handles: Vec<WorkerHandle>,
    threads: Vec<JoinHandle<()>>,
}

/// How many workers a setting means on this machine.
pub fn count(setting: WorkerCount) -> usize {
    match setting {
        WorkerCount::Auto => thread::available_parallelism().map_or(1, NonZero::get),
        WorkerCount::Count(count) => usize::from(count).max(1),
    }
}

impl WorkerThreads {
    /// Starts a thread for each of `parts`.
    pub fn start(parts: Vec<WalkParts>) -> Result<Self, SuperviseError> {
        let queues: Vec<_> = parts.iter().map(|_| WorkerQueue::new()).collect();
        let handles: Vec<_> = queues.iter().map(|queue| queue.handle.clone()).collect();
        let mut threads = Vec::with_capacity(parts.len());
        for (parts, queue) in parts.into_iter().zip(queues) {
            let peers = handles.clone();
            let name = format!("worker-{}", parts.index);
            let thread = thread::Builder::new().name(name).spawn(move || {
                if let Err(error) = worker::run(parts, queue, peers) {
                    tracing::error!(target: "portcullis::supervise", %error, "a worker ended");
                }
            });
            threads.push(thread.map_err(SuperviseError::Worker)?);
        }
        Ok(Self { handles, threads })
    }

    async fn listen(&self, listener: &Arc<ListenerSocket>) {
        self.tell(|| Command::Listen(Arc::clone(listener))).await;
    }

    /// Accepts on new listeners.
    pub async fn listen_all(&self, listeners: &[Arc<ListenerSocket>]) {
        for listener in listeners {
            self.listen(listener).await;
            tracing::info!(target: "portcullis::supervise", listener = %listener.name, address = %listener.address, "listening");
        }
    }

    pub async fn unlisten(&self, listener: &Arc<ListenerSocket>) {
        self.tell(|| Command::Unlisten(Arc::clone(listener))).await;
    }

    /// Waits until the workers have done what they were told.
    pub async fn settled(&self) {
        let (done, mut settled) = mpsc::channel(1);
        self.tell(|| Command::Settle(done.clone())).await;
        drop(done);
        // each worker has a copy of the sender until it has done it
        let all = async { while settled.recv().await.is_some() {} };
        if tokio::time::timeout(SETTLE, all).await.is_err() {
            tracing::warn!(target: "portcullis::supervise", "a worker does not do what it is told");
        }
    }

    /// Asks every worker to finish what it has; returns whether all did so in time. `hurry` ends the wait.
    pub async fn drain(mut self, within: Duration, hurry: impl Future<Output = ()>) -> Drained {
        self.tell(|| Command::Drain).await;
        let deadline = Instant::now().checked_add(within);
        let ended = async {
            while self.threads.iter().any(|thread| !thread.is_finished())
                && deadline.is_none_or(|at| Instant::now() < at)
            {
                tokio::time::sleep(POLL).await;
                // a worker looks whether its last connection has gone when it is told again
                for handle in &self.handles {
                    let _ = handle.commands.try_send(Command::Drain);
                }
            }
        };
        tokio::select! {
            () = ended => {}
            () = hurry => {}
        }
        let drained = if self.threads.iter().all(JoinHandle::is_finished) {
            Drained::Whole
        } else {
            Drained::Cut
        };
        for handle in &self.handles {
            let _ = handle.commands.try_send(Command::Stop);
        }
        for thread in self.threads.drain(..) {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        drained
    }

    async fn tell(&self, command: impl Fn() -> Command) {
        for handle in &self.handles {
            // a worker that ended has no queue to wait for
            let _ = handle.commands.send(command()).await;
        }
    }
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Everything in flight was finished.
    Whole,
    /// The time was over, or somebody was in a hurry: some exchanges were cut.
    Cut,
}
