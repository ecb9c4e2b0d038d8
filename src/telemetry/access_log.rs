//! One line for each exchange.
//!
//! A worker writes into a buffer of its own; full buffers go to one thread that writes them out. When that thread cannot
//! keep up, or the disk is full, lines are dropped and counted: traffic never waits for its log.

use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::gateway::{self, AccessLogTarget, LogFormat};
use crate::telemetry::metrics::{DroppedLines, Metrics};

/// A buffer is handed over at this size, or at the worker's next flush.
const BUFFER_BYTES: usize = 16 * 1024;

/// Buffers that may wait for the writing thread: about 16 MiB.
const QUEUE: usize = 1024;

/// How often the writing thread looks whether its file was renamed away.
const ROTATION_CHECK: Duration = Duration::from_secs(1);

/// The longest user agent that is written.
const MOST_USER_AGENT: usize = 256;

/// What one line says. Fields that are not known are left out.
#[derive(Debug, Clone, Serialize)]
pub struct AccessRecord<'a> {
    pub request_id: &'a str,
    /// The id that a refused client was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denial: Option<&'a str>,
    pub remote: SocketAddr,
    pub client: IpAddr,
    pub listener: &'a str,
    pub protocol: &'static str,
    pub tls: bool,
    pub method: &'a str,
    pub host: &'a str,
    /// Without the query, which may hold secrets.
    pub path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_manager: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer_key: Option<&'a str>,
    /// The beginning of the token's SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<&'a str>,
    pub status: u16,
    pub reason: &'a str,
    /// The operator's word on a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<&'a str>,
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
    #[serde(rename = "backend_ms", serialize_with = "optional_milliseconds", skip_serializing_if = "Option::is_none")]
    pub backend_duration: Option<Duration>,
    pub request_bytes: u64,
    pub response_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<&'a str>,
    /// "complete", "aborted" (the client left) or "truncated" (the backend's body broke off).
    pub ending: &'a str,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    record: &'a AccessRecord<'a>,
}

/// The log of the process. Dropping it without [`AccessLog::shutdown`] may lose the last lines.
#[derive(Debug)]
pub struct AccessLog {
    settings: gateway::AccessLog,
    sender: Option<SyncSender<Buffer>>,
    thread: Option<JoinHandle<()>>,
    reopen: Arc<AtomicBool>,
    dropped: DroppedLines,
}

/// One worker's end of the log.
#[derive(Debug)]
pub struct AccessWriter {
    format: LogFormat,
    sample: f64,
    sender: Option<SyncSender<Buffer>>,
    buffer: RefCell<Buffer>,
    /// Grows by `sample` with each exchange; a line is written when it passes a whole number.
    share: Cell<f64>,
    dropped: DroppedLines,
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    lines: u64,
}

impl AccessLog {
    /// Opens the target and starts the writing thread.
    pub fn open(settings: &gateway::AccessLog, metrics: &Metrics) -> io::Result<Self> {
        let dropped = metrics.dropped_lines();
        let reopen = Arc::new(AtomicBool::new(false));
        let target = match &settings.target {
            AccessLogTarget::Off => {
                return Ok(Self { settings: settings.clone(), sender: None, thread: None, reopen, dropped });
            }
            AccessLogTarget::Stdout => Target::Stdout,
            AccessLogTarget::Stderr => Target::Stderr,
            AccessLogTarget::File(path) => Target::File { file: open(path)?, path: path.clone() },
        };
        let (sender, receiver) = sync_channel(QUEUE);
        let writing = Writing { target, receiver, reopen: Arc::clone(&reopen), dropped: dropped.clone() };
        let thread = thread::Builder::new().name("access-log".to_owned()).spawn(move || writing.run())?;
        Ok(Self { settings: settings.clone(), sender: Some(sender), thread: Some(thread), reopen, dropped })
    }

    /// An end for one worker.
    pub fn writer(&self) -> AccessWriter {
        AccessWriter {
            format: self.settings.format,
            sample: self.settings.sample,
            sender: self.sender.clone(),
            buffer: RefCell::default(),
            share: Cell::new(0.0),
            dropped: self.dropped.clone(),
        }
    }

