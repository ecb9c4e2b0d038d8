//! The shape of the table: what a key's value must be, and whether its feature exists.

/// A table of the file.
#[derive(Debug)]
pub(in crate::config) struct TableRule {
    pub(in crate::config) keys: &'static [KeyRule],
}

#[derive(Debug)]
pub(in crate::config) struct KeyRule {
    pub(in crate::config) name: &'static str,
    pub(in crate::config) kind: ValueKind,
    pub(in crate::config) support: Support,
    pub(in crate::config) about: &'static str,
}

/// What a value must be.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) enum ValueKind {
    Text,
    Texts,
    Flag,
    Integer,
    Number,
    /// `"5s"`; some take `"none"`.
    Duration,
    /// `"64KiB"` or a number of bytes; some take `"none"`.
    Size,
    Choice(&'static [&'static str]),
    Choices(&'static [&'static str]),
    /// A number, or `"auto"`.
    Workers,
    /// A number, or `"none"`.
    CountOrNone,
    /// A text, or a table of this shape, each.
    TextsOrTables(&'static TableRule),
    Table(&'static TableRule),
    Tables(&'static TableRule),
    /// A text, or `{ env = "NAME" }`, or `{ file = "path" }`.
    Secret,
    /// Any names with text values.
    FreeTable,
}

/// Whether the feature behind a key exists.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) enum Support {
    Yes,
    NotYet,
    /// Only these values, which ask for nothing; `[]` and `{}` are empty ones.
    Only(&'static [&'static str]),
}

pub(super) const fn key(name: &'static str, kind: ValueKind, about: &'static str) -> KeyRule {
    KeyRule { name, kind, support: Support::Yes, about }
}

pub(super) const fn later(name: &'static str, kind: ValueKind, about: &'static str) -> KeyRule {
    KeyRule { name, kind, support: Support::NotYet, about }
}

pub(super) const fn only(
    name: &'static str,
    kind: ValueKind,
    values: &'static [&'static str],
    about: &'static str,
) -> KeyRule {
    KeyRule { name, kind, support: Support::Only(values), about }
}
