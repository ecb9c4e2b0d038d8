//! A bounded queue between events and standard error.
//!
//! Standard error may be a pipe that is not read, and a thread that reports an event must not wait
//! for it. A thread of its own writes. Events that do not fit into the queue are dropped and
//! counted, and the thread reports their number as soon as it can.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Events that wait. An event has a few hundred bytes, so this is less than a mebibyte.
const MOST_WAITING: usize = 2_000;

/// Makes the writers of events.
#[derive(Debug, Clone)]
pub(super) struct LogQueue {
    waiting: SyncSender<QueuedEvent>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum QueuedEvent {
    Event(Vec<u8>),
    /// Write everything before it, and confirm.
    Flush(SyncSender<()>),
}

/// One event; it enters the queue when it is complete.
#[derive(Debug)]
pub(super) struct Event<'q> {
    queue: &'q LogQueue,
    bytes: Vec<u8>,
}

impl LogQueue {
    /// Starts the thread that writes. Without a thread every event is dropped and counted.
    pub(super) fn to(writer: impl Write + Send + 'static) -> Self {
        let (waiting, events) = sync_channel(MOST_WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        let thread = thread::Builder::new().name("log".to_owned());
        let _ = thread.spawn(move || write(&events, writer, &counter));
        Self { waiting, dropped }
    }

    /// Returns the count of dropped events.
    pub(super) fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
    }

    /// Waits until the queue is written, at most this long.
    pub(super) fn flush(&self, within: Duration) {
        let (written, done) = sync_channel(1);
        if self.waiting.try_send(QueuedEvent::Flush(written)).is_ok() {
            let _ = done.recv_timeout(within);
        }
    }
}

fn write(events: &Receiver<QueuedEvent>, mut writer: impl Write, dropped: &AtomicU64) {
    /// The pause between two messages about lost events.
    const TELL: Duration = Duration::from_secs(1);
    let mut told = 0;
    loop {
        match events.recv_timeout(TELL) {
            // a log that cannot be written has no place to report it
            Ok(QueuedEvent::Event(event)) => drop(writer.write_all(&event)),
            Ok(QueuedEvent::Flush(written)) => drop(written.try_send(())),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = dropped.load(Ordering::Relaxed);
        if now > told {
            let lost = now - told;
            told = now;
            tracing::warn!(
                target: "portcullis::telemetry",
                events = lost,
                "events of this log were dropped: standard error was not read",
            );
        }
    }
}

impl<'q> MakeWriter<'q> for LogQueue {
    type Writer = Event<'q>;

    fn make_writer(&'q self) -> Event<'q> {
        Event { queue: self, bytes: Vec::new() }
    }
}

impl Write for Event<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Event<'_> {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if !bytes.is_empty() && self.queue.waiting.try_send(QueuedEvent::Event(bytes)).is_err() {
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Passes the bytes on when the target is free.
    struct Pipe {
        may: Receiver<()>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.may.recv();
            let _ = self.written.send(bytes.to_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_pipe_that_nobody_reads_holds_nobody_up() {
        let (allow, may) = channel();
        let (written, lines) = channel();
        let queue = LogQueue::to(Pipe { may, written });
        let events = MOST_WAITING + 500;
        for number in 0..events {
            write!(queue.make_writer(), "{number}").unwrap();
        }
        queue.flush(Duration::from_millis(1));
        // one may be with the writer already
        let dropped = queue.dropped().load(Ordering::Relaxed);
        assert!((499..=500).contains(&dropped), "{dropped}");
        drop(allow);
        let first: Vec<_> = lines.iter().take(MOST_WAITING).collect();
        assert_eq!(first[0], b"0");
        assert_eq!(first.last().unwrap(), (MOST_WAITING - 1).to_string().as_bytes());
        queue.flush(Duration::from_secs(10));
    }
}
