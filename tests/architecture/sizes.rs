//! How long files, functions and lines are.

use std::collections::BTreeMap;
use std::fs;

use regex::Regex;

use crate::allowances::{LONG_FILES, LONG_FUNCTIONS, WIDE_LINES};
use crate::sources::{code_sources, files, package, sources};

/// A file above it holds a second thing.
const MOST_LINES: usize = 400;

/// A longer function does not fit on a screen.
const MOST_FUNCTION_LINES: usize = 60;

/// The width of rustfmt.toml, which rustfmt does not hold strings and comments to.
const MOST_COLUMNS: usize = 100;

#[test]
fn files_stay_small() {
    let mut wrong = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        let name = source.name();
        let allowed = LONG_FILES.iter().find(|(file, _)| *file == name);
        if lines > allowed.map_or(MOST_LINES, |(_, lines)| *lines) {
            wrong.push(format!("{name} has {lines} lines"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn functions_fit_on_a_screen() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (function, lines) in functions(&source.text) {
            let name = format!("{} {function}", source.name());
            let allowed = LONG_FUNCTIONS.iter().find(|(long, _)| *long == name);
            if lines > allowed.map_or(MOST_FUNCTION_LINES, |(_, lines)| *lines) {
                wrong.push(format!("{name} has {lines} lines"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn lines_stay_narrow() {
    let mut count = BTreeMap::<String, usize>::new();
    for source in code_sources() {
        let wide = source.text.lines().filter(|line| line.chars().count() > MOST_COLUMNS).count();
        *count.entry(source.room().to_owned()).or_default() += wide;
    }
    let allowed: BTreeMap<&str, usize> = WIDE_LINES.iter().copied().collect();
    let over: Vec<_> = count
        .iter()
        .filter(|(room, count)| **count > allowed.get(room.as_str()).copied().unwrap_or_default())
        .collect();
    assert!(over.is_empty(), "rooms with more lines over {MOST_COLUMNS} columns: {over:?}");
}

#[test]
fn the_tests_of_a_room_stay_small_too() {
    let mut wrong = Vec::new();
    for path in files(&package().join("tests/architecture"), "rs") {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        if lines > MOST_LINES {
            wrong.push(format!("{} has {lines} lines", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Each function with the number of its lines, as rustfmt lays it out.
fn functions(text: &str) -> Vec<(String, usize)> {
    let head = Regex::new(r#"^( *)(?:pub(?:\([^)]*\))? )?(?:const |async |extern "C" )*fn (\w+)"#);
    let head = head.unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(head) = head.captures(line) else { continue };
        let one_line = line.ends_with('}') || line.ends_with(';');
        let close = format!("{}}}", &head[1]);
        let length = if one_line {
            1
        } else {
            lines[at..].iter().position(|line| *line == close).map_or(1, |end| end + 1)
        };
        found.push((head[2].to_owned(), length));
    }
    found
}

#[test]
fn a_function_is_measured_from_its_head_to_its_brace() {
    let text = "fn one() {}\n\nimpl A {\n    pub(super) async fn two(\n        a: u8,\n    ) {\n        if a > 1 {\n        }\n    }\n}\n";
    assert_eq!(functions(text), [("one".to_owned(), 1), ("two".to_owned(), 6)]);
}
