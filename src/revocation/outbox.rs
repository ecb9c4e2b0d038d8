//! Queues revocations for the other gateways: a short queue to the channel's task. Decides nothing.
//! A revocation that finds no place is not lost, because the gateway keeps it: the channel is told
//! to offer everything again.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, mpsc};

use crate::revocation::counts::RevocationCounters;
use crate::revocation::record::RevocationRecord;

/// The length of the queue, which is more than any burst of notices holds. If it is full,
/// everything is compared anew.
const MOST_WAITING: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: Mutex<Option<mpsc::Sender<RevocationRecord>>>,
    /// Asks the channel to compare everything.
    pub(super) compare: Notify,
}

impl Outbox {
    /// Offers records, and never waits. Without a channel nothing is queued.
    pub(super) fn offer(&self, records: &[RevocationRecord], counts: &RevocationCounters) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = queue.as_ref() else { return };
        for record in records {
            if queue.try_send(record.clone()).is_err() {
                counts.overflowed();
                self.compare.notify_one();
            }
        }
    }

    /// Opens the queue for a reader.
    pub(super) fn open(&self) -> mpsc::Receiver<RevocationRecord> {
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    pub(super) fn close(&self) {
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
