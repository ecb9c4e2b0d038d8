//! JSON of callers: no member twice, and faults in words that name nothing of the code.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The longest fault that is shown: a fault that repeats a value of the body can be as long as
/// that.
const MOST_FAULT: usize = 400;

/// Returns a member that stands twice in an object of this JSON text, because two readers could
/// read two bodies. Returns none for a text that is not JSON.
pub(super) fn repeated_member(text: &[u8]) -> Option<String> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let fault = OnceEach.deserialize(&mut deserializer).err()?;
    // other faults are the typed reader's to tell
    fault.is_data().then(|| told(&fault.to_string()))
}

/// Puts a reader's fault into words for callers: types of the code become those of JSON, and a long
/// value is cut.
pub(super) fn told(fault: &str) -> String {
    let mut text = fault.to_owned();
    if let Some((before, after)) = fault.split_once("expected struct ") {
        let after = after.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
        let count = after.strip_prefix(" with ").and_then(|own| own.split_once(" element"));
        let after = count.map_or(after, |(_, own)| own.trim_start_matches('s'));
        text = format!("{before}expected an object{after}");
    }
    for number in ["u32", "u64", "i64", "usize"] {
        if let Some((before, after)) = text.split_once(&format!("expected {number}")) {
            text = format!("{before}expected a whole number{after}");
        }
    }
    if text.chars().nth(MOST_FAULT).is_some() {
        text = text.chars().take(MOST_FAULT).chain("...".chars()).collect();
    }
    text
}

/// Reads any value, and fails at the first member that stands twice.
struct OnceEach;

impl<'de> DeserializeSeed<'de> for OnceEach {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OnceEach {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while sequence.next_element_seed(OnceEach)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names: HashSet<String> = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if names.contains(&name) {
                let shown: String = name.chars().take(100).collect();
                return Err(A::Error::custom(format!("`{shown}` stands there twice")));
            }
            names.insert(name);
            map.next_value_seed(OnceEach)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_stands_once_at_every_depth() {
        for good in [r#"{"a": 1, "b": {"a": 1}}"#, r#"[{"a": 1}, {"a": [true, null, -1.5]}]"#, "{"]
        {
            assert_eq!(repeated_member(good.as_bytes()), None, "{good}");
        }
        for bad in
            [r#"{"a": 1, "a": 2}"#, r#"[{"b": {"a": 1, "a": 1}}]"#, r#"{"a": 1, "\u0061": 1}"#]
        {
            let told = repeated_member(bad.as_bytes()).unwrap();
            assert!(told.starts_with("`a` stands there twice"), "{told}");
        }
    }

    #[test]
    fn a_fault_names_no_type_of_the_code() {
        for (fault, words) in [
            (
                "invalid type: null, expected struct ShopBody at line 1",
                "expected an object at line 1",
            ),
            ("invalid length 0, expected struct ShopBody with 1 element", "expected an object"),
            ("x: invalid value: integer `-1`, expected u32", "expected a whole number"),
        ] {
            let told = told(fault);
            assert!(told.ends_with(words) && !told.contains("struct"), "{told}");
        }
        assert!(told(&"x".repeat(1_000_000)).len() < 500);
    }
}
