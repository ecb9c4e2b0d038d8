//! One worker: a thread with a runtime, connections and caches of its own. A request shares only
//! the snapshot with other workers.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::{AbortHandle, JoinSet, yield_now};

use crate::listen::accept;
use crate::listen::commands::{WorkerCommand, WorkerHandle, WorkerQueue};
use crate::listen::local_worker::{AcceptedConnection, LocalWorker};
use crate::listen::socket::ListenerSocket;
use crate::listen::tick::tick;
use crate::proxy::worker::{Worker, WorkerParts};

/// Runs a worker until it was drained or stopped. An error means that one of its tasks has failed.
pub fn run(
    parts: WorkerParts,
    queue: &mut WorkerQueue,
    peers: Vec<WorkerHandle>,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        let open = Arc::clone(&queue.handle.connections);
        let worker = Rc::new(LocalWorker::new(Rc::new(Worker::new(parts)), open, peers));
        let mut tasks = WorkerTasks { all: JoinSet::new(), accepting: HashMap::new() };
        tasks.all.spawn_local(tick(Rc::clone(&worker)));
        for listener in &queue.listeners {
            tasks.accept(&worker, listener);
        }
        let ended = serve(&worker, queue, &mut tasks).await;
        tasks.all.abort_all();
        worker.shared().access_log().flush();
        ended
    })
}

/// The tasks that a worker needs: its clock, and accepting. None of them ends by itself.
struct WorkerTasks {
    all: JoinSet<()>,
    accepting: HashMap<*const ListenerSocket, AbortHandle>,
}

impl WorkerTasks {
    fn accept(&mut self, worker: &Rc<LocalWorker>, listener: &Arc<ListenerSocket>) {
        match listener.copy().and_then(accept::register) {
            Ok(socket) => {
                let accepting = accept::accept(Rc::clone(worker), Arc::clone(listener), socket);
                let accepting = self.all.spawn_local(accepting);
                self.accepting.insert(Arc::as_ptr(listener), accepting);
            }
            Err(error) => {
                tracing::error!(target: "portcullis::listen", listener = %listener.name, %error, "a worker cannot accept");
            }
        }
    }

    /// Waits for one that failed.
    async fn failed(&mut self) -> io::Error {
        loop {
            match self.all.join_next().await {
                Some(Err(error)) if error.is_cancelled() => {}
                Some(Err(error)) => return io::Error::other(error),
                Some(Ok(())) => return io::Error::other("a task of the worker came to an end"),
                None => std::future::pending().await,
            }
        }
    }
}

/// Carries out the worker's commands.
async fn serve(
    worker: &Rc<LocalWorker>,
    queue: &mut WorkerQueue,
    tasks: &mut WorkerTasks,
) -> io::Result<()> {
    loop {
        let command = tokio::select! {
            command = queue.commands.recv() => command,
            error = tasks.failed() => return Err(error),
        };
        match command {
            Some(WorkerCommand::Listen(listener)) => {
                tasks.accept(worker, &listener);
                queue.listeners.push(listener);
            }
            Some(WorkerCommand::Unlisten(listener)) => {
                queue.listeners.retain(|kept| !Arc::ptr_eq(kept, &listener));
                if let Some(accepting) = tasks.accepting.remove(&Arc::as_ptr(&listener)) {
                    accepting.abort();
                }
                worker.drain_listener(&listener);
            }
            Some(WorkerCommand::Settle(done)) => {
                // a task that was aborted ends in its next turn
                yield_now().await;
                let _ = done.send(()).await;
            }
            Some(WorkerCommand::Take { stream, peer, mut place }) => {
                place.arrive(worker.index());
                if let Ok(stream) = TcpStream::from_std(stream) {
                    accept::take(worker, AcceptedConnection { stream, peer, place });
                }
            }
            Some(WorkerCommand::Drain { within }) => {
                queue.draining = true;
                queue.listeners.clear();
                for (_, accepting) in tasks.accepting.drain() {
                    accepting.abort();
                }
                worker.drain(within);
                if worker.is_empty() {
                    return Ok(());
                }
            }
            #[cfg(test)]
            #[allow(clippy::panic, reason = "what the test asks for")]
            Some(WorkerCommand::Panic) => panic!("as the test asked"),
            Some(WorkerCommand::Stop) | None => return Ok(()),
        }
    }
}
