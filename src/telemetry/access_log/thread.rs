//! The one thread that writes the access log. It may wait for a disk or a pipe as long as these
//! like; workers do not.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use super::target::{Interrupted, LogTarget};

#[derive(Debug)]
pub(super) enum LogCommand {
    Batch(LogBatch),
    Reopen,
    /// Write the lines that were handed over before, then end.
    Stop,
}

/// Whole lines of one worker.
#[derive(Debug)]
pub(super) struct LogBatch {
    pub(super) lines: Vec<u8>,
    pub(super) give_back: SyncSender<Vec<u8>>,
}

#[derive(Debug)]
struct LogThread {
    target: LogTarget,
    dropped: Arc<AtomicU64>,
    complained: Option<Instant>,
}

/// The time between two events about a target that fails.
const COMPLAINT_INTERVAL: Duration = Duration::from_mins(1);

/// Starts the thread. It ends at [`LogCommand::Stop`] or when all senders are dropped, and sends
/// `done` then.
pub(super) fn start(
    target: LogTarget,
    messages: Receiver<LogCommand>,
    dropped: Arc<AtomicU64>,
    done: SyncSender<()>,
) -> io::Result<()> {
    let mut thread = LogThread { target, dropped, complained: None };
    std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
        thread.run(&messages);
        let _ = done.try_send(());
    })?;
    Ok(())
}

impl LogThread {
    fn run(&mut self, messages: &Receiver<LogCommand>) {
        while let Ok(message) = messages.recv() {
            match message {
                LogCommand::Batch(batch) => self.write(batch),
                LogCommand::Reopen => {
                    if let Err(error) = self.target.reopen() {
                        self.complain(&error);
                    }
                }
                LogCommand::Stop => break,
            }
        }
    }

    fn write(&mut self, batch: LogBatch) {
        if let Err(error) = self.target.follow_rotation() {
            self.complain(&error);
        }
        if let Err(Interrupted { written, error }) = self.target.write(&batch.lines) {
            let lost = batch.lines.iter().skip(written).filter(|byte| **byte == b'\n').count();
            self.dropped.fetch_add(u64::try_from(lost).unwrap_or(u64::MAX), Ordering::Relaxed);
            self.complain(&error);
        }
        batch.give_back();
    }

    fn complain(&mut self, error: &io::Error) {
        if self.complained.is_none_or(|at| at.elapsed() >= COMPLAINT_INTERVAL) {
            self.complained = Some(Instant::now());
            let dropped = self.dropped.load(Ordering::Relaxed);
            tracing::warn!(
                %error,
                dropped,
                "the access log cannot be written; lines that cannot be written are dropped",
            );
        }
    }
}

impl LogBatch {
    /// Returns the buffer to its worker; one too many is freed.
    pub(super) fn give_back(mut self) {
        self.lines.clear();
        let _ = self.give_back.try_send(self.lines);
    }
}
