//! The shape of the table: the type of a key's value.

/// The keys of one table.
#[derive(Debug)]
pub(in crate::config) struct TableRule {
    pub(in crate::config) keys: &'static [KeyRule],
}

#[derive(Debug)]
pub(in crate::config) struct KeyRule {
    pub(in crate::config) name: &'static str,
    pub(in crate::config) kind: ValueKind,
    pub(in crate::config) about: &'static str,
}

/// The type of a value.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) enum ValueKind {
    Text,
    Texts,
    Flag,
    Integer,
    Number,
    /// A duration such as `"5s"`; some keys accept `"none"`.
    Duration,
    /// A size such as `"64KiB"` or a number of bytes; some keys accept `"none"`.
    Size,
    Choice(&'static [&'static str]),
    Choices(&'static [&'static str]),
    /// A number, or `"auto"`.
    Workers,
    /// A number, or `"none"`.
    CountOrNone,
    /// A list of strings or tables of this shape.
    TextsOrTables(&'static TableRule),
    Table(&'static TableRule),
    Tables(&'static TableRule),
    /// A string, or `{ env = "NAME" }`, or `{ file = "path" }`.
    Secret,
    /// A list of secrets.
    Secrets,
    /// A table of any names with strings.
    FreeTable,
}

pub(super) const fn key(name: &'static str, kind: ValueKind, about: &'static str) -> KeyRule {
    KeyRule { name, kind, about }
}
