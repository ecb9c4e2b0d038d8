//! Refuses a list in the place of an object of a body: the derived readers take its elements for
//! the values of the object's fields.

use std::fmt;
use std::rc::Rc;

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

/// Returns the name of the first field of a body that holds a list for an object; of the body
/// itself, an empty one. `body` is one that `T` can be read from.
pub(super) fn listed_field<T: DeserializeOwned>(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    T::deserialize(PlainValue { value: &body, place: Rc::default() }).err()?.0
}

/// A value, with its place in the body.
#[derive(Clone)]
struct PlainValue<'de> {
    value: &'de Value,
    place: Rc<FieldPlace<'de>>,
}

/// The way to a value. Most values are in their place, so names are put together for a fault only.
#[derive(Default)]
enum FieldPlace<'de> {
    #[default]
    Body,
    Member(Rc<FieldPlace<'de>>, &'de str),
    Element(Rc<FieldPlace<'de>>, usize),
}

impl fmt::Display for FieldPlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => Ok(()),
            Self::Member(before, name) => match **before {
                Self::Body => f.write_str(name),
                _ => write!(f, "{before}.{name}"),
            },
            Self::Element(before, number) => write!(f, "{before}[{number}]"),
        }
    }
}

/// The field with a list; `None` for another fault, which the first reading would have found.
#[derive(Debug)]
struct ListedField(Option<String>);

impl fmt::Display for ListedField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list in place of an object")
    }
}

impl std::error::Error for ListedField {}

impl Error for ListedField {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(None)
    }
}

impl<'de> IntoDeserializer<'de, ListedField> for PlainValue<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for PlainValue<'de> {
    type Error = ListedField;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ListedField> {
        let place = &self.place;
        match self.value {
            Value::Array(list) => {
                let element = |(number, value)| {
                    let place = Rc::new(FieldPlace::Element(Rc::clone(place), number));
                    PlainValue { value, place }
                };
                visitor.visit_seq(SeqDeserializer::new(list.iter().enumerate().map(element)))
            }
            Value::Object(members) => {
                let member = |(name, value): (&'de String, &'de Value)| {
                    let place = Rc::new(FieldPlace::Member(Rc::clone(place), name));
                    (name.as_str(), PlainValue { value, place })
                };
                visitor.visit_map(MapDeserializer::new(members.iter().map(member)))
            }
            plain => plain.deserialize_any(visitor).map_err(ListedField::custom),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ListedField> {
        if self.value.is_array() {
            return Err(ListedField(Some(self.place.to_string())));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ListedField> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ListedField> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ListedField> {
        match self.value {
            Value::String(name) => visitor.visit_enum(name.as_str().into_deserializer()),
            Value::Object(members) => {
                let place = &self.place;
                let member = |(name, value): (&'de String, &'de Value)| {
                    let place = Rc::new(FieldPlace::Member(Rc::clone(place), name));
                    (name.as_str(), PlainValue { value, place })
                };
                let members = MapDeserializer::new(members.iter().map(member));
                visitor.visit_enum(MapAccessDeserializer::new(members))
            }
            _ => Err(ListedField(None)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code, reason = "read only")]
    struct Outer {
        one: Option<Inner>,
        many: Option<Vec<Inner>>,
        named: Option<HashMap<String, Inner>>,
        choice: Option<Choice>,
        loose: Option<Value>,
        pair: Option<(u8, u8)>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code, reason = "read only")]
    struct Inner {
        a: u8,
        b: Option<String>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code, reason = "read only")]
    enum Choice {
        Plain,
        With(Inner),
    }

    #[test]
    fn a_list_in_place_of_an_object_is_named_wherever_it_is() {
        for (body, field) in [
            (r#"{"one": {"a": 1}, "many": [{"a": 1, "b": null}], "pair": [1, 2]}"#, None),
            (r#"{"named": {"x": {"a": 1}}, "choice": "Plain", "loose": [[1], {}]}"#, None),
            (r#"{"choice": {"With": {"a": 1}}}"#, None),
            (r#"{"one": [1, "b"]}"#, Some("one")),
            (r#"{"many": [{"a": 1}, [2, null]]}"#, Some("many[1]")),
            (r#"{"named": {"x": [1, null]}}"#, Some("named.x")),
            (r#"{"choice": {"With": [1, null]}}"#, Some("choice.With")),
            ("[null, null, null, null, null, null]", Some("")),
        ] {
            serde_json::from_str::<Outer>(body).unwrap();
            assert_eq!(listed_field::<Outer>(body.as_bytes()).as_deref(), field, "{body}");
        }
        let list = br#"[{"a": 1}, [1, null]]"#;
        assert_eq!(listed_field::<Vec<Inner>>(list).as_deref(), Some("[1]"));
    }
}
