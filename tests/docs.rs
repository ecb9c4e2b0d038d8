//! The documents, held against the program: examples load, names that are listed exist, links lead somewhere.
#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

use portcullis::config;
use portcullis::demo::certificates;
use portcullis::model::reason::Reason;
use portcullis::supervise::clock::SystemClock;
use portcullis::telemetry::Metrics;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn documents() -> Vec<(PathBuf, String)> {
    let mut paths = vec![root().join("README.md"), root().join("SECURITY.md")];
    paths.extend(fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    let markdown = paths
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    markdown.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

fn load(text: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    certificates::make(&folder.path().join("certs"), &SystemClock).unwrap();
    let path = folder.path().join("gateway.toml");
    fs::write(&path, text).unwrap();
    config::load(&path).map(|_| ()).map_err(|report| report.to_string())
}

#[test]
fn the_example_is_clean() {
    load(&fs::read_to_string(root().join("gateway.toml")).unwrap()).unwrap();
}

#[test]
fn every_toml_block_loads() {
    let mut blocks = 0;
    for (path, text) in documents() {
        for block in text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
            load(block).unwrap_or_else(|report| panic!("{}: {report}", path.display()));
            blocks += 1;
        }
    }
    assert!(blocks >= 3, "{blocks}");
}

#[test]
fn every_reason_is_explained() {
    let faults = fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    for reason in Reason::ALL {
        assert!(
            faults.contains(&format!("`{}`", reason.label())),
            "{} is not in docs/troubleshooting.md",
            reason.label()
        );
    }
}

/// The names of all keys that the schema knows and that can be written today.
fn keys(schema: &serde_json::Value, found: &mut Vec<String>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    for (name, property) in properties {
        if property["description"].as_str().is_some_and(|about| !about.contains("supported yet")) {
            found.push(name.clone());
            keys(property, found);
            keys(&property["items"], found);
        }
    }
}

#[test]
fn every_key_is_in_the_manual() {
    let manual = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let mut found = Vec::new();
    keys(&config::schema(), &mut found);
    assert!(found.len() > 80, "{}", found.len());
    for key in found.iter().filter(|key| !key.ends_with("_endpoint")) {
        let later = matches!(
            key.as_str(),
            "store"
                | "throttling"
                | "throttling_policies"
                | "revocation"
                | "backend_jwt"
                | "traces"
        );
        assert!(later || manual.contains(key.as_str()), "{key} is not in docs/configuration.md");
    }
}

#[test]
fn the_metrics_that_are_named_exist() {
    let manual = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let rendered = Metrics::new(1, 1000).render();
    let families = fs::read_to_string(root().join("src/telemetry/metrics/families.rs")).unwrap();
    for name in manual
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("portcullis_"))
    {
        assert!(rendered.contains(name) || families.contains(&format!("\"{name}\"")), "{name}");
    }
}

#[test]
fn links_lead_somewhere() {
    for (path, text) in documents() {
        for target in text.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap()) {
            let local = !target.is_empty() && !target.contains("://");
            let there = |target: &str| path.parent().unwrap_or(Path::new("")).join(target).exists();
            assert!(!local || there(target), "{}: {target}", path.display());
        }
    }
}
