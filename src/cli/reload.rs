//! `portcullis reload`: makes the running gateway read its files again.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};

use crate::cli::arguments::{Confirmation, ReloadOptions};
use crate::cli::control::{self, ControlError};
use crate::cli::exit;
use crate::cli::output::Output;
use crate::cli::runtime::{control_runtime, install_crypto};
use crate::config::{ConfigFiles, StoredObjects};
use crate::model::identity::Identities;

/// Asks for a reload. Exits 0 if the files are in force, 1 if the gateway refuses or none runs, 2
/// if the files have errors.
pub(super) fn reload(config: &Path, options: &ReloadOptions, output: Output) -> u8 {
    install_crypto();
    let files = Arc::new(ConfigFiles::read(config));
    let identities = Identities::default();
    // the gateway may go without what is broken, and then says so
    if let Err(report) = files.resolve_gateway(&identities, StoredObjects::default())
        && files.without_broken(&identities, &[]).is_none()
    {
        output.note(&report.render(output.style));
        return exit::CONFIGURATION;
    }
    let state_dir = files.state_dir();
    let path = match options.confirm {
        Some(Confirmation::Removals) => "/reload?confirm=removals",
        None => "/reload",
    };
    let Ok(runtime) = control_runtime() else { return exit::FAILED };
    let call = (Method::POST, path);
    let asked = runtime.block_on(control::ask(&state_dir, call, Bytes::new(), control::RELOAD));
    match asked {
        Ok((StatusCode::OK, body)) => {
            output.line(&format!("reloaded{}", generation(&body)));
            for told in quarantined(&body) {
                output.note(&format!("portcullis: left out: {told}"));
            }
            exit::OK
        }
        Ok((_, body)) => {
            output.note(&format!("portcullis: not reloaded: {}", control::words(&body)));
            exit::FAILED
        }
        Err(error) => {
            let hint = if matches!(error, ControlError::Nobody(_)) {
                "; if it runs with another file, name that file with --config"
            } else {
                ""
            };
            output.note(&format!("portcullis: not reloaded: {error}{hint}"));
            exit::FAILED
        }
    }
}

/// Returns the objects that the reload left out because they are broken.
fn quarantined(body: &str) -> Vec<String> {
    let read: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let told = read.and_then(|read| Some(read.get("quarantined")?.as_array()?.clone()));
    let told = told.unwrap_or_default().into_iter();
    told.filter_map(|line| line.as_str().map(str::to_owned)).collect()
}

fn generation(body: &str) -> String {
    let read: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let generation = read.and_then(|read| read.get("generation")?.as_u64());
    generation.map_or_else(String::new, |generation| format!(": generation {generation}"))
}
