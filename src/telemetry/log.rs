//! Operators' events: what the gateway itself does, on standard error.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::model::gateway::{Log, LogFormat, LogLevel};

/// Changes the level of a running log. The format stays as it was at the start.
#[derive(Debug, Clone)]
pub struct LogHandle {
    level: Arc<AtomicU8>,
}

/// Lets events up to a level through, which may change at any time.
#[derive(Debug)]
struct UpTo(Arc<AtomicU8>);

impl LogHandle {
    /// Makes this log the process's; a log that is there already stays, and this handle then changes nothing.
    pub fn install(log: Log) -> Self {
        let level = Arc::new(AtomicU8::new(number(log.level)));
        let registry = tracing_subscriber::registry();
        // standard output is the access log's
        let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let installed = match log.format {
            LogFormat::Json => registry.with(layer.json().flatten_event(true).with_filter(UpTo(Arc::clone(&level)))).try_init(),
            LogFormat::Text => {
                let colors = std::io::stderr().is_terminal();
                registry.with(layer.with_ansi(colors).with_filter(UpTo(Arc::clone(&level)))).try_init()
            }
        };
        // only a second log of one process fails, in tests
        drop(installed);
        Self { level }
    }

    pub fn apply(&self, log: Log) {
        self.level.store(number(log.level), Ordering::Relaxed);
        tracing::callsite::rebuild_interest_cache();
    }
}

impl<S: Subscriber> Filter<S> for UpTo {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        *metadata.level() <= filter(self.0.load(Ordering::Relaxed))
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if *metadata.level() <= filter(self.0.load(Ordering::Relaxed)) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(filter(self.0.load(Ordering::Relaxed)))
    }
}

fn number(level: LogLevel) -> u8 {
    match level {
        LogLevel::Error => 1,
        LogLevel::Warn => 2,
        LogLevel::Info => 3,
        LogLevel::Debug => 4,
        LogLevel::Trace => 5,
    }
}

fn filter(number: u8) -> LevelFilter {
    match number {
        1 => LevelFilter::ERROR,
        2 => LevelFilter::WARN,
        3 => LevelFilter::INFO,
        4 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}
