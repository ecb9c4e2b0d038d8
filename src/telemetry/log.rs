//! The gateway's own events, for operators: one line each on stderr, as JSON or as text.
//!
//! Events of the gateway pass at the configured level, which a reload may change. Those of the libraries below pass from
//! `warn` upwards only: at their debug levels some print whole requests, and with them tokens.

mod one_line;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use self::one_line::OneLine;
use crate::model::gateway::{Log, LogFormat, LogLevel};

/// Changes the level while the gateway runs.
#[derive(Debug, Clone)]
pub struct LevelHandle(reload::Handle<Targets, Registry>);

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("events are already received elsewhere in this process")]
    Installed(#[source] tracing::subscriber::SetGlobalDefaultError),
    #[error("the log level cannot be changed")]
    Level(#[source] reload::Error),
}

/// Colours are for people's terminals, not for files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colour {
    Plain,
    Ansi,
}

/// Receives the process's events from now on; once per process.
pub fn install(log: Log) -> Result<LevelHandle, LogError> {
    let colour = if io::stderr().is_terminal() { Colour::Ansi } else { Colour::Plain };
    let (subscriber, level) = subscriber(log, colour, io::stderr);
    tracing::subscriber::set_global_default(subscriber).map_err(LogError::Installed)?;
    Ok(level)
}

impl LevelHandle {
    pub fn set(&self, level: LogLevel) -> Result<(), LogError> {
        self.0.reload(targets(level)).map_err(LogError::Level)
    }
}

fn subscriber<W>(
    log: Log,
    colour: Colour,
    writer: W,
) -> (impl Subscriber + Send + Sync + use<W>, LevelHandle)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(targets(log.level));
    let lines = match log.format {
        LogFormat::Json => {
            let json = fmt::layer()
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false);
            json.with_writer(writer).boxed()
        }
        LogFormat::Text => {
            let text = fmt::layer().with_ansi(colour == Colour::Ansi).with_target(false);
            text.with_writer(OneLine::new(writer, colour)).boxed()
        }
    };
    (Registry::default().with(filter).with(lines), LevelHandle(handle))
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
