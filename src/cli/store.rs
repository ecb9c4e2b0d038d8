//! `portcullis store`: the objects of the store as a file, and back; secrets under a new key.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::arguments::{StoreCommand, StoreImportOptions};
use crate::cli::exit;
use crate::cli::output::Output;
use crate::cli::runtime::{control_runtime, install_crypto};
use crate::config::{ConfigFiles, Report};
use crate::store::{self, StoreKeys, WriteProgress};
use crate::supervise::clock::SystemClock;
use crate::supervise::{ImportTarget, Others, StoreImport, TransferError, export, rekey};

/// The time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(2);

/// Runs one of the commands. Exits 0; 1 if the store fails, or `import` shows changes that it does
/// not make; 2 if a file has errors.
pub(super) fn store(config: &Path, command: &StoreCommand, output: Output) -> u8 {
    install_crypto();
    let files = Arc::new(ConfigFiles::read(config));
    let settings = match files.store_settings() {
        Ok(Some(settings)) => settings,
        Ok(None) => {
            output.note(
                "portcullis: this file has no store: `store.url` is \"none\", or nobody may sign \
                 in to the management API",
            );
            return exit::CONFIGURATION;
        }
        Err(report) => return refused(&report, output),
    };
    let Ok(runtime) = control_runtime() else { return exit::FAILED };
    let done: Result<u8, TransferError> = runtime.block_on(async {
        let keys = Arc::new(StoreKeys::new(&settings)?);
        let store = store::open_beside(&settings, Arc::new(SystemClock)).await?;
        let target = ImportTarget { store, keys, files };
        match command {
            StoreCommand::Export { file } => to_file(&target, file.as_deref(), output).await,
            StoreCommand::Import(options) => from_file(&target, options, output).await,
            StoreCommand::Rekey => {
                let (secrets, objects) = rekey(&*target.store, &target.keys).await?;
                output.line(&format!(
                    "{secrets} secrets of {objects} objects are encrypted with the new key"
                ));
                Ok(exit::OK)
            }
        }
    });
    match done {
        Ok(code) => code,
        Err(TransferError::Refused(report)) => refused(&report, output),
        Err(error) => {
            output.note(&format!("portcullis: {error}"));
            if matches!(error, TransferError::Form(_)) { exit::CONFIGURATION } else { exit::FAILED }
        }
    }
}

fn refused(report: &Report, output: Output) -> u8 {
    output.note(&report.render(output.style));
    exit::CONFIGURATION
}

async fn to_file(
    target: &ImportTarget,
    file: Option<&Path>,
    output: Output,
) -> Result<u8, TransferError> {
    output.note("reading the store");
    let (text, summary) = export(&*target.store).await?;
    match file {
        Some(path) => std::fs::write(path, text).map_err(|error| named(path, &error))?,
        // a closed pipe is no error
        None => drop(std::io::stdout().lock().write_all(text.as_bytes())),
    }
    output.note(&summary);
    Ok(exit::OK)
}

async fn from_file(
    target: &ImportTarget,
    options: &StoreImportOptions,
    output: Output,
) -> Result<u8, TransferError> {
    let path = &options.file;
    let text = std::fs::read_to_string(path).map_err(|error| named(path, &error))?;
    output.note("comparing the file with the store");
    let others = if options.replace { Others::Go } else { Others::Stay };
    let import = StoreImport::prepare(target, text, others).await?;
    for warning in &import.plan.warnings {
        output.note(&format!("warning: {warning}"));
    }
    import.plan.lines().iter().for_each(|line| output.line(line));
    if import.plan.is_empty() {
        return Ok(exit::OK);
    }
    if options.dry_run || !(options.yes || agreed(output)) {
        output.note("nothing is changed");
        return Ok(exit::FAILED);
    }
    let (count, progress) = (import.count(), WriteProgress::default());
    let mut writing = std::pin::pin!(import.apply(&*target.store, progress.clone()));
    let revision = loop {
        tokio::select! {
            written = &mut writing => break written?,
            () = tokio::time::sleep(PROGRESS) => {
                output.note(&format!("{} of {count} changes", progress.made()));
            }
        }
    };
    output.note(&format!("done: {count} changes are revision {revision}"));
    Ok(exit::OK)
}

/// Asks a person. Without a terminal the answer is no.
fn agreed(output: Output) -> bool {
    if !std::io::stdin().is_terminal() {
        output.note("confirm with --yes");
        return false;
    }
    output.note("make these changes? [y/N]");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

fn named(path: &Path, error: &std::io::Error) -> TransferError {
    TransferError::Form(format!("{}: {error}", path.display()))
}
