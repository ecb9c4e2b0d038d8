//! Every key that can be written is documented once, with its type; every default has its reason.

use std::collections::BTreeMap;

use portcullis::config;
use serde_json::Value;

use crate::pages::{Page, Row, code_spans, one_code_span, page, pages};

const KEYS: [&str; 4] = ["key", "type", "default", "meaning"];
const DEFAULTS: [&str; 3] = ["key", "default", "why"];

/// A key as the schema has it.
struct SchemaKey {
    kind: String,
    /// The feature behind it exists.
    words: Vec<String>,
}

#[test]
fn every_key_is_documented_once_with_its_type() {
    let schema = schema_keys();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (page, row) in key_rows() {
        for path in paths(&row) {
            let key = schema.get(&path).unwrap_or_else(|| panic!("{page}: no key {path}"));
            assert_eq!(row.cells[1].replace('`', ""), key.kind, "{page}: the type of {path}");
            *counts.entry(path).or_default() += 1;
        }
    }
    let headings: Vec<String> = key_rows().iter().flat_map(|(_, row)| tables(row)).collect();
    for (path, key) in &schema {
        let top_table = !path.contains('.') && key.kind.starts_with("table");
        if top_table {
            assert!(headings.contains(path), "no table for [{path}]");
        } else {
            let count = counts.get(path).copied().unwrap_or_default();
            assert_eq!(count, 1, "{path} is documented {count} times");
        }
    }
    assert!(counts.len() > 200, "{}", counts.len());
}

#[test]
fn every_choice_is_named() {
    let texts: String = key_pages().iter().map(|page| page.text.as_str()).collect();
    for (path, key) in &schema_keys() {
        for word in &key.words {
            assert!(texts.contains(&format!("`{word}`")), "{path}: `{word}` is not named");
        }
    }
}

#[test]
fn every_default_has_its_reason() {
    let rows = page("defaults.md").rows(&DEFAULTS);
    let mut reasons: BTreeMap<String, String> = BTreeMap::new();
    for row in rows {
        let key = one_code_span(&row.cells[0]).expect("a key").to_owned();
        assert!(!row.cells[2].is_empty(), "{key} has no reason");
        assert!(reasons.insert(key.clone(), row.cells[1].clone()).is_none(), "{key} stands twice");
    }
    for (_, row) in key_rows() {
        let (path, default) = (paths(&row).swap_remove(0), row.cells[2].clone());
        let literal = one_code_span(&default).is_some_and(|text| !matches!(text, "[]" | "\"\""));
        if literal {
            assert_eq!(reasons.remove(&path), Some(default), "{path} in docs/defaults.md");
        }
    }
    assert!(reasons.is_empty(), "not the defaults of any key: {reasons:?}");
}

/// The pages with tables of keys.
fn key_pages() -> Vec<Page> {
    pages().into_iter().filter(|page| !page.rows(&KEYS).is_empty()).collect()
}

fn key_rows() -> Vec<(String, Row)> {
    let rows = |page: &Page| {
        let name = page.name();
        page.rows(&KEYS).into_iter().map(move |row| (name.clone(), row)).collect::<Vec<_>>()
    };
    key_pages().iter().flat_map(rows).collect()
}

/// The tables that a row's heading names: `[apis.production]` is `apis.production`.
fn tables(row: &Row) -> Vec<String> {
    let spans = code_spans(&row.heading);
    spans.iter().map(|span| span.trim_matches(['[', ']']).to_owned()).collect()
}

/// The whole names of a row's key.
fn paths(row: &Row) -> Vec<String> {
    let key = one_code_span(&row.cells[0]).expect("a key");
    if row.heading == "Top level" {
        return vec![key.to_owned()];
    }
    let tables = tables(row);
    assert!(!tables.is_empty(), "{key}: the heading {:?} names no table", row.heading);
    tables.iter().map(|table| format!("{table}.{key}")).collect()
}

fn schema_keys() -> BTreeMap<String, SchemaKey> {
    let mut found = BTreeMap::new();
    gather(&config::schema(), "", &mut found);
    found
}

fn gather(schema: &Value, path: &str, found: &mut BTreeMap<String, SchemaKey>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    for (name, property) in properties {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        property["description"].as_str().expect("a description");
        let words = property["enum"].as_array().or(property["items"]["enum"].as_array());
        let words = words.into_iter().flatten().map(|word| word.as_str().unwrap().to_owned());
        let key = SchemaKey { kind: kind(property), words: words.collect() };
        found.insert(path.clone(), key);
        gather(property, &path, found);
        gather(&property["items"], &path, found);
        if !is_secrets(property) {
            gather(&property["items"]["anyOf"][1], &path, found);
        }
    }
}

/// A secret is a text, or one of two tables that say where it stands.
fn is_secrets(property: &Value) -> bool {
    property["items"]["anyOf"].as_array().is_some_and(|forms| forms.len() == 3)
}

/// The manual's word for a type.
fn kind(property: &Value) -> String {
    let items = &property["items"];
    let has = |name: &str| !property[name].is_null();
    let word = match property["type"].as_str() {
        Some("string") if has("enum") => "choice",
        Some("string") if has("pattern") => "duration",
        Some("array") if !items["enum"].is_null() => "choices",
        Some("array") if is_secrets(property) => "secrets",
        Some("array") if !items["anyOf"].is_null() => "strings or tables",
        Some("array") if items["type"] == "object" => "tables",
        Some("array") => "strings",
        Some("object") if has("properties") => "table",
        Some("object") => "map",
        Some(other) => other,
        None if property["type"].is_array() => "size",
        None => match property["anyOf"][0]["const"].as_str() {
            Some(word) => return format!("integer or \"{word}\""),
            None => "secret",
        },
    };
    word.to_owned()
}
