//! Objects of the store, which are read by the same rules as tables of a file.

use std::fmt::{self, Write};
use std::ops::Range;

use serde_json::{Map, Value};

use crate::config::resolve::earlier_reading::EarlierReading;
use crate::config::tree::{TomlContent, TomlMember, TomlValue};
use crate::model::directory::Directory;
use crate::model::provenance::SourceFiles;

/// A table that stands in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTable {
    /// The list that it belongs to, such as "key_managers".
    pub list: &'static str,
    /// Its name, for reports.
    pub name: String,
    /// The revision of its last change.
    pub revision: u64,
    pub members: Map<String, Value>,
}

/// An application of the store with its `keys` and `subscriptions`, in the form of a line of an
/// application file.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredApplication {
    pub revision: u64,
    /// The line, as JSON.
    pub line: String,
}

impl StoredApplication {
    /// Reads the name, if it has one.
    pub fn name(&self) -> Option<String> {
        let members: Map<String, Value> = serde_json::from_str(&self.line).ok()?;
        members.get("name").and_then(Value::as_str).map(str::to_owned)
    }
}

/// The objects that the store adds to the files.
#[derive(Debug, Default)]
pub struct StoredObjects<'s> {
    pub tables: Vec<StoredTable>,
    pub applications: StoredApplications<'s>,
}

/// The source of applications.
#[derive(Default)]
pub enum StoredApplications<'s> {
    /// From files alone.
    #[default]
    None,
    /// From files alone. Application files that are the same as in this reading are not read again.
    NoneSince(EarlierReading),
    /// From files, and these of the store.
    Each(&'s mut dyn Iterator<Item = StoredApplication>),
    /// Unchanged by files and store, so as they are in force. The files are those that the
    /// provenance of applications points to.
    Unchanged { directory: Directory, files: SourceFiles },
}

impl fmt::Debug for StoredApplications<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::NoneSince(_) => "NoneSince",
            Self::Each(_) => "Each",
            Self::Unchanged { .. } => "Unchanged",
        })
    }
}

/// The text and the tables of the store as if it were a file: a line for each table, which shows
/// its name and no value.
pub(super) struct StoreText {
    pub(super) text: String,
    pub(super) table: Vec<TomlMember>,
    pub(super) revisions: Vec<u64>,
}

/// Lays tables out as a file.
pub(super) fn lay_out(tables: &[StoredTable]) -> StoreText {
    let mut text = String::new();
    let mut lists: Vec<TomlMember> = Vec::new();
    for stored in tables {
        let begin = text.len();
        // writing to a string cannot fail
        let _ = write!(text, "{} {:?}", stored.list, stored.name);
        let span = begin..text.len();
        text.push('\n');
        let content = TomlContent::Table(members(&stored.members, &span));
        let value = TomlValue { content, span: span.clone() };
        match lists.iter_mut().find(|list| list.name == stored.list) {
            Some(TomlMember {
                value: TomlValue { content: TomlContent::Array(all), .. }, ..
            }) => {
                all.push(value);
            }
            _ => lists.push(TomlMember {
                name: stored.list.to_owned(),
                span: span.clone(),
                value: TomlValue { content: TomlContent::Array(vec![value]), span },
            }),
        }
    }
    StoreText {
        text,
        table: lists,
        revisions: tables.iter().map(|stored| stored.revision).collect(),
    }
}

fn members(object: &Map<String, Value>, span: &Range<usize>) -> Vec<TomlMember> {
    let present = object.iter().filter(|(_, value)| !value.is_null());
    present
        .map(|(name, own)| TomlMember {
            name: name.clone(),
            span: span.clone(),
            value: value(own, span),
        })
        .collect()
}

fn value(json: &Value, span: &Range<usize>) -> TomlValue {
    let content = match json {
        // a table without this member: nothing is written
        Value::Null => TomlContent::Table(Vec::new()),
        Value::Bool(flag) => TomlContent::Flag(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => TomlContent::Integer(Some(integer)),
            None => number.as_f64().map_or(TomlContent::Integer(None), TomlContent::Float),
        },
        Value::String(text) => TomlContent::Text(text.clone()),
        Value::Array(all) => TomlContent::Array(all.iter().map(|own| value(own, span)).collect()),
        Value::Object(object) => TomlContent::Table(members(object, span)),
    };
    TomlValue { content, span: span.clone() }
}
