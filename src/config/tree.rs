//! A TOML document as a tree of values with their places.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and its bytes.
#[derive(Debug, Clone)]
pub(super) struct TomlValue {
    pub(super) content: TomlContent,
    pub(super) span: Range<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum TomlContent {
    Text(String),
    /// `None` if the number does not fit into 64 bits.
    Integer(Option<i64>),
    Float(f64),
    Flag(bool),
    DateTime,
    Array(Vec<TomlValue>),
    Table(Vec<TomlMember>),
}

#[derive(Debug, Clone)]
pub(super) struct TomlMember {
    pub(super) name: String,
    /// The bytes of the name.
    pub(super) span: Range<usize>,
    pub(super) value: TomlValue,
}

impl TomlContent {
    /// Returns the name of the type, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::DateTime => "a date",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Returns the tree of a document.
pub(super) fn table(table: &DeTable<'_>) -> Vec<TomlMember> {
    let members = table.iter().map(|(key, content)| TomlMember {
        name: key.get_ref().to_string(),
        span: key.span(),
        value: value(content),
    });
    members.collect()
}

fn value(spanned: &Spanned<DeValue<'_>>) -> TomlValue {
    let content = match spanned.get_ref() {
        DeValue::String(text) => TomlContent::Text(text.to_string()),
        DeValue::Integer(integer) => {
            TomlContent::Integer(i64::from_str_radix(integer.as_str(), integer.radix()).ok())
        }
        DeValue::Float(float) => TomlContent::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => TomlContent::Flag(*flag),
        DeValue::Datetime(_) => TomlContent::DateTime,
        DeValue::Array(array) => TomlContent::Array(array.iter().map(value).collect()),
        DeValue::Table(inner) => TomlContent::Table(table(inner)),
    };
    TomlValue { content, span: spanned.span() }
}
