//! JSON as `serde_json` reads it, beside ours: what the targets of tokens, answers and proofs compare.

use std::collections::HashSet;
use std::fmt;

use portcullis::jwt::{JsonValue, Number};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

pub(crate) fn as_theirs(value: &JsonValue) -> serde_json::Value {
    match value {
        JsonValue::Null => serde_json::Value::Null,
        JsonValue::Bool(flag) => (*flag).into(),
        JsonValue::Number(Number::Unsigned(number)) => (*number).into(),
        JsonValue::Number(Number::Negative(number)) => (*number).into(),
        JsonValue::Number(Number::Float(number)) => (*number).into(),
        JsonValue::String(text) => (**text).into(),
        JsonValue::Array(elements) => elements.iter().map(as_theirs).collect(),
        JsonValue::Object(members) => {
            members.iter().map(|(name, value)| (name.to_owned(), as_theirs(value))).collect()
        }
    }
}

/// More levels or members than are read.
pub(crate) fn is_over_limit(tree: &serde_json::Value) -> bool {
    depth(tree) > 31 || width(tree) > 4096
}

fn depth(tree: &serde_json::Value) -> usize {
    match tree {
        serde_json::Value::Array(elements) => {
            1 + elements.iter().map(depth).max().unwrap_or_default()
        }
        serde_json::Value::Object(members) => {
            1 + members.values().map(depth).max().unwrap_or_default()
        }
        _ => 0,
    }
}

fn width(tree: &serde_json::Value) -> usize {
    match tree {
        serde_json::Value::Array(elements) => {
            elements.iter().map(width).max().unwrap_or_default().max(elements.len())
        }
        serde_json::Value::Object(members) => {
            members.values().map(width).max().unwrap_or_default().max(members.len())
        }
        _ => 0,
    }
}

/// Whether an object of a text names a member twice, which a map of names has forgotten; `None` for what is not JSON.
pub(crate) fn repeats(text: &[u8]) -> Option<bool> {
    serde_json::from_slice::<Shape>(text).ok().map(|shape| shape.repeats)
}

struct Shape {
    repeats: bool,
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape { repeats: false })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape { repeats: false })
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape { repeats: false })
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape { repeats: false })
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape { repeats: false })
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape { repeats: false })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Shape, A::Error> {
        let mut repeats = false;
        while let Some(element) = elements.next_element::<Shape>()? {
            repeats |= element.repeats;
        }
        Ok(Shape { repeats })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Shape, A::Error> {
        let (mut names, mut repeats) = (HashSet::new(), false);
        while let Some((name, value)) = members.next_entry::<String, Shape>()? {
            repeats |= value.repeats || !names.insert(name);
        }
        Ok(Shape { repeats })
    }
}
