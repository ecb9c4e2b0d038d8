//! The objects of the files, as values for the API.

use serde_json::{Map, Number, Value};

use crate::config::contract::{ROOT, TableRule, ValueKind};
use crate::config::source::Sources;
use crate::config::tree::{TomlContent, TomlMember, TomlValue};

/// The lists of objects that the REST API shows.
const LISTS: [&str; 5] =
    ["key_managers", "apis", "throttling_policies", "deny_conditions", "applications"];

/// A table of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredTable {
    /// The list that it belongs to, such as "key_managers".
    pub list: &'static str,
    /// The members without secrets.
    pub members: Map<String, Value>,
    /// The place, such as `gateway.toml:12`.
    pub place: String,
}

/// Returns the tables of all files in their order.
pub(super) fn declared(sources: &Sources) -> Vec<DeclaredTable> {
    let mut tables = Vec::new();
    for (file, root) in sources.tables().filter(|(file, _)| !sources.is_store(*file)) {
        for list in LISTS {
            let rule = rule_of(&ROOT, list);
            let found = root.iter().find(|member| member.name == list);
            let Some(TomlContent::Array(values)) = found.map(|member| &member.value.content) else {
                continue;
            };
            for value in values {
                let TomlContent::Table(members) = &value.content else { continue };
                let line = sources.position(file, value.span.start).0;
                tables.push(DeclaredTable {
                    list,
                    members: table(members, rule),
                    place: format!("{}:{line}", sources.path(file)),
                });
            }
        }
    }
    tables
}

/// Tells whether a key of an object holds a secret, by its path below the list. Lists on the way
/// have no name of their own.
pub fn is_secret_key(list: &str, path: &[&str]) -> bool {
    let Some((last, way)) = path.split_last() else { return false };
    let mut rule = rule_of(&ROOT, list);
    for key in way {
        rule = rule.and_then(|rule| rule_of(rule, key));
    }
    is_secret(rule, last)
}

fn rule_of(rule: &'static TableRule, key: &str) -> Option<&'static TableRule> {
    let found = rule.keys.iter().find(|own| own.name == key)?;
    match found.kind {
        ValueKind::Table(below) | ValueKind::Tables(below) | ValueKind::TextsOrTables(below) => {
            Some(below)
        }
        _ => None,
    }
}

fn table(members: &[TomlMember], rule: Option<&'static TableRule>) -> Map<String, Value> {
    let shown = members.iter().filter(|member| !is_secret(rule, &member.name));
    shown
        .map(|member| {
            let below = rule.and_then(|rule| rule_of(rule, &member.name));
            (member.name.clone(), value(&member.value, below))
        })
        .collect()
}

fn is_secret(rule: Option<&'static TableRule>, key: &str) -> bool {
    let found = rule.and_then(|rule| rule.keys.iter().find(|own| own.name == key));
    found.is_some_and(|own| matches!(own.kind, ValueKind::Secret | ValueKind::Secrets))
}

fn value(node: &TomlValue, rule: Option<&'static TableRule>) -> Value {
    match &node.content {
        TomlContent::Text(text) => Value::String(text.clone()),
        TomlContent::Integer(integer) => integer.map_or(Value::Null, Value::from),
        TomlContent::Float(float) => Number::from_f64(*float).map_or(Value::Null, Value::Number),
        TomlContent::Flag(flag) => Value::Bool(*flag),
        TomlContent::DateTime => Value::Null,
        TomlContent::Array(values) => values.iter().map(|own| value(own, rule)).collect(),
        TomlContent::Table(members) => Value::Object(table(members, rule)),
    }
}
