//! A running gateway: what it is told while it runs, and how it ends.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::management::readiness::Readiness;
use crate::management::reloading::{ReloadRequest, Removals};
use crate::snapshot::Snapshots;
use crate::state_dir::lock::Lock;
use crate::supervise::reload::Reloader;
use crate::supervise::takeover::{self, TakeoverError};
use crate::supervise::watch::Watch;
use crate::supervise::workers::{Drained, WorkerThreads};
use crate::telemetry::{AccessLog, Metrics};

/// How long the last lines of the access log may take.
const LOG_TIMEOUT: Duration = Duration::from_secs(2);

/// A gateway that serves. Dropping it without [`Running::stop`] leaves the worker threads to the end of the process.
#[derive(Debug)]
pub struct Running {
    pub(super) reloader: Reloader,
    pub(super) threads: WorkerThreads,
    pub(super) readiness: Arc<Readiness>,
    pub(super) access_log: AccessLog,
    pub(super) snapshots: Arc<Snapshots>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) tasks: JoinSet<()>,
    pub(super) reload: mpsc::Sender<ReloadRequest>,
    pub(super) reloads: mpsc::Receiver<ReloadRequest>,
    pub(super) watch: Watch,
    pub(super) management_address: Option<SocketAddr>,
    /// For the process that takes over.
    pub(super) management_socket: Option<TcpListener>,
    /// The right to write to `state_dir`.
    pub(super) lock: Option<Lock>,
}

/// The signals that end or reload a gateway.
#[derive(Debug)]
pub struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    take_over: Signal,
}

/// What a signal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Reload,
    Drain,
    EndNow,
    HandOver,
}

impl Signals {
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            take_over: signal(SignalKind::user_defined2())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.hangup.recv() => Told::Reload,
            _ = self.terminate.recv() => Told::Drain,
            _ = self.interrupt.recv() => Told::Drain,
            _ = self.quit.recv() => Told::EndNow,
            _ = self.take_over.recv() => Told::HandOver,
        }
    }

    /// Returns at the next signal that ends a gateway.
    async fn end(&mut self) {
        while matches!(self.next().await, Told::Reload | Told::HandOver) {}
    }
}

impl Running {
    /// The address that a listener is bound to: the port that the system chose, where 0 was written.
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.reloader
            .listeners
            .iter()
            .find(|socket| &*socket.name == listener)
            .map(|socket| socket.address)
    }

    pub fn management_address(&self) -> Option<SocketAddr> {
        self.management_address
    }

    /// Whether every key manager has keys.
    pub fn is_ready(&self) -> bool {
        self.readiness.report().is_ready()
    }

    pub fn snapshots(&self) -> &Arc<Snapshots> {
        &self.snapshots
    }

    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Asks for a reload, as `POST /reload` does.
    pub fn reload_requests(&self) -> mpsc::Sender<ReloadRequest> {
        self.reload.clone()
    }

    /// Serves until a signal ends it: SIGTERM and SIGINT drain, a second one hurries, SIGQUIT ends at once, SIGHUP
    /// reloads, SIGUSR2 hands over to a new process.
    pub async fn run(mut self, mut signals: Signals) -> Drained {
        takeover::notify_ready();
        let end = loop {
            tokio::select! {
                told = signals.next() => match told {
                    Told::Reload => {
                        self.access_log.reopen();
                        self.reload_now(None).await;
                    }
                    Told::HandOver => {
                        if self.hand_over().await {
                            self.reloader.settings.drain_delay = Duration::ZERO;
                            break Told::Drain;
                        }
                    }
                    end => break end,
                },
                Some(request) = self.reloads.recv() => self.reload_now(Some(request)).await,
                () = self.watch.changed() => self.reload_now(None).await,
            }
        };
        match end {
            Told::Reload | Told::HandOver | Told::Drain => {
                tracing::info!(target: "portcullis::supervise", "draining; a second signal ends at once");
                let hurry = async move {
                    signals.end().await;
                };
                self.stop(hurry).await
            }
            Told::EndNow => self.stop(std::future::ready(())).await,
        }
    }

    /// Starts a new process on the same sockets; whether it serves.
    async fn hand_over(&self) -> bool {
        tracing::info!(target: "portcullis::supervise", "a new process takes over");
        let listeners = self.reloader.listeners.iter().map(|listener| listener.copy());
        let management = self.management_socket.iter().map(TcpListener::try_clone);
        let sockets: std::io::Result<Vec<_>> = listeners.chain(management).collect();
        let handed = match sockets {
            Ok(sockets) => takeover::hand_over(sockets, &self.reloader.settings.state_dir).await,
            Err(error) => Err(TakeoverError::Start(error)),
        };
        if let Err(error) = &handed {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(target: "portcullis::supervise", %error, cause, "no other process took over; this one goes on");
        }
        handed.is_ok()
    }

    /// Serves until `end` is ready, then drains.
    pub async fn run_until(mut self, end: impl Future<Output = ()>) -> Drained {
        let mut end = std::pin::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                Some(request) = self.reloads.recv() => self.reload_now(Some(request)).await,
                () = self.watch.changed() => self.reload_now(None).await,
            }
        }
        self.stop(std::future::pending()).await
    }

    /// Stops accepting, finishes what is in flight within `drain_timeout` or until `hurry`, writes the last log lines.
    pub async fn stop(mut self, hurry: impl Future<Output = ()>) -> Drained {
        self.readiness.drain();
        let mut hurry = std::pin::pin!(hurry);
        let hurried = {
            // balancers that look at /readyz have this long to notice; until then nobody is refused
            let delay = tokio::time::sleep(self.reloader.settings.drain_delay);
            tokio::select! {
                () = delay => false,
                () = &mut hurry => true,
            }
        };
        for listener in self.reloader.listeners.iter() {
            listener.close();
        }
        let hurry = async {
            if !hurried {
                hurry.await;
            }
        };
        let drained = self.threads.drain(self.reloader.settings.drain_timeout, hurry).await;
        self.tasks.shutdown().await;
        self.reloader.fetchers.shutdown().await;
        self.reloader.channel.shutdown().await;
        drop(self.lock.take());
        if let Err(error) = self.access_log.shutdown(LOG_TIMEOUT) {
            tracing::warn!(target: "portcullis::supervise", %error, "lines are lost");
        }
        tracing::info!(target: "portcullis::supervise", whole = drained == Drained::Whole, "stopped");
        drained
    }

    async fn reload_now(&mut self, request: Option<ReloadRequest>) {
        let removals = request.as_ref().map_or(Removals::Guarded, |request| request.removals);
        let result = self.reloader.reload(&self.threads, removals).await;
        if let Ok(reloaded) = &result {
            self.watch.follow(reloaded.watched.clone());
        }
        if let Some(request) = request {
            // the caller may have left; the reload stands all the same
            let _ = request.outcome.send(result.into());
        }
    }
}
