//! The one thread that writes. Writes that wait together share one commit, and so one wait for the
//! disk.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};

use crate::model::clock::Clock;
use crate::store::error::StoreError;
use crate::store::sql::{apply, stored};
use crate::store::sqlite::session::{SqliteSession, now};
use crate::store::write::{Write, Written};

/// Writes of one commit: enough that the disk is no limit, few enough that the first waits briefly.
const MOST_TOGETHER: usize = 64;

/// Takes the answer of a write.
pub(super) type WriteReply = oneshot::Sender<Result<Written, StoreError>>;

/// Work for the writer.
pub(super) enum Job {
    Write(Box<Write>, WriteReply),
    Other(Box<dyn FnOnce(&mut SqliteSession) + Send>),
}

/// The writer's side of the queue.
#[derive(Debug)]
pub(super) struct SqliteWriter {
    pub(super) session: SqliteSession,
    pub(super) queue: mpsc::Receiver<Job>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) written: Arc<Notify>,
}

impl Debug for Job {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("Job")
    }
}

impl SqliteWriter {
    /// Works until the store is dropped, and finishes the queue.
    pub(super) fn run(mut self) {
        while let Some(job) = self.queue.blocking_recv() {
            match job {
                Job::Other(work) => work(&mut self.session),
                Job::Write(write, reply) => self.together((write, reply)),
            }
        }
    }

    /// Makes this write, and those that wait behind it.
    fn together(&mut self, first: (Box<Write>, WriteReply)) {
        let mut batch = vec![first];
        let mut after = None;
        while batch.len() < MOST_TOGETHER
            && let Ok(job) = self.queue.try_recv()
        {
            match job {
                Job::Write(write, reply) => batch.push((write, reply)),
                Job::Other(work) => {
                    after = Some(work);
                    break;
                }
            }
        }
        self.commit(batch);
        if let Some(work) = after {
            work(&mut self.session);
        }
    }

    fn commit(&mut self, batch: Vec<(Box<Write>, WriteReply)>) {
        let mut batch = batch.into_iter();
        let mut kept = Vec::new();
        let made = self
            .session
            .batch("BEGIN IMMEDIATE")
            .and_then(|()| self.make(&mut batch, &mut kept))
            .and_then(|()| self.session.batch("COMMIT"));
        let Err(error) = made else {
            if !kept.is_empty() {
                self.written.notify_one();
            }
            for (written, reply) in kept {
                let _ = reply.send(Ok(written));
            }
            return;
        };
        if !self.session.outside_transaction() {
            // if that fails too, the next BEGIN reports it
            let _ = self.session.batch("ROLLBACK");
        }
        let replies = kept.into_iter().map(|(_, reply)| reply);
        for reply in replies.chain(batch.map(|(_, reply)| reply)) {
            let _ = reply.send(Err(again(&error)));
        }
    }

    /// Makes writes one by one; a refused one leaves the others as they are. An error means that
    /// nothing of all this can be kept.
    fn make(
        &mut self,
        batch: &mut impl Iterator<Item = (Box<Write>, WriteReply)>,
        kept: &mut Vec<(Written, WriteReply)>,
    ) -> Result<(), StoreError> {
        for (write, reply) in batch {
            self.session.batch("SAVEPOINT one")?;
            let time = stored(self.clock.milliseconds());
            let made = now(apply(&mut self.session, &write, time));
            let lost = self.session.outside_transaction();
            let end = if made.is_ok() { "RELEASE one" } else { "ROLLBACK TO one; RELEASE one" };
            let ended = if lost { Ok(()) } else { self.session.batch(end) };
            let fatal = made.as_ref().err().filter(|_| lost).map(again);
            match (made, ended) {
                (Ok(written), Ok(())) => kept.push((written, reply)),
                (Ok(_), Err(error)) => {
                    let _ = reply.send(Err(again(&error)));
                    return Err(error);
                }
                (Err(refusal), ended) => {
                    let _ = reply.send(Err(refusal));
                    ended?;
                }
            }
            if let Some(error) = fatal {
                return Err(error);
            }
        }
        Ok(())
    }
}

/// The same error for another caller.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Full => StoreError::Full,
        other => StoreError::Unavailable(other.to_string()),
    }
}
