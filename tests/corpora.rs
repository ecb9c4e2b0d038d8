//! The fuzz targets without a fuzzer: every committed input, and some thousands of its mutations, the same ones each time.
//!
//! An input that broke something once is in `fuzz/corpus/` with a name that tells what it was; `fuzz/README.md` says how
//! to look for more.
#![cfg(test)]

#[path = "fuzzing/claims.rs"]
mod claims;
#[path = "fuzzing/compact.rs"]
mod compact;
#[path = "fuzzing/config.rs"]
mod config;
#[path = "fuzzing/forwarded.rs"]
mod forwarded;
#[path = "fuzzing/framing.rs"]
mod framing;
#[path = "fuzzing/header_lines.rs"]
mod header_lines;
#[path = "fuzzing/headers.rs"]
mod headers;
#[path = "fuzzing/introspection.rs"]
mod introspection;
#[path = "fuzzing/key_set.rs"]
mod key_set;
#[path = "fuzzing/mutation.rs"]
mod mutation;
#[path = "fuzzing/path.rs"]
mod path;
#[path = "fuzzing/proof.rs"]
mod proof;
#[path = "fuzzing/proxy_protocol.rs"]
mod proxy_protocol;
#[path = "fuzzing/tree.rs"]
mod tree;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use crate::mutation::Mutations;

/// Small files are read by people and mutated well.
const MOST_BYTES: usize = 2048;

#[test]
fn paths() {
    replay("path", path::check, 8000);
}

#[test]
fn compact_tokens() {
    replay("compact", compact::check, 8000);
}

#[test]
fn claims_of_tokens() {
    replay("claims", claims::check, 4000);
}

#[test]
fn key_sets() {
    replay("key_set", key_set::check, 4000);
}

#[test]
fn answers_about_tokens() {
    replay("introspection", introspection::check, 8000);
}

#[test]
fn proofs_of_keys() {
    replay("proof", proof::check, 4000);
}

#[test]
fn framing_of_messages() {
    replay("framing", framing::check, 2000);
}

#[test]
fn header_blocks() {
    replay("headers", headers::check, 8000);
}

#[test]
fn chains_of_proxies() {
    replay("forwarded", forwarded::check, 8000);
}

#[test]
fn beginnings_of_connections() {
    replay("proxy_protocol", proxy_protocol::check, 8000);
}

#[test]
fn configurations() {
    replay("config", config::check, 2000);
}

/// Each corpus has its target, and the other way round.
#[test]
fn every_target_has_a_corpus() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let names = |folder: &str| {
        let entries = fs::read_dir(fuzz().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let mut names: Vec<String> =
            entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names("corpus"), names("targets"));
    for name in names("targets") {
        assert!(
            manifest.contains(&format!(
                "name = \"{name}\"\npath = \"targets/{name}.rs\"\ntest = false"
            )),
            "{name}"
        );
    }
}

fn replay(target: &str, check: fn(&[u8]), mutations: usize) {
    let corpus = corpus(target);
    assert!(corpus.len() >= 20, "{target} has {} inputs", corpus.len());
    for (name, bytes) in &corpus {
        assert!(bytes.len() <= MOST_BYTES, "{name} has {} bytes", bytes.len());
        assert!(name.len() < 40 || name.contains('-'), "{name} is a fuzzer's name: say what it is");
        must_pass(name, check, bytes);
    }
    let inputs: Vec<&[u8]> = corpus.iter().map(|(_, bytes)| bytes.as_slice()).collect();
    for mutated in Mutations::of(&inputs).take(mutations) {
        must_pass("a mutation", check, &mutated);
    }
}

fn must_pass(name: &str, check: fn(&[u8]), bytes: &[u8]) {
    assert!(catch_unwind(|| check(bytes)).is_ok(), "{name}: b\"{}\"", bytes.escape_ascii());
}

/// The inputs by name, always in one order.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(fuzz().join("corpus").join(target))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}
