//! The differences of two readings of the files: which objects were created, changed and removed,
//! and which of their keys.

use std::collections::BTreeMap;

use crate::config::ConfigFiles;
use crate::config::tree::{TomlContent, TomlMember, TomlValue};

/// An object or a section that differs. No value is shown: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredChange {
    pub turn: ChangeTurn,
    /// The list or section of the file, such as "apis" or "limits".
    pub list: String,
    /// The name in a list; empty for a section.
    pub name: String,
    /// The keys that differ, such as `certificates.jwks`.
    pub keys: Vec<String>,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ChangeTurn {
    Created,
    Changed,
    Removed,
}

/// Objects and sections by list and name.
type Objects<'f> = BTreeMap<(&'f str, String), &'f TomlValue>;

impl ConfigFiles {
    /// Returns the differences in `next`, by list and name. Files that others name, such as
    /// certificates, are not compared.
    pub fn changes_to(&self, next: &Self) -> Vec<DeclaredChange> {
        let (before, after) = (objects(self), objects(next));
        let mut changes = Vec::new();
        for ((list, name), value) in &after {
            let (turn, keys) = match before.get(&(*list, name.clone())) {
                None => (ChangeTurn::Created, Vec::new()),
                Some(old) => {
                    let keys = differing(old, value);
                    if keys.is_empty() {
                        continue;
                    }
                    (ChangeTurn::Changed, keys)
                }
            };
            let (list, name) = ((*list).to_owned(), name.clone());
            changes.push(DeclaredChange { turn, list, name, keys });
        }
        for (list, name) in before.keys().filter(|key| !after.contains_key(*key)) {
            let (list, name) = ((*list).to_owned(), name.clone());
            changes.push(DeclaredChange {
                turn: ChangeTurn::Removed,
                list,
                name,
                keys: Vec::new(),
            });
        }
        changes
    }
}

fn objects(files: &ConfigFiles) -> Objects<'_> {
    let mut objects = Objects::new();
    for (file, root) in files.sources.tables() {
        if files.sources.is_store(file) {
            continue;
        }
        for member in root {
            let list = member.name.as_str();
            match &member.value.content {
                TomlContent::Array(values) if values.iter().any(is_table) => {
                    for value in values {
                        put(&mut objects, list, &name_of(list, value), value);
                    }
                }
                _ => put(&mut objects, list, "", &member.value),
            }
        }
    }
    objects
}

/// Adds an object; a second one of its name, as listeners may have, gets a number.
fn put<'f>(objects: &mut Objects<'f>, list: &'f str, name: &str, value: &'f TomlValue) {
    let mut own = name.to_owned();
    let mut number = 1_usize;
    while objects.contains_key(&(list, own.clone())) {
        number = number.saturating_add(1);
        own = format!("{name} #{number}");
    }
    objects.insert((list, own), value);
}

fn is_table(value: &TomlValue) -> bool {
    matches!(value.content, TomlContent::Table(_))
}

fn name_of(list: &str, value: &TomlValue) -> String {
    let TomlContent::Table(members) = &value.content else { return String::new() };
    let text = |key: &str| {
        let found = members.iter().find(|member| member.name == key);
        match found.map(|member| &member.value.content) {
            Some(TomlContent::Text(text)) => text.clone(),
            Some(TomlContent::Integer(Some(number))) => number.to_string(),
            _ => String::new(),
        }
    };
    match list {
        "apis" => format!("{}:{}", text("name"), text("version")),
        "throttling_policies" => format!("{}:{}", text("level"), text("name")),
        "deny_conditions" => format!("{}:{}", text("type"), text("value")),
        _ => text("name"),
    }
}

