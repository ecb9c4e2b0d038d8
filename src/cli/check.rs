//! `portcullis check`: gives the report of a reload, without a reload.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};

use crate::cli::arguments::CheckOptions;
use crate::cli::control;
use crate::cli::exit;
use crate::cli::output::Output;
use crate::cli::registration::try_registration;
use crate::cli::runtime::{control_runtime, install_crypto};
use crate::config::{self, Loaded};
use crate::introspect::{IntrospectionOutcome, IntrospectionPurpose, Introspector};
use crate::jwks::{self, KeyManagerKeys, KeySets};
use crate::model::Model;
use crate::model::clock::Clock;
use crate::model::identity::Identities;
use crate::model::key_manager::{KeyManager, KeySource};
use crate::model::proxies::ForwardedHeader;
use crate::supervise::clock::SystemClock;
use crate::supervise::inventory::Inventory;
use crate::supervise::{StoreCheck, certificates, check_with_store, descriptors};
use crate::telemetry::{self, ExpectedLoad, Metrics};

/// The number of results that a fetch of a key set can have, and of reasons to skip a key.
const FETCH_RESULTS: usize = 24;
const SKIP_REASONS: usize = 20;

/// The longest wait of `--fetch` for a key set.
const FETCH_WAIT: Duration = Duration::from_secs(15);

/// Prints the errors, or a summary of the configuration. Exits 0; 2 with every error; 1 if
/// `--fetch` or `--registration` finds a server that fails.
pub(super) fn check(config: &Path, options: &CheckOptions, output: Output) -> u8 {
    install_crypto();
    let file = options.file.as_deref().unwrap_or(config);
    let loaded = match config::load_gateway(file, &Identities::default()) {
        Ok(loaded) => loaded,
        Err(report) => {
            output.note(&report.render(output.style));
            return exit::CONFIGURATION;
        }
    };
    if !loaded.warnings.is_empty() {
        output.note(&loaded.warnings.render(output.style));
    }
    let limits = descriptors::warning(&loaded.model, descriptors::limit(true));
    let certificates = certificates::warnings(&loaded.model, SystemClock.now());
    for warning in limits.into_iter().chain(certificates) {
        output.note(&format!("warning: {warning}"));
    }
    let Ok(runtime) = control_runtime() else { return exit::FAILED };
    let compared = runtime.block_on(check_with_store(file.to_owned()));
    if let StoreCheck::Refused(report) = &compared {
        output.note(&report.render(output.style));
        return exit::CONFIGURATION;
    }
    describe(file, &loaded, output);
    match compared {
        StoreCheck::NoStore | StoreCheck::Refused(_) => {}
        StoreCheck::NotCompared(error) => {
            output.line(&format!("  the store is not compared with the files: {error}"));
        }
        StoreCheck::Served { revision } => {
            output.line(&format!("  the store fits the files, at its revision {revision}"));
        }
    }
    if let Some(warning) = runtime.block_on(removals(&loaded.model)) {
        output.note(&format!("warning: {warning}"));
    }
    let mut code = exit::OK;
    if options.fetch {
        code = code.max(runtime.block_on(fetch(&loaded.model, output)));
    }
    if let Some(name) = &options.registration {
        code = code.max(runtime.block_on(try_registration(&loaded.model, name, output)));
    }
    code
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
    if !model.templates.is_empty() {
        output.line(&format!("  {} templates of key managers", model.templates.len()));
    }
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
    let expected = ExpectedLoad::of(model, FETCH_RESULTS, SKIP_REASONS);
    let families = telemetry::worst_case_series(&expected, most);
    let all: usize = families.iter().map(|family| family.capped).sum();
    let worst = families.iter().map(|family| family.worst_case).max().unwrap_or_default();
    output.line(&format!(
        "  metrics: at most {all} series in all; the largest metric could need \
                          {worst}, and max_series is {most}"
    ));
    if worst > most {
        output.note(&format!(
            "warning: a metric could need {worst} series; those above {most} are counted as \
             \"other\"; raise telemetry.metrics.max_series to see them all"
        ));
    }
}

