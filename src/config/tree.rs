//! A TOML document as a tree of values with their places.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and the bytes that it stands in.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) content: Content,
    pub(super) span: Range<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    Text(String),
    /// `None`: beyond 64 bits.
    Integer(Option<i64>),
    Float(f64),
    Flag(bool),
    DateTime,
    Array(Vec<Value>),
    Table(Vec<Member>),
}

#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) name: String,
    /// Of the name.
    pub(super) span: Range<usize>,
    pub(super) value: Value,
}

impl Content {
    /// What an operator calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::DateTime => "a date",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// The tree of a document.
pub(super) fn table(table: &DeTable<'_>) -> Vec<Member> {
    let members = table.iter().map(|(key, content)| Member {
        name: key.get_ref().to_string(),
        span: key.span(),
        value: value(content),
    });
    members.collect()
}

fn value(spanned: &Spanned<DeValue<'_>>) -> Value {
    let content = match spanned.get_ref() {
        DeValue::String(text) => Content::Text(text.to_string()),
        DeValue::Integer(integer) => {
            Content::Integer(i64::from_str_radix(integer.as_str(), integer.radix()).ok())
        }
        DeValue::Float(float) => Content::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Content::Flag(*flag),
        DeValue::Datetime(_) => Content::DateTime,
        DeValue::Array(array) => Content::Array(array.iter().map(value).collect()),
        DeValue::Table(inner) => Content::Table(table(inner)),
    };
    Value { content, span: spanned.span() }
}
