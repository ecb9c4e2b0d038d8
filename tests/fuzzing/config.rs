//! What holds for every text of `gateway.toml`: a configuration or a report comes of it, the same one each time, and what
//! is open was written to be open.

use std::fs;
use std::sync::{LazyLock, Mutex};

use portcullis::config::{self, Loaded, Report, ReportStyle};
use portcullis::model::api::{AuthScheme, SubscriptionRule};
use portcullis::model::proxies::ForwardedHeaders;
use tempfile::TempDir;

pub(crate) fn check(bytes: &[u8]) {
    // devices and pipes are the operator's to name; here they would only hold up
    if ["/dev", "/proc", "/sys"]
        .iter()
        .any(|folder| bytes.windows(folder.len()).any(|window| window == folder.as_bytes()))
    {
        return;
    }
    match load(bytes) {
        Ok(loaded) => check_loaded(&loaded, bytes),
        Err(report) => {
            assert!(report.has_errors() && report.problems().count() > 0);
            assert!(
                report
                    .problems()
                    .all(|problem| problem.contains("gateway.toml") || problem.contains(": "))
            );
            let rendered = report.render(ReportStyle::Plain);
            assert!(
                rendered.lines().last().is_some_and(|last| last.contains(" error")),
                "{rendered}"
            );
            let again = load(bytes).expect_err("refused before");
            assert!(again.problems().eq(report.problems()), "another report");
        }
    }
}

fn check_loaded(loaded: &Loaded, bytes: &[u8]) {
    assert!(!loaded.warnings.has_errors() && !loaded.watched.is_empty());
    // a quoted key may be written with escapes
    let has = |word: &str| {
        bytes.contains(&b'\\') || bytes.windows(word.len()).any(|window| window == word.as_bytes())
    };
    let model = &loaded.model;
    for api in &model.apis {
        let open = api.operations.iter().any(|operation| operation.auth == AuthScheme::None);
        assert!(!open || has("auth"), "an operation is open and nobody wrote it");
        assert!(api.subscription == SubscriptionRule::Required || has("subscription_required"));
        assert!(
            api.key_managers.iter().all(|index| model.key_managers.get(index.position()).is_some())
        );
        assert!(
            api.base_path.is_empty()
                || (api.base_path.starts_with('/') && !api.base_path.ends_with('/')),
            "{}",
            api.base_path
        );
    }
    for key_manager in &model.key_managers {
        assert!(!key_manager.rules.algorithms.is_empty());
        assert!(!key_manager.fetch.allow_http || has("allow_http"));
    }
    assert!(model.management.is_none() || has("management"));
    assert!(model.gateway.trusted_proxies.networks.is_empty() || has("trusted_proxies"));
    let proxies = &model.gateway.trusted_proxies;
    assert!(proxies.certificate.is_none() || has("client_certificate_header"));
    assert!(proxies.headers == ForwardedHeaders::DEFAULT || has("forwarded_headers"));
    // a comment changes nothing
    let mut commented = bytes.to_vec();
    commented.extend_from_slice(b"\n# the end");
    let again = load(&commented).expect("the same text");
    assert_eq!(
        (again.model.apis, again.model.listeners),
        (model.apis.clone(), model.listeners.clone())
    );
}

/// One file for one after the other.
static FOLDER: LazyLock<Mutex<TempDir>> =
    LazyLock::new(|| Mutex::new(tempfile::tempdir().expect("a folder")));

fn load(bytes: &[u8]) -> Result<Loaded, Report> {
    let folder = FOLDER.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let path = folder.path().join("gateway.toml");
    // a new file each time: file systems take care of files that are cut and written again, and that takes time
    let _ = fs::remove_file(&path);
    fs::write(&path, bytes).expect("a file");
    config::load(&path)
}
