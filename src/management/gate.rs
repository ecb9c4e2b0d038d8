//! Decides which process answers on the management listener: in a takeover, one of two.
//!
//! Closing the gate waits until every accepted call is answered. Later calls wait in the socket's
//! queue, which both processes share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// The longest wait for connections on which no call is being answered.
const SILENT: Duration = Duration::from_secs(2);

/// The longest wait for a call: a reload of a million applications.
const ANSWER: Duration = Duration::from_mins(1);

/// The gate of the management listener and of the control socket; the supervisor opens and closes
/// it.
#[derive(Debug)]
pub struct CallGate {
    open: watch::Sender<bool>,
    quiet: watch::Sender<bool>,
    busy: AtomicUsize,
}

/// Counts a call as being answered until it is dropped.
#[derive(Debug)]
pub(super) struct CallInProgress<'g>(&'g CallGate);

impl Default for CallGate {
    /// A closed gate.
    fn default() -> Self {
        let (open, quiet) = (watch::Sender::new(false), watch::Sender::new(true));
        Self { open, quiet, busy: AtomicUsize::new(0) }
    }
}

impl CallGate {
    pub fn open(&self) {
        self.quiet.send_replace(false);
        self.open.send_replace(true);
    }

    pub fn close(&self) {
        self.open.send_replace(false);
    }

    pub fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// Returns when the gate is closed and no call is left.
    pub async fn quiet(&self) {
        // the sender lives as long as this gate
        let _ = self.quiet.subscribe().wait_for(|quiet| *quiet).await;
    }

    pub(super) async fn opened(&self) {
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }

    pub(super) async fn closed(&self) {
        let _ = self.open.subscribe().wait_for(|open| !*open).await;
    }

    pub(super) fn busy(&self) -> CallInProgress<'_> {
        self.busy.fetch_add(1, Ordering::Relaxed);
        CallInProgress(self)
    }

    /// Waits for the accepted connections, then reports that the gate is quiet.
    pub(super) async fn finish(&self, connections: &mut JoinSet<()>) {
        const LOOK: Duration = Duration::from_millis(20);
        let began = Instant::now();
        while !connections.is_empty() {
            let waited = began.elapsed();
            let is_idle = self.busy.load(Ordering::Relaxed) == 0;
            if waited >= ANSWER || (waited >= SILENT && is_idle) {
                connections.shutdown().await;
                break;
            }
            if timeout(LOOK, connections.join_next()).await.is_err() {
                sleep(Duration::ZERO).await;
            }
        }
        self.quiet.send_replace(true);
    }
}

impl Drop for CallInProgress<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}
