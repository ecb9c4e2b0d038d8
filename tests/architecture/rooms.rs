//! Who may import whom: rooms from the bottom up, and no circle between files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use regex::Regex;

use crate::allowances::{CIRCLES, PUBLIC_MODULES};
use crate::imports::{circles, graph};
use crate::sources::{Source, code_sources, package, sources};

/// The rooms from the bottom up: each may import those before it. Rooms of one line may not see each other.
const ROOMS: &[&[&str]] = &[
    &["model"],
    &[
        "budget",
        "deadline",
        "http2_frames",
        "http_server",
        "inspected_stream",
        "jwt",
        "niceness",
        "route",
        "state_dir",
        "telemetry",
        "dial",
    ],
    &["fetch"],
    &["config"],
    &["store"],
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
    &["registration"],
    &["sign_in"],
    &["admin"],
    &["management", "demo"],
    &["supervise"],
    &["cli"],
];

/// Rooms that decide and touch nothing: no file, no socket, no clock, no task, no log line.
///
/// `backend`, `authenticate` and `limiter` decide too, and read the clock; `deadline` is the clock.
/// `snapshot` decides too: what it calls reads the system's authorities and opens organizations.
const PURE: &[&str] = &["model", "http2_frames", "jwt", "route", "authorize", "throttle"];

/// Words that a pure room does not have.
const TOUCHING: &[&str] = &[
    "tokio::fs",
    "tokio::io",
    "tokio::net",
    "tokio::process",
    "tokio::task",
    "tokio::time",
    "hyper::",
    "std::fs",
    "fs::File",
    "std::net::Tcp",
    "std::process",
    "std::thread",
    "std::env",
    "tracing::",
    "Instant::now",
    "SystemTime::now",
    "monotonic_millis()",
    "moment()",
];

#[test]
fn rooms_import_only_rooms_below() {
    let level: BTreeMap<&str, usize> = ROOMS
        .iter()
        .enumerate()
        .flat_map(|(at, rooms)| rooms.iter().map(move |room| (*room, at)))
        .collect();
    let path = Regex::new(r"\bcrate::(\w+)").unwrap();
    let mut wrong = BTreeSet::new();
    for source in inside_rooms(code_sources()) {
        let own = source.room();
        let own_level =
            level.get(own).unwrap_or_else(|| panic!("{own} is not in the table of rooms"));
        for other in path.captures_iter(&source.text) {
            let other_level = level.get(&other[1]);
            if other_level.is_some_and(|other_level| other[1] != *own && other_level >= own_level) {
                wrong.insert(format!("{} imports {}", source.name(), &other[1]));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Rooms are named by the crate's root in one way, which [`rooms_import_only_rooms_below`] reads.
#[test]
fn rooms_are_imported_by_their_full_path() {
    let grouped = Regex::new(r"\bcrate::\{|\buse crate;|\bpub use crate::\*").unwrap();
    let wrong: Vec<String> = inside_rooms(code_sources())
        .filter(|source| grouped.is_match(&source.text))
        .map(|source| source.name())
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_file_uses_one_that_uses_it() {
    let sources: Vec<Source> = inside_rooms(code_sources()).collect();
    let allowed: Vec<BTreeSet<&str>> =
        CIRCLES.iter().map(|circle| circle.split_whitespace().collect()).collect();
    let found = circles(&graph(&sources));
    let new: Vec<String> = found
        .iter()
        .filter(|circle| {
            let circle: BTreeSet<&str> = circle.iter().map(String::as_str).collect();
            !allowed.iter().any(|allowed| circle.is_subset(allowed))
        })
        .map(|circle| circle.iter().map(String::as_str).collect::<Vec<_>>().join(" "))
        .collect();
    assert!(new.is_empty(), "circles between files: {new:#?}");
}

#[test]
fn pure_rooms_touch_nothing() {
    let mut wrong = Vec::new();
    for source in code_sources().iter().filter(|source| PURE.contains(&source.room())) {
        let code = source.code();
        let found = TOUCHING.iter().filter(|word| code.contains(**word));
        wrong.extend(found.map(|word| format!("{} has {word}", source.name())));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A room's `mod.rs` says what the room offers; a public module offers all that is in it.
#[test]
fn modules_are_private_by_default() {
    let public = Regex::new(r"(?m)^pub mod \w+").unwrap();
    let mut count = BTreeMap::<String, usize>::new();
    for source in inside_rooms(code_sources()) {
        let found = public.find_iter(&source.text).count();
        *count.entry(source.room().to_owned()).or_default() += found;
    }
    let allowed: BTreeMap<&str, usize> = PUBLIC_MODULES.iter().copied().collect();
    let over: Vec<_> = count
        .iter()
        .filter(|(room, count)| **count > allowed.get(room.as_str()).copied().unwrap_or_default())
        .collect();
    assert!(over.is_empty(), "rooms with more public modules than before: {over:?}");
}

#[test]
fn the_map_in_the_documents_is_this_one() {
    let text = fs::read_to_string(package().join("docs/ARCHITECTURE.md")).unwrap();
    let row = Regex::new(r"(?m)^\| `(\w+)` \| .* \| (.*) \|$").unwrap();
    let rows: BTreeMap<String, String> =
        row.captures_iter(&text).map(|row| (row[1].to_owned(), row[2].to_owned())).collect();
    for room in ROOMS.iter().copied().flatten() {
        let touches = rows
            .get(*room)
            .unwrap_or_else(|| panic!("{room} is not in the table of docs/ARCHITECTURE.md"));
        assert_eq!(PURE.contains(room), touches == "no", "{room} touches {touches:?}, it says");
    }
    let present: BTreeSet<String> =
        inside_rooms(sources()).map(|source| source.room().to_owned()).collect();
    let listed: BTreeSet<String> =
        ROOMS.iter().copied().flatten().map(|room| (*room).to_owned()).collect();
    assert_eq!(present, listed);
}

fn inside_rooms(sources: Vec<Source>) -> impl Iterator<Item = Source> {
    sources.into_iter().filter(|source| !matches!(source.room(), "lib" | "main"))
}