/// Returns the keys that differ. A value that is no table is one key without a name.
fn differing(old: &TomlValue, new: &TomlValue) -> Vec<String> {
    match (&old.content, &new.content) {
        (TomlContent::Table(old), TomlContent::Table(new)) => {
            let names = new.iter().chain(old.iter().filter(|own| find(new, &own.name).is_none()));
            let differ = names.map(|own| own.name.as_str()).filter(|name| {
                match (find(old, name), find(new, name)) {
                    (Some(old), Some(new)) => !is_same(old, new),
                    _ => true,
                }
            });
            differ.flat_map(|name| below(name, find(old, name), find(new, name))).collect()
        }
        _ if is_same(old, new) => Vec::new(),
        _ => vec![String::new()],
    }
}

/// Returns a key that differs, or the keys of its table that do.
fn below(name: &str, old: Option<&TomlValue>, new: Option<&TomlValue>) -> Vec<String> {
    if let (Some(old), Some(new)) = (old, new)
        && is_table(old)
        && is_table(new)
    {
        return differing(old, new).into_iter().map(|own| format!("{name}.{own}")).collect();
    }
    vec![name.to_owned()]
}

fn find<'t>(members: &'t [TomlMember], name: &str) -> Option<&'t TomlValue> {
    members.iter().find(|member| member.name == name).map(|member| &member.value)
}

/// Compares values wherever they stand; the order of keys means nothing.
fn is_same(one: &TomlValue, other: &TomlValue) -> bool {
    match (&one.content, &other.content) {
        (TomlContent::Text(one), TomlContent::Text(other)) => one == other,
        (TomlContent::Integer(one), TomlContent::Integer(other)) => one == other,
        (TomlContent::Float(one), TomlContent::Float(other)) => one.to_bits() == other.to_bits(),
        (TomlContent::Flag(one), TomlContent::Flag(other)) => one == other,
        (TomlContent::DateTime, TomlContent::DateTime) => true,
        (TomlContent::Array(one), TomlContent::Array(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (TomlContent::Table(one), TomlContent::Table(other)) => {
            let same = |own: &TomlMember| {
                find(other, &own.name).is_some_and(|theirs| is_same(&own.value, theirs))
            };
            one.len() == other.len() && one.iter().all(same)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(folder: &std::path::Path, name: &str, text: &str) -> ConfigFiles {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        ConfigFiles::read(&path)
    }

    fn told(before: &str, after: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let before = read(folder.path(), "before.toml", before);
        let after = read(folder.path(), "after.toml", after);
        let line = |own: DeclaredChange| {
            format!("{:?} {} {:?} {}", own.turn, own.list, own.name, own.keys.join(" "))
        };
        before.changes_to(&after).into_iter().map(line).collect()
    }

    #[test]
    fn objects_are_found_by_name_wherever_they_stand() {
        let before = "[[apis]]\nname = 'a'\nversion = '1'\n[[apis]]\nname = 'b'\nversion = '1'\n";
        let after = "# a comment\n[[apis]]\nversion = '1'\nname = 'b'\n\n[[apis]]\nname = 'a'\n\
                     version = '2'\n";
        assert_eq!(told(before, after), ["Created apis \"a:2\" ", "Removed apis \"a:1\" "]);
        assert_eq!(told(before, before), [""; 0]);
    }

    #[test]
    fn keys_are_named_and_their_values_are_not() {
        let before = "[[key_managers]]\nname = 'k'\ncertificates = { jwks = 'x' }\n\
                      [key_managers.credentials]\nusername = 'u'\npassword = 'hush'\n\
                      [limits]\nmax_body_bytes = 1\n";
        let after = "[[key_managers]]\nname = 'k'\ncertificates = { jwks = 'y' }\nenabled = false\n\
                     [key_managers.credentials]\nusername = 'u'\npassword = 'secret'\n\
                     [limits]\nmax_body_bytes = 2\n";
        assert_eq!(
            told(before, after),
            [
                "Changed key_managers \"k\" certificates.jwks credentials.password enabled",
                "Changed limits \"\" max_body_bytes"
            ]
        );
        assert_eq!(told("include = ['a']", "include = ['b']"), ["Changed include \"\" "]);
        let twice = "[[deny_conditions]]\ntype = 'ip'\nvalue = '1'\n".repeat(2);
        assert_eq!(told("", &twice).len(), 2);
    }
}
