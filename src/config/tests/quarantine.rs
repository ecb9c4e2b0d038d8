//! Broken objects are left out, unless that opens something.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::{API, KEY_MANAGER, LISTENER};
use crate::config::{ConfigFiles, StoredObjects};
use crate::model::Model;
use crate::model::identity::Identities;

const WANTED: &str =
    "application_files = [\"good.jsonl\", \"bad.jsonl\"]\n[gateway]\nquarantine = true\n";
const BROKEN: &str = "[[apis]]\nname = \"b\"\nversion = \"1\"\ncontext = \"/b\"\nproduction = { urls \
                      = [\"ftp://b\"] }\noperations = [{ method = \"GET\", path = \"/x\" }]\n";

fn files(folder: &Path, text: &str) -> Arc<ConfigFiles> {
    fs::write(folder.join("gateway.toml"), text).unwrap();
    for name in ["good.jsonl", "bad.jsonl"] {
        if !folder.join(name).exists() {
            fs::write(folder.join(name), "").unwrap();
        }
    }
    let files = Arc::new(ConfigFiles::read(&folder.join("gateway.toml")));
    let identities = Identities::default();
    assert!(files.resolve_gateway(&identities, StoredObjects::default()).is_err(), "{text}");
    files
}

fn model(folder: &Path, text: &str) -> Option<Model> {
    let identities = Identities::default();
    let left = files(folder, text).without_broken(&identities, &[])?;
    let loaded = Arc::new(left).resolve_gateway(&identities, StoredObjects::default()).unwrap();
    assert!(loaded.warnings.problems().any(|line| line.contains("left out")));
    assert!(loaded.watched.iter().any(|path| path.ends_with("bad.jsonl")));
    Some(loaded.model)
}

#[test]
fn an_api_is_left_out_with_the_subscriptions_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let line = r#"{"name":"app","keys":[{"type":"production","key_manager":"km","consumer_key":"c"}],"subscriptions":[{"api":"a:1"},{"api":"b:1"}]}"#;
    fs::write(folder.path().join("good.jsonl"), line).unwrap();
    let found = model(folder.path(), &format!("{WANTED}{LISTENER}{KEY_MANAGER}{API}{BROKEN}"));
    let model = found.unwrap();
    assert_eq!((model.apis.len(), model.directory.subscription_count()), (1, 1));
    assert_eq!(model.quarantined.len(), 1);
    let told = &model.quarantined[0];
    assert!(told.starts_with("API b 1: ") && told.contains("ftp"), "{told}");
}

#[test]
fn a_key_manager_takes_its_apis_and_keys_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let line = r#"{"name":"app","keys":[{"type":"production","key_manager":"other","consumer_key":"c"},{"type":"production","key_manager":"km","consumer_key":"c"}]}"#;
    fs::write(folder.path().join("good.jsonl"), line).unwrap();
    let other = "[[key_managers]]\nname = \"other\"\nissuer = \"https://o\"\nalgorithms = [\"RSA\"]\n\
                 certificates = { jwks = \"https://o/jwks\" }\n";
    let uses =
        BROKEN.replace("ftp", "http").replace("[[apis]]", "[[apis]]\nkey_managers = [\"other\"]");
    let text = format!("{WANTED}{LISTENER}{KEY_MANAGER}{other}{API}{uses}");
    let model = model(folder.path(), &text).unwrap();
    assert_eq!((model.apis.len(), model.key_managers.len()), (1, 1));
    assert_eq!((model.directory.application_count(), model.directory.key_count()), (1, 1));
    assert_eq!(model.quarantined.len(), 2, "{:?}", model.quarantined);
    // another key manager would judge the tokens if it has the same issuer, or a server that is
    // asked about foreign tokens
    let same = text.replace("issuer = \"https://o\"", "issuer = \"https://i\"");
    assert!(files(folder.path(), &same).without_broken(&Identities::default(), &[]).is_none());
}

#[test]
fn an_application_file_is_left_out_where_every_api_asks_for_a_subscription() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bad.jsonl"), "{\"name\":\n").unwrap();
    let text = format!("{WANTED}{LISTENER}{KEY_MANAGER}{API}");
    let model = model(folder.path(), &text).unwrap();
    assert!(model.quarantined[0].starts_with("application file bad.jsonl: "));
    for lax in ["subscription_required = false", "observe = true"] {
        let open = text.replace("[[apis]]", &format!("[[apis]]\n{lax}"));
        assert!(files(folder.path(), &open).without_broken(&Identities::default(), &[]).is_none());
    }
}

#[test]
fn nothing_is_left_out_that_another_object_would_stand_in_for_or_that_is_no_object() {
    let folder = tempfile::tempdir().unwrap();
    let whole = format!("{WANTED}{LISTENER}{KEY_MANAGER}{API}{BROKEN}");
    for text in [
        // the operator did not ask for it
        whole.replace("quarantine = true", "quarantine = false"),
        // another API serves the path
        whole.replace("context = \"/a\"", "context = \"/\"\ndefault_version = true"),
        whole
            .replace("context = \"/a\"", "context = \"/b\"\ndefault_version = true")
            .replace("name = \"b\"\nversion = \"1\"", "name = \"b\"\nversion = \"2\""),
        // it is unknown which paths it would serve
        whole.replace("context = \"/b\"", "context = \"b\""),
        whole.replace("name = \"http\"", "name = 1"),
        format!("{whole}[telemetry]\nlog = 1\n"),
        format!("{whole}broken ="),
    ] {
        let left = files(folder.path(), &text).without_broken(&Identities::default(), &[]);
        assert!(left.is_none(), "{text}");
    }
}