/// Returns the headers that are trusted, and those that backends do not get.
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
        lines.push(format!("  trusted_proxies are trusted in {believed}"));
    }
    lines.push("  removed from requests (gateway.remove_request_headers):".to_owned());
    let names = &model.gateway.remove_request_headers;
    if names.is_empty() {
        lines.push("    nothing".to_owned());
    }
    lines.extend(names.chunks(6).map(|names| format!("    {}", names.join(", "))));
    lines
}

/// The numbers of a running gateway.
#[derive(Debug, serde::Deserialize)]
struct RunningConfiguration {
    process: u32,
    reload_max_removed_thousandths: u16,
    #[serde(flatten)]
    inventory: Inventory,
}

/// Returns why the running gateway would refuse a reload of this file, if one runs and would
/// refuse.
async fn removals(model: &Model) -> Option<String> {
    let state_dir = &model.gateway.state_dir;
    let asked = (Method::GET, "/inventory");
    let answer = control::ask(state_dir, asked, Bytes::new(), control::LOOK).await;
    let (StatusCode::OK, body) = answer.ok()? else { return None };
    let RunningConfiguration { process, reload_max_removed_thousandths, inventory } =
        serde_json::from_str(&body).ok()?;
    let guarded = inventory.guard(&Inventory::of(model), reload_max_removed_thousandths);
    let error = guarded.err()?;
    Some(format!(
        "the running gateway (process {process}) would refuse a reload of this file: {error}"
    ))
}

/// Reads the key sets, and asks every server that offers introspection.
async fn fetch(model: &Model, output: Output) -> u8 {
    let mut fetchers = KeySets::new(&model.gateway.state_dir, Arc::new(SystemClock));
    let keys = fetchers.reconcile(&model.key_managers);
    let mut code = exit::OK;
    for (key_manager, keys) in
        model.key_managers.iter().zip(&keys).filter(|(key_manager, _)| key_manager.enabled)
    {
        let _ = tokio::time::timeout(FETCH_WAIT, keys.settled()).await;
        let status = keys.status();
        let name = &key_manager.name;
        match status.last_failure {
            None if status.usable || key_manager.keys == KeySource::None => {
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
        match introspect(key_manager, keys).await {
            None => {}
            Some(Ok(endpoint)) => {
                output
                    .line(&format!("  key manager \"{name}\": introspection: {endpoint} answers"));
            }
            Some(Err(why)) => {
                code = exit::FAILED;
                output.line(&format!("  key manager \"{name}\": introspection: {why}"));
            }
        }
    }
    fetchers.shutdown().await;
    code
}

/// Asks about an unknown token, as the gateway would ask. Every answer shows that the server works,
/// and nothing changes there.
async fn introspect(
    key_manager: &KeyManager,
    keys: &Arc<KeyManagerKeys>,
) -> Option<Result<String, String>> {
    const NOBODYS_TOKEN: &[u8] = b"portcullis-check-asks-whether-it-may-ask";
    let settings = key_manager.introspection.as_ref()?;
    let written = settings.endpoint.clone();
    if written.as_deref().is_some_and(|endpoint| endpoint.contains('{')) {
        // for a template, the servers of its organizations are asked
        return None;
    }
    let counters = || Metrics::new(1, 0).introspection(key_manager.name.as_str());
    let introspector = match Introspector::of(key_manager, keys, counters) {
        Ok(introspector) => introspector?,
        Err(error) => return Some(Err(error.to_string())),
    };
    let pending = introspector.begin(NOBODYS_TOKEN, IntrospectionPurpose::Judge, SystemClock.now());
    let limit = key_manager.fetch.request_timeout.saturating_add(FETCH_WAIT);
    let outcome = tokio::time::timeout(limit, pending.outcome()).await;
    let learned = || keys.current().introspection.as_deref().map(str::to_owned);
    let endpoint = written.or_else(learned).unwrap_or_default();
    Some(match outcome {
        Ok(IntrospectionOutcome::Answered(_)) => Ok(endpoint),
        Ok(IntrospectionOutcome::Unavailable(why) | IntrospectionOutcome::Spared(why, _)) => {
            Err(format!("{endpoint}: {why}"))
        }
        Err(_) => Err(format!("{endpoint}: no answer in time")),
    })
}
