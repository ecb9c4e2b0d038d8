//! Checks every key of a file against the contract.

use crate::config::contract::{KeyRule, TableRule, ValueKind};
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
                Some(key) => self.check_below(key, member),
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
}
