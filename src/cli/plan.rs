//! `portcullis plan`: the changes that a file would make, and the callers who would gain or lose
//! access.

use std::path::Path;

use bytes::Bytes;
use http::{Method, StatusCode};

use crate::cli::arguments::PlanOptions;
use crate::cli::control::{self, ControlError};
use crate::cli::exit;
use crate::cli::output::Output;
use crate::cli::runtime::{control_runtime, install_crypto};
use crate::config::ConfigFiles;
use crate::supervise::{Plan, between_files};

/// Compares a file with the configuration in force, or with another file. Exits 0 if nothing would
/// change, 1 if something would, 2 if that cannot be told.
pub(super) fn plan(config: &Path, options: &PlanOptions, output: Output) -> u8 {
    install_crypto();
    let planned = match &options.against {
        Some(before) => by_files(before, config, output),
        None => by_gateway(config),
    };
    match planned {
        Ok(plan) => {
            for warning in &plan.warnings {
                output.note(&format!("warning: {warning}"));
            }
            if options.json {
                output.line(&serde_json::to_string_pretty(&plan).unwrap_or_default());
            } else {
                plan.lines().iter().for_each(|line| output.line(line));
            }
            if plan.is_empty() { exit::OK } else { exit::FAILED }
        }
        Err(error) => {
            output.note(&format!("portcullis: no plan: {error}"));
            exit::CONFIGURATION
        }
    }
}

fn by_files(before: &Path, after: &Path, output: Output) -> Result<Plan, String> {
    between_files(before, after).map_err(|report| report.render(output.style))
}

/// Asks the gateway that runs on the file's state folder.
fn by_gateway(config: &Path) -> Result<Plan, String> {
    let runtime = control_runtime().map_err(|error| error.to_string())?;
    let state_dir = ConfigFiles::read(config).state_dir();
    // the gateway may have been started in another folder
    let file = std::path::absolute(config).map_err(|error| error.to_string())?;
    let body = Bytes::from(serde_json::json!({ "file": file }).to_string());
    let call = (Method::POST, "/plan");
    match runtime.block_on(control::ask(&state_dir, call, body, control::RELOAD)) {
        Ok((StatusCode::OK, body)) => serde_json::from_str(&body)
            .map_err(|error| format!("cannot read the gateway's answer: {error}")),
        Ok((_, body)) => Err(control::words(&body)),
        Err(error @ ControlError::Nobody(_)) => {
            Err(format!("{error}; name an older file with --against to compare the two"))
        }
        Err(error) => Err(error.to_string()),
    }
}
