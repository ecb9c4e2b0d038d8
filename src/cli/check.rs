//! `portcullis check`: the report of a reload, without one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::arguments::CheckOptions;
use crate::cli::exit;
use crate::cli::output::Output;
use crate::cli::run::{control_runtime, install_crypto};
use crate::config::{self, Loaded};
use crate::jwks::{self, Fetchers};
use crate::model::Model;
use crate::model::proxies::ForwardedHeader;
use crate::supervise::clock::SystemClock;
use crate::telemetry::{self, Expected};

/// How many results a fetch of a key set can have, and how many reasons there are to skip a key.
const FETCH_RESULTS: usize = 24;
const SKIP_REASONS: usize = 20;

/// How long `--fetch` waits for each key set.
const FETCH_WAIT: Duration = Duration::from_secs(15);

/// Prints what is wrong, or what the configuration says. Exits 0, or 2 with every error.
pub fn check(config: &Path, options: &CheckOptions, output: Output) -> u8 {
    install_crypto();
    let file = options.file.as_deref().unwrap_or(config);
    let loaded = match config::load_gateway(file) {
        Ok(loaded) => loaded,
        Err(report) => {
            output.note(&report.render(output.color));
            return exit::CONFIGURATION;
        }
    };
    if !loaded.warnings.is_empty() {
        output.note(&loaded.warnings.render(output.color));
    }
    describe(file, &loaded, output);
    if options.fetch { fetch(&loaded.model, output) } else { exit::OK }
}

fn describe(file: &Path, loaded: &Loaded, output: Output) {
    let model = &loaded.model;
    let operations: usize = model.apis.iter().map(|api| api.operations.len()).sum();
    output.line(&format!("{}: no errors", file.display()));
    output.line(&format!(
        "  {} listeners, {} key managers, {} APIs with {operations} operations",
        model.listeners.len(),
        model.key_managers.len(),
        model.apis.len()
    ));
    output.line(&format!(
        "  {} applications, {} consumer keys, {} subscriptions",
        model.directory.application_count(),
        model.directory.key_count(),
        model.directory.subscription_count()
    ));
    for key_manager in model.key_managers.iter().filter(|key_manager| key_manager.enabled) {
        for route in jwks::routes(key_manager) {
            output.line(&format!("  key manager \"{}\": {route}", key_manager.name));
        }
    }
    for line in header_lines(model) {
        output.line(&line);
    }
    let most = model.telemetry.max_series;
    let expected = Expected::of(model, FETCH_RESULTS, SKIP_REASONS);
    let families = telemetry::worst_case_series(&expected, most);
    let all: usize = families.iter().map(|family| family.capped).sum();
    let worst = families.iter().map(|family| family.worst_case).max().unwrap_or_default();
    output.line(&format!("  metrics: at most {all} series in all; the largest family could need {worst}, and max_series is {most}"));
    if worst > most {
        output.note(&format!(
            "warning: a family of metrics could need {worst} series; what is over {most} is counted as \"other\": raise \
             telemetry.metrics.max_series to tell all of it apart"
        ));
    }
}

/// Which headers are believed, and which ones do not reach backends.
fn header_lines(model: &Model) -> Vec<String> {
    let proxies = &model.gateway.trusted_proxies;
    let mut lines = Vec::new();
    if !proxies.networks.is_empty() {
        let mut believed: Vec<String> = ForwardedHeader::ALL
            .into_iter()
            .filter(|header| proxies.headers.has(*header))
            .map(|header| header.as_str().to_owned())
            .collect();
        believed.extend(
            proxies
                .certificate
                .as_ref()
                .map(|header| format!("{} ({})", header.name, header.format.as_str())),
        );
        let believed = if believed.is_empty() { "nothing".to_owned() } else { believed.join(", ") };
        lines.push(format!("  trusted_proxies are believed in {believed}"));
    }
    lines.push("  removed from requests (gateway.remove_request_headers):".to_owned());
    let names = &model.gateway.remove_request_headers;
    if names.is_empty() {
        lines.push("    nothing".to_owned());
    }
    lines.extend(names.chunks(6).map(|names| format!("    {}", names.join(", "))));
    lines
}

fn fetch(model: &Model, output: Output) -> u8 {
    let Ok(runtime) = control_runtime() else { return exit::FAILED };
    runtime.block_on(async {
        let mut fetchers = Fetchers::new(&model.gateway.state_dir, Arc::new(SystemClock));
        let keys = fetchers.reconcile(&model.key_managers);
        let mut code = exit::OK;
        for (key_manager, keys) in
            model.key_managers.iter().zip(&keys).filter(|(key_manager, _)| key_manager.enabled)
        {
            let _ = tokio::time::timeout(FETCH_WAIT, keys.settled()).await;
            let status = keys.status();
            let name = &key_manager.name;
            match status.last_failure {
                None if status.usable => {
                    output.line(&format!("  key manager \"{name}\": {} keys", status.key_count));
                }
                Some(failure) => {
                    code = exit::FAILED;
                    output.line(&format!("  key manager \"{name}\": {failure}"));
                }
                None => {
                    code = exit::FAILED;
                    output.line(&format!("  key manager \"{name}\": no answer in time"));
                }
            }
        }
        fetchers.shutdown().await;
        code
    })
}
