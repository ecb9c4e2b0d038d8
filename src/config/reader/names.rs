//! Checks every key of a file against the contract.

use crate::config::contract::{KeyRule, Support, TableRule, ValueKind};
use crate::config::problems::{At, Problems};
use crate::config::reader::nearest::nearest;
use crate::config::reader::table::Table;
use crate::config::tree::{TomlContent, TomlMember, TomlValue};

impl<'a> Table<'a> {
    /// Returns the table at the top of a file, after it has checked every key below it against the
    /// contract.
    pub(in crate::config) fn root(
        file: u16,
        members: &'a [TomlMember],
        rule: &TableRule,
        problems: &'a Problems,
    ) -> Self {
        let root = Self { file, name: String::new(), members, span: 0..0, problems };
        root.check_names(rule);
        root
    }

    fn check_names(&self, rule: &TableRule) {
        for member in self.members {
            match rule.keys.iter().find(|key| key.name == member.name) {
                Some(key) => {
                    if self.is_supported(key, member) {
                        self.check_below(key, member);
                    }
                }
                None => self.unknown(member, rule),
            }
        }
    }

    fn check_below(&self, key: &KeyRule, member: &'a TomlMember) {
        let below = |rule: &TableRule, value: &'a TomlValue| {
            if let TomlContent::Table(members) = &value.content {
                self.below(key.name, members, value.span.clone()).check_names(rule);
            }
        };
        match (key.kind, &member.value.content) {
            (ValueKind::Table(rule), TomlContent::Table(_)) => below(rule, &member.value),
            (
                ValueKind::Tables(rule) | ValueKind::TextsOrTables(rule),
                TomlContent::Array(values),
            ) => {
                for value in values {
                    below(rule, value);
                }
            }
            _ => {}
        }
    }

    fn unknown(&self, member: &TomlMember, rule: &TableRule) {
        let near = nearest(&member.name, rule.keys.iter().map(|key| key.name));
        let hint = near.map_or_else(|| self.known(rule), |near| format!("did you mean `{near}`?"));
        let at = At::Span { file: self.file, span: member.span.clone() };
        self.problems.error(at, format!("`{}` is not a key", self.path(&member.name)), Some(hint));
    }

    fn known(&self, rule: &TableRule) -> String {
        let names: Vec<_> = rule.keys.iter().map(|key| key.name).collect();
        let place = if self.name.is_empty() {
            "the top of the file".to_owned()
        } else {
            format!("[{}]", self.name)
        };
        format!("{place} takes {}", names.join(", "))
    }

    fn is_supported(&self, key: &KeyRule, member: &TomlMember) -> bool {
        let supported = match key.support {
            Support::Yes => true,
            Support::Only(values) => values.contains(&shown(&member.value.content).as_str()),
        };
        if supported {
            return true;
        }
        let path = self.path(&member.name);
        let (message, hint) = match key.support {
            Support::Only(values) if !matches!(key.kind, ValueKind::FreeTable) => {
                let found = shown(&member.value.content);
                (
                    format!("`{path}` = {found} is not supported yet"),
                    format!("write only {}, or leave it out", values.join(" and ")),
                )
            }
            _ => (
                format!("`{path}` is not supported yet"),
                "remove it: it would have no effect".to_owned(),
            ),
        };
        let at = At::Span { file: self.file, span: member.span.clone() };
        self.problems.error(at, message, Some(hint));
        false
    }
}

/// Returns a value as the contract writes it.
fn shown(content: &TomlContent) -> String {
    match content {
        TomlContent::Text(text) => text.clone(),
        TomlContent::Flag(flag) => flag.to_string(),
        TomlContent::Integer(number) => {
            number.map_or_else(String::new, |number| number.to_string())
        }
        TomlContent::Float(number) => number.to_string(),
        TomlContent::DateTime => String::new(),
        TomlContent::Array(values) => {
            let parts: Vec<_> =
                values.iter().map(|value| format!("\"{}\"", shown(&value.content))).collect();
            format!("[{}]", parts.join(", "))
        }
        TomlContent::Table(members) if members.is_empty() => "{}".to_owned(),
        TomlContent::Table(members) => {
            let parts: Vec<_> = members
                .iter()
                .map(|member| format!("{} = \"{}\"", member.name, shown(&member.value.content)))
                .collect();
            format!("{{ {} }}", parts.join(", "))
        }
    }
}
