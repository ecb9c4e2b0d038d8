//! The gateway's own events, for operators: one line each on stderr, as JSON or as text.
//!
//! Events of the gateway pass at the configured level. A reload may change the level and the
//! format. A thread that reports an event never waits for standard error ([`queue`]). Events of
//! libraries pass from `warn` upwards only: at their debug levels some print whole requests, and
//! with them tokens.

mod color;
mod one_line;
mod queue;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets, dynamic_filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use self::color::Color;
use self::one_line::OneLine;
use self::queue::LogQueue;
use crate::model::gateway::{Log, LogFormat, LogLevel};

/// Changes the level and the format while the gateway runs.
#[derive(Debug, Clone)]
pub struct LogHandle {
    level: reload::Handle<Targets, Registry>,
    /// Lines are JSON.
    json: Arc<AtomicBool>,
    queue: Option<LogQueue>,
    /// The format stays as it is, whatever the configuration says.
    keeps_format: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("events are already received elsewhere in this process")]
    Installed(#[source] tracing::subscriber::SetGlobalDefaultError),
    #[error("the log level cannot be changed")]
    Level(#[source] reload::Error),
}

/// Receives the process's events from now on; once per process.
pub fn install(log: Log) -> Result<LogHandle, LogError> {
    let color = if io::stderr().is_terminal() { Color::Ansi } else { Color::Plain };
    let queue = LogQueue::to(io::stderr());
    let (subscriber, handle) = subscriber(log, color, queue.clone());
    tracing::subscriber::set_global_default(subscriber).map_err(LogError::Installed)?;
    Ok(LogHandle { queue: Some(queue), ..handle })
}

impl LogHandle {
    pub fn set(&self, log: Log) -> Result<(), LogError> {
        if !self.keeps_format {
            self.json.store(log.format == LogFormat::Json, Ordering::Relaxed);
        }
        self.level.reload(targets(log.level)).map_err(LogError::Level)
    }

    /// Keeps the format as it is, for a person at a terminal.
    #[must_use]
    pub fn keeping_format(self) -> Self {
        Self { keeps_format: true, ..self }
    }

    /// Waits until the events so far are written, at most this long.
    pub fn flush(&self, within: Duration) {
        if let Some(queue) = &self.queue {
            queue.flush(within);
        }
    }

    /// Counts the events that could not be written.
    pub fn dropped(&self) -> Arc<AtomicU64> {
        self.queue.as_ref().map(LogQueue::dropped).unwrap_or_default()
    }
}

fn subscriber<W>(
    log: Log,
    color: Color,
    writer: W,
) -> (impl Subscriber + Send + Sync + use<W>, LogHandle)
where
    W: for<'w> MakeWriter<'w> + Clone + Send + Sync + 'static,
{
    let (filter, level) = reload::Layer::new(targets(log.level));
    let json = Arc::new(AtomicBool::new(log.format == LogFormat::Json));
    let (is_json, is_text) = (Arc::clone(&json), Arc::clone(&json));
    let json_lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(writer.clone())
        .with_filter(dynamic_filter_fn(move |_, _| is_json.load(Ordering::Relaxed)));
    let text_lines = fmt::layer()
        .with_ansi(color == Color::Ansi)
        .with_target(false)
        .with_writer(OneLine::new(writer, color))
        .with_filter(dynamic_filter_fn(move |_, _| !is_text.load(Ordering::Relaxed)));
    let subscriber = Registry::default().with(filter).with(json_lines).with(text_lines);
    (subscriber, LogHandle { level, json, queue: None, keeps_format: false })
}

fn targets(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(env!("CARGO_PKG_NAME"), level)
}
