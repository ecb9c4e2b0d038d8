//! A running gateway: the requests to it while it runs, and its end.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::admin::{Errands, LiveRequest};
use crate::management::{CallGate, Readiness, ReloadRequest, ReloadWanted, Removals};
use crate::revocation::Revocations;
use crate::snapshot::Snapshots;
use crate::state_dir::lock::Lock;
use crate::supervise::provisioning::store_work;
use crate::supervise::reload::Reloader;
use crate::supervise::saved_counts::{self, KeptCounts};
use crate::supervise::service_manager;
use crate::supervise::takeover_link::TakeoverLink;
use crate::supervise::trace_export::TraceExport;
use crate::supervise::watch::Watch;
use crate::supervise::workers::{Drained, WorkerThreads};
use crate::telemetry::{AccessLog, Metrics};

/// The longest time for writing the last lines of the access log.
const LOG_TIMEOUT: Duration = Duration::from_secs(2);

/// A gateway that serves. Dropping it without [`RunningGateway::stop`] leaves the worker threads to
/// the end of the process.
#[derive(Debug)]
pub struct RunningGateway {
    pub(super) reloader: Reloader,
    pub(super) threads: WorkerThreads,
    pub(super) readiness: Arc<Readiness>,
    pub(super) access_log: AccessLog,
    pub(super) traces: TraceExport,
    pub(super) snapshots: Arc<Snapshots>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) tasks: JoinSet<()>,
    pub(super) reload: mpsc::Sender<ReloadRequest>,
    pub(super) reloads: mpsc::Receiver<ReloadRequest>,
    /// Questions of the REST API.
    pub(super) live: mpsc::Receiver<LiveRequest>,
    pub(super) watch: Watch,
    /// The socket for the process that takes over.
    pub(super) management_socket: Option<TcpListener>,
    /// The right to write to `state_dir`.
    pub(super) lock: Option<Lock>,
    pub(super) counts: Arc<KeptCounts>,
    pub(super) revocations: Arc<Revocations>,
    /// Opens when this process answers on the management listener.
    pub(super) gate: Arc<CallGate>,
    /// The same for the control socket.
    pub(super) control: Arc<CallGate>,
    /// The link to the process that this one takes over from.
    pub(super) predecessor: Option<TakeoverLink>,
}

impl RunningGateway {
    /// The address that a listener is bound to: the port that the system chose, where 0 was
    /// written.
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.reloader
            .listeners
            .iter()
            .find(|socket| &*socket.name == listener)
            .map(|socket| socket.address)
    }

    pub fn management_address(&self) -> Option<SocketAddr> {
        self.management_socket.as_ref().and_then(|socket| socket.local_addr().ok())
    }

    /// Tells whether every key manager has keys.
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

    /// Serves until `end` is ready, then drains.
    pub async fn run_until(mut self, end: impl Future<Output = ()>) -> Drained {
        let mut end = std::pin::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                Some(request) = self.reloader.publisher.pace.after_rest(self.reloads.recv()) => {
                    Box::pin(self.reload_now(Some(request))).await;
                }
                () = self.reloader.publisher.pace.after_rest(self.watch.changed()) => {
                    Box::pin(self.reload_now(None)).await;
                }
                () = self.reloader.publisher.compact() => {}
                work = store_work(&mut self.live, &self.reloader.provisioning) => {
                    Box::pin(self.reloader.store_work(work)).await;
                }
            }
        }
        Box::pin(self.stop(std::future::pending())).await
    }

    /// Stops accepting, finishes exchanges in flight within `drain_timeout` or until `hurry`, and
    /// writes the last log lines.
    pub async fn stop(mut self, hurry: impl Future<Output = ()>) -> Drained {
        self.readiness.drain();
        let mut hurry = std::pin::pin!(hurry);
        let hurried = {
            // balancers that look at /readyz have this long to notice; until then no request is
            // refused
            let delay = tokio::time::sleep(self.reloader.settings.drain_delay);
            tokio::select! {
                () = delay => false,
                () = &mut hurry => true,
            }
        };
        for listener in self.reloader.listeners.iter() {
            listener.close();
        }
        let within = self.reloader.settings.drain_timeout;
        let errands = self.reloader.provisioning.errands();
        let told = Notify::new();
        let drain = Box::pin(self.threads.drain(within, told.notified()));
        let work = Box::pin(finish_errands(&mut self.live, &mut self.reloader, errands.as_deref()));
        let hurry = async {
            if !hurried {
                hurry.await;
            }
        };
        let drained = drain_both(drain, work, within, hurry, &told).await;
        let left = errands.map_or(0, |errands| errands.under_way());
        if left > 0 {
            tracing::error!(
                target: "portcullis::supervise",
                left,
                "calls to authorization servers are broken off; a client may be left there",
            );
        }
        self.tasks.shutdown().await;
        self.traces.shutdown().await;
        let (counts, now) =
            (Arc::clone(&self.counts), saved_counts::time(&self.counts, &*self.reloader.clock));
        // a failure is logged there
        let _ = tokio::task::spawn_blocking(move || counts.write(now)).await;
        self.reloader.publisher.shutdown().await;
        self.reloader.channel.shutdown().await;
        self.reloader.shared_counters.shutdown().await;
        drop(self.lock.take());
        if let Err(error) = self.access_log.shutdown(LOG_TIMEOUT) {
            tracing::warn!(target: "portcullis::supervise", %error, "lines are lost");
        }
        tracing::info!(
            target: "portcullis::supervise",
            whole = drained == Drained::Whole,
            "stopped",
        );
        drained
    }

    pub(super) async fn reload_now(&mut self, request: Option<ReloadRequest>) {
        let removals = match &request {
            Some(ReloadRequest { wanted: ReloadWanted::Apply(removals), .. }) => *removals,
            Some(ReloadRequest { wanted: ReloadWanted::Plan(file), .. }) => {
                let planned = self.reloader.plan(file.clone(), self.watch.seen()).await;
                if let Some(request) = request {
                    // the caller may have left
                    let _ = request.outcome.send(planned);
                }
                return;
            }
            None => Removals::Guarded,
        };
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

/// Waits for calls to authorization servers, and answers their requests to the publisher in the
/// meantime.
async fn finish_errands(
    live: &mut mpsc::Receiver<LiveRequest>,
    reloader: &mut Reloader,
    errands: Option<&Errands>,
) {
    let Some(errands) = errands else { return };
    let mut closed = std::pin::pin!(errands.close());
    loop {
        tokio::select! {
            () = &mut closed => return,
            work = store_work(live, &reloader.provisioning) => {
                Box::pin(reloader.store_work(work)).await;
            }
        }
    }
}

/// Waits for the workers, which have their own limit, and for `work` as long as they may take.
/// `hurry` ends both; `told` notifies the workers.
async fn drain_both(
    drain: impl Future<Output = Drained>,
    work: impl Future<Output = ()>,
    within: Duration,
    hurry: impl Future<Output = ()>,
    told: &Notify,
) -> Drained {
    let (mut drain, mut hurry) = (std::pin::pin!(drain), std::pin::pin!(hurry));
    let mut work = std::pin::pin!(tokio::time::timeout(within, work));
    let (mut drained, mut is_done, mut hurried) = (None, false, false);
    loop {
        if let Some(drained) = drained
            && (is_done || hurried)
        {
            return drained;
        }
        tokio::select! {
            ended = &mut drain, if drained.is_none() => drained = Some(ended),
            // here too late is as good as in time: the rest is reported
            _ = &mut work, if !is_done => is_done = true,
            () = &mut hurry, if !hurried => {
                hurried = true;
                told.notify_one();
            }
        }
    }
}
