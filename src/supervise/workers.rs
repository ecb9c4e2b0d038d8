//! The worker threads: started, ordered and awaited together.
//!
//! A worker that fails is started again on its own thread, with its queue and its listening
//! sockets; its connections are lost. Until it is back the gateway is not ready.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::listen::{self, ListenerSocket, WorkerCommand, WorkerHandle, WorkerQueue};
use crate::management::Readiness;
use crate::model::gateway::Workers as WorkerCount;
use crate::proxy::worker::WorkerParts;
use crate::supervise::error::SuperviseError;
use crate::telemetry::Metrics;

/// The pause between two looks for the end of the threads.
const POLL: Duration = Duration::from_millis(10);

/// The longest time for a worker to follow an order.
const SETTLE: Duration = Duration::from_secs(2);

/// The pause before a worker that has failed is started again; a resource may be missing for a
/// moment.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause, for a worker that fails again and again.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A worker that has worked for this long has recovered.
const RECOVERED: Duration = Duration::from_mins(1);

/// The threads that serve clients.
#[derive(Debug)]
pub struct WorkerThreads {
    handles: Vec<WorkerHandle>,
    threads: Vec<JoinHandle<()>>,
}

/// Returns the number of workers that a setting means on this machine.
pub fn count(setting: WorkerCount) -> usize {
    match setting {
        WorkerCount::Auto => thread::available_parallelism().map_or(1, NonZero::get),
        WorkerCount::Count(count) => usize::from(count).max(1),
    }
}

impl WorkerThreads {
    /// Starts a thread for each of `parts`.
    pub fn start(
        parts: Vec<WorkerParts>,
        readiness: &Arc<Readiness>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, SuperviseError> {
        let queues: Vec<_> = parts.iter().map(|_| WorkerQueue::new()).collect();
        let handles: Vec<_> = queues.iter().map(|queue| queue.handle.clone()).collect();
        let mut threads = Vec::with_capacity(parts.len());
        for (parts, queue) in parts.into_iter().zip(queues) {
            let peers = handles.clone();
            let name = format!("worker-{}", parts.index);
            let watched =
                Watched { readiness: Arc::clone(readiness), metrics: Arc::clone(metrics) };
            let thread =
                thread::Builder::new().name(name).spawn(move || watched.run(&parts, queue, &peers));
            threads.push(thread.map_err(SuperviseError::Worker)?);
        }
        Ok(Self { handles, threads })
    }

    async fn listen(&self, listener: &Arc<ListenerSocket>) {
        self.tell(|| WorkerCommand::Listen(Arc::clone(listener))).await;
    }

    /// Accepts on new listeners.
    pub async fn listen_all(&self, listeners: &[Arc<ListenerSocket>]) {
        for listener in listeners {
            self.listen(listener).await;
            tracing::info!(
                target: "portcullis::supervise",
                listener = %listener.name,
                address = %listener.address,
                "listening",
            );
        }
    }

    pub async fn unlisten(&self, listener: &Arc<ListenerSocket>) {
        self.tell(|| WorkerCommand::Unlisten(Arc::clone(listener))).await;
    }

    /// Waits until the workers have followed their orders.
    pub async fn settled(&self) {
        let (done, mut settled) = mpsc::channel(1);
        self.tell(|| WorkerCommand::Settle(done.clone())).await;
        drop(done);
        // each worker has a copy of the sender until it has done it
        let all = async { while settled.recv().await.is_some() {} };
        if tokio::time::timeout(SETTLE, all).await.is_err() {
            tracing::warn!(target: "portcullis::supervise", "a worker does not do what it is told");
        }
    }

    /// Asks every worker to finish its exchanges; returns whether all did so in time. `hurry` ends
    /// the wait.
    pub async fn drain(mut self, within: Duration, hurry: impl Future<Output = ()>) -> Drained {
        self.tell(|| WorkerCommand::Drain { within }).await;
        let deadline = Instant::now().checked_add(within);
        let ended = async {
            while self.threads.iter().any(|thread| !thread.is_finished())
                && deadline.is_none_or(|at| Instant::now() < at)
            {
                tokio::time::sleep(POLL).await;
                // a worker checks for its last connection when it gets an order
                for handle in &self.handles {
                    let _ = handle.commands.try_send(WorkerCommand::Drain { within });
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
            let _ = handle.commands.try_send(WorkerCommand::Stop);
        }
        for thread in self.threads.drain(..) {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        drained
    }

    async fn tell(&self, command: impl Fn() -> WorkerCommand) {
        for handle in &self.handles {
            // a worker that ended has no queue to wait for
            let _ = handle.commands.send(command()).await;
        }
    }
}

/// Reports a worker that fails.
struct Watched {
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
}

impl Watched {
    /// Runs a worker, again and again until it ends as ordered.
    fn run(&self, parts: &WorkerParts, mut queue: WorkerQueue, peers: &[WorkerHandle]) {
        let mut pause = RESTART_PAUSE;
        loop {
            let begun = Instant::now();
            // nothing of a failed worker is used again but its queue, which no failure leaves half
            // changed
            let ended = catch_unwind(AssertUnwindSafe(|| {
                listen::run(parts.again(), &mut queue, peers.to_vec())
            }));
            let error = match ended {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it panicked".to_owned(),
            };
            if queue.is_draining() {
                tracing::error!(
                    target: "portcullis::supervise",
                    worker = parts.index,
                    error,
                    "a worker failed while it was drained; its connections are lost",
                );
                return;
            }
            self.readiness.worker_ended();
            self.metrics.worker_restarted();
            tracing::error!(
                target: "portcullis::supervise",
                worker = parts.index,
                error,
                "a worker failed and is started again; its connections are lost. This is a bug: \
                 please report it",
            );
            pause = if begun.elapsed() > RECOVERED { RESTART_PAUSE } else { pause };
            thread::sleep(pause);
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            self.readiness.worker_returned();
        }
    }
}

/// The end of a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// All exchanges in flight were finished.
    Whole,
    /// The time was over, or the operator was in a hurry: some exchanges were cut.
    Cut,
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::runtime::Builder;

    use super::*;
    use crate::supervise::inherited::Inherited;
    use crate::supervise::start::start;

    const FILE: &str = r#"
[gateway]
workers = 2
[[listeners]]
name = "http"
address = "127.0.0.1:0"
[telemetry]
access_log = { path = "access.log" }
[[apis]]
name = "a"
version = "1"
context = "/a"
production = { urls = ["http://127.0.0.1:1"] }
"#;

    async fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
        for _ in 0..1000 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not within ten seconds: {what}");
    }

    async fn status(address: std::net::SocketAddr) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn a_worker_that_fails_makes_the_gateway_unready_and_is_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        fs::write(&path, FILE).unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let running = start(&path, None, Inherited::default()).await.unwrap();
            let address = running.address("http").unwrap();
            soon("ready", || running.is_ready()).await;
            assert_eq!(status(address).await, "HTTP/1.1 404 Not Found");
            for handle in &running.threads.handles {
                handle.commands.send(WorkerCommand::Panic).await.unwrap();
            }
            soon("unready", || !running.is_ready()).await;
            soon("ready again", || running.is_ready()).await;
            for _ in 0..4 {
                assert_eq!(status(address).await, "HTTP/1.1 404 Not Found");
            }
            let metrics = running.metrics().render();
            assert!(metrics.contains("portcullis_worker_restarts_total 2"), "{metrics}");
            assert_eq!(running.stop(std::future::pending()).await, Drained::Whole);
        });
    }
}
