//! The defaults in the manual's tables of keys are those of the program.

use std::fs;
use std::path::Path;

use toml::{Table, Value};

use super::effects::{Stage, WHOLE};

/// A row of the manual: the whole names of a key, and its default as written there.
struct DocumentedKey {
    paths: Vec<String>,
    default: String,
}

#[test]
fn the_manual_has_the_defaults_of_the_program() {
    let stage = Stage::new();
    let mut whole: Table = WHOLE.parse().unwrap();
    let api = &mut whole["apis"][0];
    api["sandbox"] = api["production"].clone();
    let (mut required, mut literals, mut wrong) = (0, 0, Vec::new());
    for key in documented() {
        let literal = literal(&key.default);
        if literal.is_none() && key.default != "required" {
            continue;
        }
        let path = &key.paths[0];
        let places = tables_of(&mut whole.clone(), path).len();
        let mut compared = 0;
        for place in 0..places {
            let without = stage.resolved(&with(&whole, path, place, None));
            let Some(literal) = &literal else {
                if without.is_ok() {
                    wrong.push(format!("{path} is not required"));
                }
                required += 1;
                compared += 1;
                continue;
            };
            let written = stage.resolved(&with(&whole, path, place, Some(literal.clone())));
            let (Ok(without), Ok(written)) = (without, written) else { continue };
            if without != written {
                wrong.push(format!("{path} is not {literal} by default"));
            }
            literals += 1;
            compared += 1;
        }
        if compared == 0 {
            wrong.push(format!("{path} cannot be compared with {}", key.default));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(required > 20 && literals > 80, "{required} required, {literals} defaults");
}

/// The first line of each table of keys.
const HEADER: &str = "| key | type | default | meaning |";

fn documented() -> Vec<DocumentedKey> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let pages = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.flat_map(|path| documented_on(&fs::read_to_string(path).unwrap())).collect()
}

fn documented_on(page: &str) -> Vec<DocumentedKey> {
    let (mut tables, mut inside, mut found) = (Vec::new(), false, Vec::new());
    for line in page.lines() {
        if line.starts_with('#') {
            let spans = line.split('`').skip(1).step_by(2);
            tables = spans.map(|span| span.trim_matches(['[', ']']).to_owned()).collect();
        }
        let cells: Vec<&str> = line.split(" | ").collect();
        match (cells.as_slice(), inside) {
            ([key, _, default, _], true) if line.starts_with("| `") => {
                let key = key.trim_matches(['|', ' ', '`']);
                let paths = tables.iter().map(|table| format!("{table}.{key}"));
                let paths = if tables.is_empty() { vec![key.to_owned()] } else { paths.collect() };
                found.push(DocumentedKey { paths, default: (*default).to_owned() });
            }
            _ => inside = line == HEADER || (inside && line.starts_with("|---")),
        }
    }
    found
}

/// The value in a cell that is one code span.
fn literal(cell: &str) -> Option<Value> {
    let text = cell.strip_prefix('`')?.strip_suffix('`').filter(|text| !text.contains('`'))?;
    let table: Table = format!("it = {text}").parse().unwrap_or_else(|_| panic!("{cell}"));
    table.get("it").cloned()
}

/// Returns the tables in which the last name of this path is written.
fn tables_of<'v>(whole: &'v mut Table, path: &str) -> Vec<&'v mut Table> {
    let names: Vec<&str> = path.split('.').collect();
    let (last, way) = names.split_last().unwrap();
    let mut tables = vec![whole];
    for name in way {
        let mut below = Vec::new();
        for table in tables {
            match table.get_mut(*name) {
                Some(Value::Table(inner)) => below.push(inner),
                Some(Value::Array(elements)) => {
                    below.extend(elements.iter_mut().filter_map(Value::as_table_mut));
                }
                _ => {}
            }
        }
        tables = below;
    }
    tables.retain(|table| table.contains_key(*last));
    tables
}

/// The file with another value at one place of this path, or without it.
fn with(whole: &Table, path: &str, place: usize, value: Option<Value>) -> Table {
    let mut whole = whole.clone();
    let name = path.rsplit('.').next().unwrap().to_owned();
    let table = tables_of(&mut whole, path).swap_remove(place);
    match value {
        Some(value) => table.insert(name, value),
        None => table.remove(&name),
    };
    whole
}
