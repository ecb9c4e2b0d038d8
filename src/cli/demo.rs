//! `portcullis demo`: runs the gateway of this file, with everything that it talks to.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::exit;
use crate::cli::output::Output;
use crate::cli::run::failed;
use crate::cli::runtime::{control_runtime, install_crypto};
use crate::demo::certificates::{self, GeneratedFile};
use crate::demo::{self, CurlLine};
use crate::model::gateway::{Log, LogFormat, LogLevel};
use crate::supervise::clock::SystemClock;
use crate::supervise::inherited::Inherited;
use crate::supervise::running::RunningGateway;
use crate::supervise::signals::Signals;
use crate::supervise::start::start;
use crate::telemetry::{LogHandle, log, with_causes};

/// The listener of the example file, which the printed commands call.
const LISTENER: &str = "https";

/// The longest wait for the first key set before the commands are printed; they work soon after in
/// any case.
const KEYS_WAIT: Duration = Duration::from_secs(5);

/// Runs until Ctrl-C, which drains. Exits 0.
pub(super) fn demo(config: &Path, output: Output) -> u8 {
    install_crypto();
    let clock = Arc::new(SystemClock);
    let folder = config.parent().unwrap_or(Path::new("")).join("certs");
    match certificates::make(&folder, &*clock) {
        Ok(files) => files.iter().for_each(|file| tell_file(file, output)),
        Err(error) => {
            output.note(&format!("portcullis: {}", with_causes(&error)));
            return exit::FAILED;
        }
    }
    let log = log::install(Log { level: LogLevel::Warn, format: LogFormat::Text });
    let log = log.ok().map(LogHandle::keeping_format);
    let Ok(runtime) = control_runtime() else { return exit::FAILED };
    runtime.block_on(async {
        let Ok(signals) = Signals::hear() else { return exit::FAILED };
        let servers = match demo::start(clock).await {
            Ok(servers) => servers,
            Err(error) => {
                output.note(&format!("portcullis: the demo's servers cannot listen: {error}"));
                return exit::FAILED;
            }
        };
        let code = match Box::pin(start(config, log, Inherited::default())).await {
            Ok(running) => {
                wait_for_keys(&running).await;
                tell(&running, &folder, output);
                Box::pin(running.run(signals)).await;
                exit::OK
            }
            Err(error) => failed(&error, output),
        };
        servers.shutdown().await;
        code
    })
}

fn tell_file(file: &GeneratedFile, output: Output) {
    if let GeneratedFile::Made(path) = file {
        output.note(&format!("made {}", path.display()));
    }
}

async fn wait_for_keys(running: &RunningGateway) {
    let ready = async {
        while !running.is_ready() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _ = tokio::time::timeout(KEYS_WAIT, ready).await;
}

fn tell(running: &RunningGateway, folder: &Path, output: Output) {
    let Some(address) = running.address(LISTENER) else {
        output.note(&format!(
            "the gateway runs; the commands to try need a listener named \"{LISTENER}\""
        ));
        return;
    };
    let gateway = format!("https://localhost:{}", address.port());
    let ca = folder.join("dev-ca.crt").display().to_string();
    output.line("");
    output.line(
        "Portcullis runs, with a development authorization server and two backends. Paste \
                 these commands into another terminal:",
    );
    tell_lines(&demo::curl_lines(&gateway, &ca, demo::AUTHORIZATION_SERVER), output);
    output.line("");
    if let Some(management) = running.management_address() {
        output.line("And a developer gives a new client an application, without a reload:");
        let lines = demo::portal_lines(&gateway, &ca, demo::AUTHORIZATION_SERVER, management);
        tell_lines(&lines, output);
        output.line("");
        output.line("# an operator's view");
        output.line(&format!("curl -s http://{management}/readyz"));
        output.line("");
    }
    output.line("Ctrl-C drains and ends. The access log follows, one line for each request.");
}

fn tell_lines(lines: &[CurlLine], output: Output) {
    for line in lines {
        output.line("");
        output.line(&format!("# {}", line.expect));
        output.line(&line.command);
    }
}
