//! Whether this process answers on the management listener: in a takeover, one of two does.
//!
//! Whoever closes the gate waits until every call that was accepted is answered. Calls that come meanwhile wait in the
//! socket's queue, which both processes share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Connections that have asked for nothing are waited for as long as this, and those with a call in the making too.
const SILENT: Duration = Duration::from_secs(2);

/// A call is waited for as long as this: a reload of a million applications is the longest.
const ANSWER: Duration = Duration::from_mins(1);

/// Opened and closed by whoever supervises.
#[derive(Debug)]
pub struct CallGate {
    open: watch::Sender<bool>,
    quiet: watch::Sender<bool>,
    busy: AtomicUsize,
}

/// A call that is being answered, until it is dropped.
#[derive(Debug)]
pub(super) struct CallInProgress<'g>(&'g CallGate);

impl CallGate {
    pub fn new(open: bool) -> Self {
        let (open, quiet) = (watch::Sender::new(open), watch::Sender::new(!open));
        Self { open, quiet, busy: AtomicUsize::new(0) }
    }

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
        // the sender is this gate's own
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

    /// Waits for what was accepted, and then says that it is quiet.
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
