//! Writes the access log: one line for each exchange, also when the client hung up.
//!
//! A worker formats lines into a buffer of its own and hands full buffers to one thread that writes
//! them. It never waits for that thread. If the queue is full, or the target takes no more (a full
//! disk, a closed pipe), lines are dropped and counted. A file is opened for appending, and opened
//! anew when its path was renamed or removed.
//!
//! Lines hold no query and no token. Text from the network is escaped so that it stays inside its
//! line, see [`mod@line`].
//!
//! The walk through the files: [`record`] (the fields), [`mod@line`] (JSON or text), [`calendar`]
//! (the time), [`thread`] (the writer), [`target`] (the file or stream).

mod calendar;
mod error;
mod line;
mod record;
mod target;
mod thread;
mod token_hash;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use self::error::AccessLogError;
pub use self::line::Fragment;
pub use self::record::{AccessRecord, ExchangeEnding, UnixMillis};
pub use self::token_hash::TokenHash;

use self::calendar::Calendar;
use self::line::LogLine;
use self::target::LogTarget;
use self::thread::{LogBatch, LogCommand};
use crate::model::gateway::{AccessLogSettings, LogFormat};
use crate::model::reason::Reason;

/// The process's access log.
pub struct AccessLog {
    format: LogFormat,
    sampling: Sampling,
    dropped: Arc<AtomicU64>,
    /// `None` if the log is switched off.
    thread: Option<WriterThread>,
}

/// A worker's own end of the access log; not for several threads.
pub struct AccessWriter {
    format: LogFormat,
    dropped: Arc<AtomicU64>,
    /// `None` if the log is switched off.
    to_thread: Option<SyncSender<LogCommand>>,
    pending: RefCell<PendingLines>,
}

#[derive(Debug)]
struct WriterThread {
    sender: SyncSender<LogCommand>,
    /// Hears once that everything was written.
    finished: Mutex<Receiver<()>>,
}

#[derive(Debug)]
struct PendingLines {
    lines: Vec<u8>,
    calendar: Calendar,
    count: u64,
    sampling: Sampling,
    give_back: SyncSender<Vec<u8>>,
    returned: Receiver<Vec<u8>>,
}

/// The share of forwarded exchanges that is written: every n-th, by a counter.
#[derive(Debug, Clone, Copy)]
struct Sampling {
    /// The amount for each exchange; a line is due at [`WHOLE`].
    step: u64,
    credit: u64,
}

const WHOLE: u64 = 1 << 32;

/// A buffer of this length is handed over: waking the thread, and each write to a file, has a price
/// of its own.
const FULL_BUFFER: usize = 64 * 1024;

/// Room for the line that fills a buffer.
const BUFFER_CAPACITY: usize = FULL_BUFFER + 4 * 1024;

/// Buffers that may wait for the thread: about 4 MiB.
const QUEUED_BUFFERS: usize = 64;

/// Empty buffers kept for each worker.
const SPARE_BUFFERS: usize = 4;

/// The time between two attempts to tell a busy thread to stop.
const STOP_RETRY: Duration = Duration::from_millis(5);

impl AccessLog {
    /// Opens the target, so that its faults are known at start, and starts the thread.
    pub fn open(settings: &AccessLogSettings) -> Result<Self, AccessLogError> {
        let dropped = Arc::new(AtomicU64::new(0));
        let thread = match LogTarget::open(&settings.target)? {
            Some(target) => Some(start(target, QUEUED_BUFFERS, &dropped)?),
            None => None,
        };
        Ok(Self {
            format: settings.format,
            sampling: Sampling::of(settings.sample),
            dropped,
            thread,
        })
    }

    /// Returns the writer of one worker. It keeps its lines until [`AccessWriter::flush`].
    pub fn writer(&self) -> AccessWriter {
        let (give_back, returned) = sync_channel(SPARE_BUFFERS);
        AccessWriter {
            format: self.format,
            dropped: Arc::clone(&self.dropped),
            to_thread: self.thread.as_ref().map(|thread| thread.sender.clone()),
            pending: RefCell::new(PendingLines {
                lines: Vec::new(),
                calendar: Calendar::default(),
                count: 0,
                sampling: self.sampling,
                give_back,
                returned,
            }),
        }
    }

