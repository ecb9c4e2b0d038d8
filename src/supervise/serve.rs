//! Serves until a signal ends the gateway, and follows other signals in the meantime.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::management::{CallGate, ReloadRequest, Removals};
use crate::supervise::provisioning::store_work;
use crate::supervise::running::RunningGateway;
use crate::supervise::signals::{SignalMeaning, Signals};
use crate::supervise::takeover_link::{self, TakeoverLink};
use crate::supervise::workers::Drained;
use crate::supervise::{service_manager, takeover};

/// The longest time until a replaced process accepts nothing more.
const TAKEOVER: Duration = Duration::from_secs(30);

impl RunningGateway {
    /// Notifies the service manager, or the process that this one takes over from.
    fn announce(&mut self) {
        match self.predecessor.take() {
            None => service_manager::ready(),
            Some(link) => {
                let gates = [Arc::clone(&self.gate), Arc::clone(&self.control)];
                self.tasks.spawn(take_over(link, gates, self.reload.clone()));
            }
        }
    }

    /// Serves until a signal ends it: SIGTERM and SIGINT drain, a second one hurries, SIGQUIT ends
    /// at once, SIGHUP reloads, SIGUSR2 hands over to a new process.
    pub async fn run(mut self, mut signals: Signals) -> Drained {
        self.announce();
        let mut next = PendingSignals::default();
        let end = loop {
            let told = if std::mem::take(&mut next.reload) {
                SignalMeaning::Reload
            } else if std::mem::take(&mut next.hand_over) {
                SignalMeaning::HandOver
            } else {
                let pace = &self.reloader.publisher.pace;
                let request = pace.after_rest(self.reloads.recv());
                let changed = pace.after_rest(self.watch.changed());
                tokio::select! {
                    told = signals.next() => told,
                    Some(request) = request => {
                        let done = Box::pin(self.reload_now(Some(request)));
                        match heard(&mut signals, &mut next, done).await {
                            Ok(()) => continue,
                            Err(end) => break end,
                        }
                    }
                    () = changed => SignalMeaning::Reload,
                    () = self.reloader.publisher.compact() => continue,
                    work = store_work(&mut self.live, &self.reloader.provisioning) => {
                        let done = Box::pin(self.reloader.store_work(work));
                        match heard(&mut signals, &mut next, done).await {
                            Ok(()) => continue,
                            Err(end) => break end,
                        }
                    }
                }
            };
            match told {
                SignalMeaning::Reload => {
                    self.access_log.reopen();
                    if let Err(end) =
                        heard(&mut signals, &mut next, Box::pin(self.reload_now(None))).await
                    {
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
        self.finish(end, signals).await
    }

    /// Ends the gateway as a signal or a takeover asked.
    async fn finish(self, end: SignalMeaning, mut signals: Signals) -> Drained {
        // after a takeover the service goes on, and only this process ends
        if end != SignalMeaning::HandOver {
            service_manager::stopping();
        }
        match end {
            SignalMeaning::Reload | SignalMeaning::HandOver | SignalMeaning::Drain => {
                tracing::info!(
                    target: "portcullis::supervise",
                    "draining; a second signal ends at once",
                );
                let hurry = async move {
                    signals.end().await;
                };
                self.stop(hurry).await
            }
            SignalMeaning::EndNow => self.stop(std::future::ready(())).await,
        }
    }
}

/// Serves requests already; answers on the management listener when the old process accepts nothing
/// more.
async fn take_over(
    mut link: TakeoverLink,
    gates: [Arc<CallGate>; 2],
    reload: mpsc::Sender<ReloadRequest>,
) {
    // an old process that has gone sends nothing more
    let _ = link.say(takeover_link::READY).await;
    let words = [takeover_link::MANAGEMENT, takeover_link::MANAGEMENT_RELOADED];
    let heard = link.wait_for(&words, TAKEOVER).await;
    for gate in &gates {
        gate.open();
    }
    service_manager::main_process(std::process::id());
    tracing::info!(target: "portcullis::supervise", "took over from the process before");
    if heard.as_deref() == Some(takeover_link::MANAGEMENT_RELOADED) {
        // the old process has put the file into force, with whatever it removes
        let (request, _) = ReloadRequest::new(Removals::Confirmed);
        let _ = reload.send(request).await;
    }
}

/// Signals that came during other work, and are served next.
#[derive(Debug, Default)]
struct PendingSignals {
    reload: bool,
    hand_over: bool,
}

/// Does the work, and listens to signals in the meantime: one that ends the gateway ends the work
/// too.
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
