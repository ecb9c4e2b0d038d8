//! JSON text into a [`JsonValue`] tree, strictly: UTF-8 without a byte order mark, one object,
//! bounded depth and width.
//!
//! It reads each text once. Repeated member names are kept. So the caller can refuse a token for
//! them, and only a single key of a set.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use crate::jwt::value::{self, JsonValue, Members, Number};

/// The reason why a text is not the expected JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    #[error("not UTF-8")]
    NotUtf8,
    #[error("not JSON, seen at line {line} column {column}")]
    Syntax { line: usize, column: usize },
    #[error(
        "nested deeper than {MAX_DEPTH} levels, or more than {MAX_WIDTH} members in one object or \
         array"
    )]
    OverLimit,
    #[error("not an object")]
    NotAnObject,
    #[error("a member is named twice")]
    DuplicateMember,
}

/// Reads one object; names given twice are the caller's matter.
pub(super) fn read_object(text: &[u8]) -> Result<Members, JsonFault> {
    let text = std::str::from_utf8(text).map_err(|_| JsonFault::NotUtf8)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let tree =
        ValueSeed { depth: 1 }.deserialize(&mut deserializer).map_err(|error| fault(&error))?;
    deserializer.end().map_err(|error| fault(&error))?;
    match tree {
        JsonValue::Object(members) => Ok(members),
        _ => Err(JsonFault::NotAnObject),
    }
}

/// Reads one object in which no object at any depth names a member twice.
pub(super) fn read_strict_object(text: &[u8]) -> Result<Members, JsonFault> {
    let members = read_object(text)?;
    if members.repeats_a_member() { Err(JsonFault::DuplicateMember) } else { Ok(members) }
}

/// The parser's own message may quote the text, so only the position is kept.
fn fault(error: &serde_json::Error) -> JsonFault {
    match error.classify() {
        Category::Data => JsonFault::OverLimit,
        Category::Io | Category::Syntax | Category::Eof => {
            JsonFault::Syntax { line: error.line(), column: error.column() }
        }
    }
}

/// A value that is read inside `depth - 1` objects and arrays.
struct ValueSeed {
    depth: usize,
}

impl ValueSeed {
    fn child<E: Error>(&self) -> Result<usize, E> {
        if self.depth <= MAX_DEPTH { Ok(self.depth + 1) } else { Err(E::custom("too deep")) }
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = JsonValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<JsonValue, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = JsonValue;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<JsonValue, E> {
        Ok(JsonValue::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<JsonValue, E> {
        Ok(JsonValue::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<JsonValue, E> {
        Ok(JsonValue::Number(Number::Unsigned(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<JsonValue, E> {
        Ok(JsonValue::Number(
            u64::try_from(value).map_or(Number::Negative(value), Number::Unsigned),
        ))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<JsonValue, E> {
        if value.is_finite() {
            Ok(JsonValue::Number(Number::Float(value)))
        } else {
            Err(E::custom("not finite"))
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<JsonValue, E> {
        Ok(JsonValue::String(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<JsonValue, A::Error> {
        let depth = self.child()?;
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element_seed(ValueSeed { depth })? {
            if elements.len() == MAX_WIDTH {
                return Err(A::Error::custom("too many elements"));
            }
            elements.push(element);
        }
        Ok(JsonValue::Array(elements.into_boxed_slice()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonValue, A::Error> {
        let depth = self.child()?;
        let mut members = Vec::with_capacity(USUAL_WIDTH);
        while let Some(name) = map.next_key_seed(MemberNameSeed)? {
            if members.len() == MAX_WIDTH {
                return Err(A::Error::custom("too many members"));
            }
            members.push((name, map.next_value_seed(ValueSeed { depth })?));
        }
        Ok(JsonValue::Object(Members::new(members)))
    }
}

/// A member's name.
struct MemberNameSeed;

impl<'de> DeserializeSeed<'de> for MemberNameSeed {
    type Value = value::Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<value::Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for MemberNameSeed {
    type Value = value::Name;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<value::Name, E> {
        Ok(value::name(name))
    }
}

/// Far deeper than any token or key set, and far less than the parser's stack holds.
const MAX_DEPTH: usize = 32;

/// The usual number of members, reserved at once so that reading does not move them.
const USUAL_WIDTH: usize = 16;

/// The most members of one object, or elements of one array.
const MAX_WIDTH: usize = 4096;
