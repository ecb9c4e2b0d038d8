//! Reads lists and tables.

use crate::config::problems::At;
use crate::config::reader::table::{Placed, Table};
use crate::config::tree::TomlContent;

impl<'a> Table<'a> {
    pub(in crate::config) fn table(&self, key: &str) -> Option<Table<'a>> {
        let member = self.member(key)?;
        match &member.value.content {
            TomlContent::Table(members) => {
                Some(self.below(key, members, member.value.span.clone()))
            }
            other => {
                self.wrong(key, "a table", other.kind());
                None
            }
        }
    }

    pub(in crate::config) fn tables(&self, key: &str) -> Vec<Table<'a>> {
        let array = self.array(key).unwrap_or_default();
        let tables = array.iter().filter_map(|value| match &value.content {
            TomlContent::Table(members) => Some(self.below(key, members, value.span.clone())),
            other => {
                self.problems.error(
                    self.span_of(value),
                    format!(
                        "`{}` is a list of tables, and this is {}",
                        self.path(key),
                        other.kind()
                    ),
                    None,
                );
                None
            }
        });
        tables.collect()
    }

    pub(in crate::config) fn texts(&self, key: &str) -> Option<Vec<Placed<&'a str>>> {
        let array = self.array(key)?;
        let texts = array.iter().filter_map(|value| match &value.content {
            TomlContent::Text(text) => {
                Some(Placed { value: text.as_str(), at: self.span_of(value) })
            }
            other => {
                self.problems.error(
                    self.span_of(value),
                    format!(
                        "`{}` is a list of strings, and this is {}",
                        self.path(key),
                        other.kind()
                    ),
                    None,
                );
                None
            }
        });
        Some(texts.collect())
    }

    /// Returns a list whose members are strings or tables.
    pub(in crate::config) fn texts_or_tables(
        &self,
        key: &str,
    ) -> Vec<Result<Placed<&'a str>, Table<'a>>> {
        let array = self.array(key).unwrap_or_default();
        let members = array.iter().filter_map(|value| match &value.content {
            TomlContent::Text(text) => {
                Some(Ok(Placed { value: text.as_str(), at: self.span_of(value) }))
            }
            TomlContent::Table(members) => Some(Err(self.below(key, members, value.span.clone()))),
            other => {
                self.problems.error(
                    self.span_of(value),
                    format!(
                        "`{}` is a list of strings or tables, and this is {}",
                        self.path(key),
                        other.kind()
                    ),
                    None,
                );
                None
            }
        });
        members.collect()
    }

    /// Returns a string or a table.
    pub(in crate::config) fn text_or_table(
        &self,
        key: &str,
    ) -> Option<Result<Placed<&'a str>, Table<'a>>> {
        let member = self.member(key)?;
        match &member.value.content {
            TomlContent::Text(text) => {
                Some(Ok(Placed { value: text.as_str(), at: self.span_of(&member.value) }))
            }
            TomlContent::Table(members) => {
                Some(Err(self.below(key, members, member.value.span.clone())))
            }
            other => {
                self.wrong(key, "a string or a table", other.kind());
                None
            }
        }
    }

    /// Returns the members of a table of any names, each a string.
    pub(in crate::config) fn named_texts(
        &self,
        key: &str,
    ) -> Vec<(Placed<&'a str>, Placed<&'a str>)> {
        let Some(table) = self.table(key) else { return Vec::new() };
        let pairs = table.members.iter().filter_map(|member| match &member.value.content {
            TomlContent::Text(text) => {
                let name = Placed {
                    value: member.name.as_str(),
                    at: At::Span { file: self.file, span: member.span.clone() },
                };
                Some((name, Placed { value: text.as_str(), at: self.span_of(&member.value) }))
            }
            other => {
                table.wrong(&member.name, "a string", other.kind());
                None
            }
        });
        pairs.collect()
    }
}
