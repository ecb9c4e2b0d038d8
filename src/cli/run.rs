//! `portcullis run`: runs the gateway.

use std::path::Path;
use std::time::Duration;

use crate::cli::exit;
use crate::cli::output::Output;
use crate::cli::runtime::{control_runtime, install_crypto};
use crate::model::gateway::{Log, LogFormat, LogLevel};
use crate::supervise::descriptors;
use crate::supervise::error::SuperviseError;
use crate::supervise::inherited::Inherited;
use crate::supervise::signals::Signals;
use crate::supervise::start::start;
use crate::telemetry::log;

/// The longest wait for the last log lines.
const LOG_FLUSH: Duration = Duration::from_millis(500);

/// Runs until a signal ends it. Exits 0 after a drain, 2 if the configuration has errors, 1 if the
/// gateway cannot start.
pub(super) fn run(config: &Path, output: Output) -> u8 {
    let inherited = Inherited::from_environment();
    install_crypto();
    let log = log::install(Log { level: LogLevel::Info, format: LogFormat::Json }).ok();
    descriptors::raise();
    let runtime = match control_runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            output.note(&format!("portcullis: the runtime cannot start: {error}"));
            return exit::FAILED;
        }
    };
    runtime.block_on(async {
        let mut signals = match Signals::hear() {
            Ok(signals) => signals,
            Err(error) => {
                output.note(&format!("portcullis: signals cannot be received: {error}"));
                return exit::FAILED;
            }
        };
        let flush = log.clone();
        let started = tokio::select! {
            started = start(config, log, inherited) => started,
            () = signals.end() => return exit::OK,
        };
        let code = match started {
            Ok(running) => {
                Box::pin(running.run(signals)).await;
                exit::OK
            }
            Err(error) => failed(&error, output),
        };
        if let Some(log) = flush {
            log.flush(LOG_FLUSH);
        }
        code
    })
}

/// Reports why the gateway does not start.
pub(super) fn failed(error: &SuperviseError, output: Output) -> u8 {
    if let SuperviseError::Configuration(report) = error {
        output.note(&report.render(output.style));
        exit::CONFIGURATION
    } else {
        output.note(&format!("portcullis: {}", error.describe()));
        exit::FAILED
    }
}
