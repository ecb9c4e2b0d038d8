//! What things are called.

use std::collections::BTreeMap;
use std::fs;

use regex::Regex;

use crate::allowances::SHARED_NAMES;
use crate::sources::{code_sources, files, package, sources};

const FORBIDDEN_NAMES: &[&str] =
    &["util", "utils", "helper", "helpers", "common", "misc", "types", "base"];

/// British spellings of words that the project uses.
const BRITISH: &str = r"(?i)\b\w*(?:organis|authoris|recognis|normalis|initialis|serialis|optimis|minimis|summaris|synchronis|behaviour|colour|favour|honour|neighbour|cancelled|cancelling|labelled|catalogue|centre|licence|defence)\w*";

/// Names of libraries and of gRPC's statuses, which are theirs to spell.
const NAMES_OF_OTHERS: &[&str] = &["UnrecognisedName", "is_cancelled", "CANCELLED"];

#[test]
fn every_file_says_what_it_is() {
    for source in sources() {
        assert!(
            source.text.starts_with("//!") || source.is_test(),
            "{} does not start with a module doc",
            source.name()
        );
        let stem = source.path.file_stem().unwrap().to_str().unwrap();
        assert!(!FORBIDDEN_NAMES.contains(&stem), "{} is a drawer without a name", source.name());
    }
}

#[test]
fn a_type_name_has_one_owner() {
    let definition =
        Regex::new(r"(?m)^\s*(?:pub(?:\([^)]*\))? )?(?:struct|enum|trait|union) ([A-Z]\w*)")
            .unwrap();
    let mut owners = BTreeMap::<String, Vec<String>>::new();
    for source in code_sources() {
        let code = source.code();
        let names = definition.captures_iter(&code).map(|found| found[1].to_owned());
        for name in names {
            owners.entry(name).or_default().push(source.name());
        }
    }
    owners.retain(|name, files| files.len() > 1 && !SHARED_NAMES.contains(&name.as_str()));
    assert!(owners.is_empty(), "{owners:#?}");
}

#[test]
fn the_spelling_is_american() {
    let british = Regex::new(BRITISH).unwrap();
    let root = package();
    let mut paths = files(&root.join("src"), "rs");
    paths.extend(files(&root.join("docs"), "md"));
    paths.extend(
        ["README.md", "CHANGELOG.md", "SECURITY.md", "gateway.toml"].map(|file| root.join(file)),
    );
    let mut wrong = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let found =
                british.find_iter(line).filter(|word| !NAMES_OF_OTHERS.contains(&word.as_str()));
            wrong.extend(
                found.map(|word| format!("{}:{}: {}", path.display(), number + 1, word.as_str())),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