    /// Opens the file anew, after it was rotated away.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
    }

    /// Waits until everything that workers handed over is written. The workers must have ended.
    pub fn shutdown(mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl AccessWriter {
    /// Writes a line, unless the sample leaves it out. Refusals are always written.
    pub fn write(&self, record: &AccessRecord<'_>) {
        if self.sender.is_none() || !self.is_sampled(record) {
            return;
        }
        let mut buffer = self.buffer.borrow_mut();
        let line = Line { time: now(), record: &cut(record) };
        match self.format {
            LogFormat::Json => {
                // only writing can fail, and this writes into memory
                let _ = serde_json::to_writer(&mut buffer.bytes, &line);
            }
            LogFormat::Text => text(&mut buffer.bytes, &line),
        }
        buffer.bytes.push(b'\n');
        buffer.lines = buffer.lines.saturating_add(1);
        if buffer.bytes.len() >= BUFFER_BYTES {
            self.hand_over(&mut buffer);
        }
    }

    /// Hands over what is there. Called by the worker's tick, and at its end.
    pub fn flush(&self) {
        let mut buffer = self.buffer.borrow_mut();
        if buffer.lines > 0 {
            self.hand_over(&mut buffer);
        }
    }

    fn hand_over(&self, buffer: &mut Buffer) {
        let full = std::mem::take(buffer);
        let lines = full.lines;
        if self.sender.as_ref().is_none_or(|sender| sender.try_send(full).is_err()) {
            self.dropped.add(lines);
        }
    }

    fn is_sampled(&self, record: &AccessRecord<'_>) -> bool {
        if record.denial.is_some() || self.sample >= 1.0 {
            return true;
        }
        let share = self.share.get() + self.sample;
        self.share.set(share.fract());
        share >= 1.0
    }
}

/// RFC 3339, in UTC, with milliseconds.
fn now() -> String {
    format!("{:.3}", Timestamp::now())
}

fn cut<'a>(record: &AccessRecord<'a>) -> AccessRecord<'a> {
    let user_agent = record.user_agent.map(|agent| {
        let end = (0..=MOST_USER_AGENT.min(agent.len())).rev().find(|end| agent.is_char_boundary(*end)).unwrap_or_default();
        agent.get(..end).unwrap_or_default()
    });
    AccessRecord { user_agent, ..record.clone() }
}

/// For people: the fields that they look for first, then the rest as `name=value`.
fn text(out: &mut Vec<u8>, line: &Line<'_>) {
    let record = line.record;
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let shown = |text: Option<&str>| text.map_or_else(|| "-".to_owned(), quoted);
    // writing into memory cannot fail
    let _ = write!(
        out,
        "{} {} {} {} {} {:.3}ms {} api={} version={} operation={} application={} key_manager={} id={}",
        line.time,
        record.client,
        quoted(record.method),
        quoted(record.path),
        record.status,
        record.duration.as_secs_f64() * 1000.0,
        record.reason,
        shown(record.api),
        shown(record.version),
        shown(record.operation),
        shown(record.application),
        shown(record.key_manager),
        quoted(record.request_id),
    );
    if let Some(message) = record.message {
        let _ = write!(out, " message={}", quoted(message));
    }
}

fn milliseconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // microseconds are as fine as anyone looks
    serializer.serialize_f64((duration.as_secs_f64() * 1_000_000.0).round() / 1000.0)
}

#[allow(clippy::ref_option, reason = "the shape that serde asks for")]
fn optional_milliseconds<S: serde::Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    milliseconds(&duration.unwrap_or_default(), serializer)
}

fn open(path: &PathBuf) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    options.open(path)
}

enum Target {
    Stdout,
    Stderr,
    File { file: File, path: PathBuf },
}

/// The writing thread.
struct Writing {
    target: Target,
    receiver: Receiver<Buffer>,
    reopen: Arc<AtomicBool>,
    dropped: DroppedLines,
}

impl Writing {
    fn run(mut self) {
        loop {
            match self.receiver.recv_timeout(ROTATION_CHECK) {
                Ok(buffer) => {
                    self.follow_rotation();
                    if self.write(&buffer.bytes).is_err() {
                        self.dropped.add(buffer.lines);
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.follow_rotation(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.target {
            Target::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            }
            Target::Stderr => io::stderr().lock().write_all(bytes),
            Target::File { file, .. } => file.write_all(bytes),
        }
    }

    /// Goes on in a new file when the old one was renamed or removed, or when asked to.
    fn follow_rotation(&mut self) {
        let asked = self.reopen.swap(false, Ordering::Relaxed);
        let Target::File { file, path } = &mut self.target else { return };
        if (asked || is_gone(file, path))
            && let Ok(new) = open(path)
        {
            *file = new;
        }
    }
}

#[cfg(unix)]
fn is_gone(file: &File, path: &PathBuf) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same = |one: &std::fs::Metadata, two: &std::fs::Metadata| one.dev() == two.dev() && one.ino() == two.ino();
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => !same(&open, &named),
        (Ok(_), Err(_)) => true,
        (Err(_), _) => false,
    }
}

#[cfg(not(unix))]
fn is_gone(_: &File, path: &PathBuf) -> bool {
    !path.exists()
}

#[cfg(test)]
mod tests;