    /// Lines lost so far; [`super::metrics::Metrics::access_log_dropped`] shows it.
    pub fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
    }

    /// Opens the file again now, as after a rotation. Without this a rotation is noticed within a
    /// second of traffic.
    pub fn reopen(&self) {
        if let Some(thread) = &self.thread {
            // with a full queue there is traffic, which notices a rotation by itself
            let _ = thread.sender.try_send(LogCommand::Reopen);
        }
    }

    /// Writes the lines that the workers have handed over, within this time, and stops. Blocks.
    /// Later lines are dropped and counted.
    pub fn shutdown(&self, within: Duration) -> Result<(), AccessLogError> {
        let Some(thread) = &self.thread else { return Ok(()) };
        let deadline = Instant::now() + within;
        while let Err(TrySendError::Full(_)) = thread.sender.try_send(LogCommand::Stop) {
            if Instant::now() >= deadline {
                return Err(AccessLogError::Unfinished);
            }
            std::thread::sleep(STOP_RETRY);
        }
        let finished = thread.finished.lock().unwrap_or_else(PoisonError::into_inner);
        match finished.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => Err(AccessLogError::Unfinished),
            // a thread that is gone was stopped before
            Ok(()) | Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Ok(()),
        }
    }
}

fn start(
    target: LogTarget,
    queue: usize,
    dropped: &Arc<AtomicU64>,
) -> Result<WriterThread, AccessLogError> {
    let (sender, receiver) = sync_channel(queue);
    let (done, finished) = sync_channel(1);
    thread::start(target, receiver, Arc::clone(dropped), done)
        .map_err(|source| AccessLogError::Thread { source })?;
    Ok(WriterThread { sender, finished: Mutex::new(finished) })
}

impl AccessWriter {
    /// Returns another writer of the same log, for a worker that is started again.
    #[must_use]
    pub fn again(&self) -> Self {
        let (give_back, returned) = sync_channel(SPARE_BUFFERS);
        let sampling = self.pending.borrow().sampling;
        Self {
            format: self.format,
            dropped: Arc::clone(&self.dropped),
            to_thread: self.to_thread.clone(),
            pending: RefCell::new(PendingLines {
                lines: Vec::new(),
                calendar: Calendar::default(),
                count: 0,
                sampling,
                give_back,
                returned,
            }),
        }
    }

    /// Keeps a line for this exchange. Refused, aborted and truncated exchanges always have a line,
    /// forwarded ones in the configured share.
    pub fn write(&self, record: &AccessRecord<'_>) {
        if self.to_thread.is_none() {
            return;
        }
        let mut pending = self.pending.borrow_mut();
        let ordinary =
            record.reason == Reason::Forwarded && record.ending == ExchangeEnding::Completed;
        if ordinary && !pending.sampling.is_due() {
            return;
        }
        pending.append(self.format, record);
        if pending.lines.len() >= FULL_BUFFER {
            self.hand_over(&mut pending);
        }
    }

    /// Hands over the kept lines. The worker calls it on its tick and at its end.
    pub fn flush(&self) {
        self.hand_over(&mut self.pending.borrow_mut());
    }

    fn hand_over(&self, pending: &mut PendingLines) {
        let Some(to_thread) = &self.to_thread else { return };
        if pending.lines.is_empty() {
            return;
        }
        let empty =
            pending.returned.try_recv().unwrap_or_else(|_| Vec::with_capacity(BUFFER_CAPACITY));
        let lines = std::mem::replace(&mut pending.lines, empty);
        let count = std::mem::take(&mut pending.count);
        let batch = LogBatch { lines, give_back: pending.give_back.clone() };
        if let Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) =
            to_thread.try_send(LogCommand::Batch(batch))
        {
            self.dropped.fetch_add(count, Ordering::Relaxed);
            if let LogCommand::Batch(batch) = message {
                batch.give_back();
            }
        }
    }
}

impl PendingLines {
    fn append(&mut self, format: LogFormat, record: &AccessRecord<'_>) {
        let mut line = LogLine::begin(&mut self.lines, format, self.calendar.text(record.time));
        record.write(&mut line);
        line.end();
        self.count += 1;
    }
}

impl Drop for AccessWriter {
    fn drop(&mut self) {
        self.flush();
    }
}

impl Sampling {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the share lies between 0 and 1, so the step within 0..=2^32"
    )]
    fn of(share: f64) -> Self {
        Self { step: (share.clamp(0.0, 1.0) * 4_294_967_296.0) as u64, credit: 0 }
    }

    fn is_due(&mut self) -> bool {
        self.credit += self.step;
        if self.credit < WHOLE {
            return false;
        }
        self.credit -= WHOLE;
        true
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog")
            .field("format", &self.format)
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AccessWriter {
    /// Leaves the waiting lines out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessWriter").field("format", &self.format).finish_non_exhaustive()
    }
}
