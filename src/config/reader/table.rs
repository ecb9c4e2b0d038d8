//! A table that is being read, and access to its members.

use std::ops::Range;

use crate::config::problems::{At, Problems};
use crate::config::tree::{TomlContent, TomlMember, TomlValue};

/// A table that is being read.
#[derive(Debug, Clone)]
pub(in crate::config) struct Table<'a> {
    pub(super) file: u16,
    /// The name that operators use: `apis.production`.
    pub(super) name: String,
    pub(super) members: &'a [TomlMember],
    pub(super) span: Range<usize>,
    pub(super) problems: &'a Problems,
}

/// A value with its place, for checks that come later.
#[derive(Debug, Clone)]
pub(in crate::config) struct Placed<T> {
    pub(in crate::config) value: T,
    pub(in crate::config) at: At,
}

impl<'a> Table<'a> {
    pub(in crate::config) fn at(&self) -> At {
        At::Span { file: self.file, span: self.span.clone() }
    }

    /// Returns the place of a key's value, or of the table if the key is missing.
    pub(in crate::config) fn at_key(&self, key: &str) -> At {
        self.member(key).map_or_else(|| self.at(), |member| self.span_of(&member.value))
    }

    pub(in crate::config) fn has(&self, key: &str) -> bool {
        self.member(key).is_some()
    }

    pub(in crate::config) fn error(&self, key: &str, message: String, hint: Option<String>) {
        self.problems.error(self.at_key(key), message, hint);
    }

    pub(in crate::config) fn problems(&self) -> &'a Problems {
        self.problems
    }

    /// Returns a key's name with the tables around it.
    pub(in crate::config) fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    pub(super) fn below(
        &self,
        key: &str,
        members: &'a [TomlMember],
        span: Range<usize>,
    ) -> Table<'a> {
        Table { file: self.file, name: self.path(key), members, span, problems: self.problems }
    }

    pub(super) fn member(&self, key: &str) -> Option<&'a TomlMember> {
        self.members.iter().find(|member| member.name == key)
    }

    pub(super) fn array(&self, key: &str) -> Option<&'a [TomlValue]> {
        let member = self.member(key)?;
        match &member.value.content {
            TomlContent::Array(values) => Some(values),
            other => {
                self.wrong(key, "a list", other.kind());
                None
            }
        }
    }

    pub(super) fn read<T>(
        &self,
        key: &str,
        wanted: &str,
        take: impl FnOnce(&'a TomlContent) -> Option<T>,
    ) -> Option<Placed<T>> {
        let member = self.member(key)?;
        match take(&member.value.content) {
            Some(value) => Some(Placed { value, at: self.span_of(&member.value) }),
            None => {
                self.wrong(key, wanted, member.value.content.kind());
                None
            }
        }
    }

    pub(super) fn span_of(&self, value: &TomlValue) -> At {
        At::Span { file: self.file, span: value.span.clone() }
    }

    pub(super) fn wrong(&self, key: &str, wanted: &str, found: &str) {
        self.error(
            key,
            format!("`{}` must be {wanted}, and this is {found}", self.path(key)),
            None,
        );
    }
}
