//! A running gateway: what it is told while it runs, and how it ends.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::management::{CallGate, Readiness, ReloadRequest, Removals};
use crate::revocation::Revocations;
use crate::snapshot::Snapshots;
use crate::state_dir::lock::Lock;
use crate::supervise::link::{self, TakeoverLink};
use crate::supervise::reload::Reloader;
use crate::supervise::signals::{SignalMeaning, Signals};
use crate::supervise::watch::Watch;
use crate::supervise::workers::{Drained, WorkerThreads};
use crate::supervise::{service_manager, takeover};
use crate::telemetry::{AccessLog, Metrics};

/// How long the last lines of the access log may take.
const LOG_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a process that was replaced may take until it accepts nothing more.
const TAKEOVER: Duration = Duration::from_secs(30);

/// A gateway that serves. Dropping it without [`RunningGateway::stop`] leaves the worker threads to the end of the process.
#[derive(Debug)]
pub struct RunningGateway {
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
    pub(super) revocations: Arc<Revocations>,
    /// Whether this process answers on the management listener.
    pub(super) gate: Arc<CallGate>,
    /// The same for the control socket.
    pub(super) control: Arc<CallGate>,
    /// To the process that this one takes over from.
    pub(super) predecessor: Option<TakeoverLink>,
}

impl RunningGateway {
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
        match self.predecessor.take() {
            None => service_manager::ready(),
            Some(link) => {
                let gates = [Arc::clone(&self.gate), Arc::clone(&self.control)];
                self.tasks.spawn(take_over(link, gates, self.reload.clone()));
            }
        }
        let mut next = PendingSignals::default();
        let end = loop {
            let told = if std::mem::take(&mut next.reload) {
                SignalMeaning::Reload
            } else if std::mem::take(&mut next.hand_over) {
                SignalMeaning::HandOver
            } else {
                tokio::select! {
                    told = signals.next() => told,
                    Some(request) = self.reloads.recv() => {
                        match heard(&mut signals, &mut next, self.reload_now(Some(request))).await {
                            Ok(()) => continue,
                            Err(end) => break end,
                        }
                    }
                    () = self.watch.changed() => SignalMeaning::Reload,
                }
            };
            match told {
                SignalMeaning::Reload => {
                    self.access_log.reopen();
                    if let Err(end) = heard(&mut signals, &mut next, self.reload_now(None)).await {
                        break end;
                    }
                }
                SignalMeaning::HandOver => match self.hand_over(&mut signals).await {
                    takeover::TakeoverOutcome::Taken => {
                        self.reloader.settings.drain_delay = Duration::ZERO;
                        break SignalMeaning::HandOver;
                    }
                    takeover::TakeoverOutcome::Told(end) => break end,
                    takeover::TakeoverOutcome::Kept => {}
                },
                end => break end,
            }
        };
        // after a takeover the service goes on, and only this process ends
        if end != SignalMeaning::HandOver {
            service_manager::stopping();
        }
        match end {
            SignalMeaning::Reload | SignalMeaning::HandOver | SignalMeaning::Drain => {
                tracing::info!(target: "portcullis::supervise", "draining; a second signal ends at once");
                let hurry = async move {
                    signals.end().await;
                };
                self.stop(hurry).await
            }
            SignalMeaning::EndNow => self.stop(std::future::ready(())).await,
        }
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

    pub(super) async fn reload_now(&mut self, request: Option<ReloadRequest>) {
        let removals = request.as_ref().map_or(Removals::Guarded, |request| request.removals);
        service_manager::reloading();
        let result = self.reloader.reload(&self.threads, removals).await;
        service_manager::ready();
        if let Ok(reloaded) = &result {
            self.watch.follow(reloaded.watched.clone(), reloaded.seen.clone());
        }
        if let Some(request) = request {
            // the caller may have left; the reload stands all the same
            let _ = request.outcome.send(result.into());
        }
    }
}

/// Serves requests already; answers on the management listener when the old process accepts nothing more.
async fn take_over(
    mut link: TakeoverLink,
    gates: [Arc<CallGate>; 2],
    reload: mpsc::Sender<ReloadRequest>,
) {
    // an old process that has gone has nothing more to say
    let _ = link.say(link::READY).await;
    let words = [link::MANAGEMENT, link::MANAGEMENT_RELOADED];
    let heard = link.wait_for(&words, TAKEOVER).await;
    for gate in &gates {
        gate.open();
    }
    service_manager::main_process(std::process::id());
    tracing::info!(target: "portcullis::supervise", "took over from the process before");
    if heard.as_deref() == Some(link::MANAGEMENT_RELOADED) {
        // what the old process was told to take, it took
        let (request, _) = ReloadRequest::new(Removals::Confirmed);
        let _ = reload.send(request).await;
    }
}

/// What was told while something else was done, and comes next.
#[derive(Debug, Default)]
struct PendingSignals {
    reload: bool,
    hand_over: bool,
}

/// Does the work, and hears signals meanwhile: one that ends the gateway ends the work too.
async fn heard<T>(
    signals: &mut Signals,
    next: &mut PendingSignals,
    work: impl Future<Output = T>,
) -> Result<T, SignalMeaning> {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok(done),
            told = signals.next() => match told {
                SignalMeaning::Reload => next.reload = true,
                SignalMeaning::HandOver => next.hand_over = true,
                end => return Err(end),
            },
        }
    }
}
