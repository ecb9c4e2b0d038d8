//! The map of the house, held against the code: who imports whom, and that every room says what it is.
#![cfg(test)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the bottom up: each may import those before it. Rooms of one line may not see each other.
const ROOMS: &[&[&str]] = &[
    &["model"],
    &["budget", "deadline", "jwt", "route", "state_dir", "telemetry", "dial"],
    &["fetch"],
    &["config"],
    &["jwks", "redis_link"],
    &["revocation"],
    &["assertion"],
    &["introspect"],
    &["backend", "key_managers", "limiter"],
    &["snapshot"],
    &["authenticate"],
    &["authorize"],
    &["throttle"],
    &["forward"],
    &["proxy"],
    &["listen"],
    &["explain"],
    &["management", "demo"],
    &["supervise"],
    &["cli"],
];

/// Rooms that decide and touch nothing.
const PURE: &[&str] = &["model", "jwt", "route", "authorize", "throttle"];

const FORBIDDEN_NAMES: &[&str] =
    &["util", "utils", "helper", "helpers", "common", "misc", "types", "base"];

/// A file above 400 lines is a second room; those that grew past it at width 100 are cut next.
const MOST_LINES: usize = 600;

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                walk(&entry, found);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&entry).unwrap();
                found.push((entry, text));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    found
        .into_iter()
        .map(|(path, text)| (path.strip_prefix(&root).unwrap().to_owned(), text))
        .collect()
}

fn room(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
}

#[test]
fn rooms_import_only_rooms_below() {
    let level: BTreeMap<&str, usize> = ROOMS
        .iter()
        .enumerate()
        .flat_map(|(at, rooms)| rooms.iter().map(move |room| (*room, at)))
        .collect();
    let mut wrong = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| !is_test(path)) {
        let own = room(path);
        if matches!(own.as_str(), "lib" | "main") {
            continue;
        }
        let own_level = *level
            .get(own.as_str())
            .unwrap_or_else(|| panic!("{own} is not in the table of rooms"));
        for other in text
            .split("crate::")
            .skip(1)
            .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
        {
            if let Some(other_level) = level.get(other)
                && other != own
                && *other_level >= own_level
            {
                wrong.push(format!("{} imports {other}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pure_rooms_touch_nothing() {
    let touching = [
        "use tokio",
        "use hyper",
        "use std::fs",
        "use std::net::Tcp",
        "tracing::",
        "Instant::now",
        "SystemTime::now",
    ];
    for (path, text) in
        sources().iter().filter(|(path, _)| !is_test(path) && PURE.contains(&room(path).as_str()))
    {
        let code: String = text.split("#[cfg(test)]").next().unwrap().to_owned();
        for word in touching {
            assert!(!code.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_stays_small() {
    for (path, text) in sources() {
        assert!(
            text.starts_with("//!") || is_test(&path),
            "{} does not start with a module doc",
            path.display()
        );
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(
            !FORBIDDEN_NAMES.contains(&stem.as_str()),
            "{} is a drawer without a name",
            path.display()
        );
        assert!(
            text.lines().count() <= MOST_LINES,
            "{} has {} lines",
            path.display(),
            text.lines().count()
        );
    }
}

#[test]
fn the_map_in_the_documents_is_this_one() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ARCHITECTURE.md"))
            .unwrap();
    for room in ROOMS.iter().copied().flatten() {
        assert!(text.contains(&format!("| `{room}` |")), "{room} is not in the table of rooms");
    }
}
