//! Reads single values: strings, numbers, durations, sizes, choices.

use std::time::Duration;

use crate::config::reader::nearest::nearest;
use crate::config::reader::table::{Placed, Table};
use crate::config::tree::TomlContent;
use crate::config::units;
use crate::model::gateway::ByteLimit;

impl<'a> Table<'a> {
    pub(in crate::config) fn text(&self, key: &str) -> Option<Placed<&'a str>> {
        self.read(key, "a string", |content| match content {
            TomlContent::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Returns a string that must be there and must not be empty.
    pub(in crate::config) fn needed(&self, key: &str) -> Option<Placed<&'a str>> {
        if !self.has(key) {
            self.problems.error(self.at(), format!("`{}` is missing", self.path(key)), None);
            return None;
        }
        let text = self.text(key)?;
        if text.value.trim().is_empty() {
            self.problems.error(text.at, format!("`{}` must not be empty", self.path(key)), None);
            return None;
        }
        Some(text)
    }

    /// Returns a string; an empty one counts as missing.
    pub(in crate::config) fn wanted(&self, key: &str) -> Option<Placed<&'a str>> {
        self.text(key).filter(|text| !text.value.is_empty())
    }

    pub(in crate::config) fn flag(&self, key: &str, default: bool) -> bool {
        let flag = self.read(key, "true or false", |content| match content {
            TomlContent::Flag(flag) => Some(*flag),
            _ => None,
        });
        flag.map_or(default, |flag| flag.value)
    }

    /// Returns a whole number in a range.
    pub(in crate::config) fn integer(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<i64>,
        default: i64,
    ) -> i64 {
        let number = self.read(key, "a whole number", |content| match content {
            TomlContent::Integer(number) => Some(number.unwrap_or(i64::MAX)),
            _ => None,
        });
        let Some(number) = number else { return default };
        if range.contains(&number.value) {
            return number.value;
        }
        self.problems.error(
            number.at,
            format!("`{}` must be from {} to {}", self.path(key), range.start(), range.end()),
            None,
        );
        default
    }

    /// Returns a number from 0 to 1.
    pub(in crate::config) fn share(&self, key: &str, default: f64) -> f64 {
        let number = self.read(key, "a number", |content| match content {
            TomlContent::Float(number) => Some(*number),
            TomlContent::Integer(Some(0)) => Some(0.0),
            TomlContent::Integer(Some(1)) => Some(1.0),
            TomlContent::Integer(_) => Some(f64::NAN),
            _ => None,
        });
        let Some(number) = number else { return default };
        if (0.0..=1.0).contains(&number.value) {
            return number.value;
        }
        self.problems.error(number.at, format!("`{}` must be from 0 to 1", self.path(key)), None);
        default
    }

    pub(in crate::config) fn duration(&self, key: &str) -> Option<Placed<Duration>> {
        let text = self.text(key)?;
        match units::duration(text.value) {
            Some(value) => Some(Placed { value, at: text.at }),
            None => {
                let message = format!("`{}` is not a duration: {:?}", self.path(key), text.value);
                self.problems.error(
                    text.at,
                    message,
                    Some("write one such as \"250ms\", \"5s\", \"1m\" or \"24h\"".into()),
                );
                None
            }
        }
    }

    /// Returns a duration longer than 0.
    pub(in crate::config) fn time(&self, key: &str, default: Duration) -> Duration {
        let Some(found) = self.duration(key) else { return default };
        if found.value.is_zero() {
            self.problems.error(
                found.at,
                format!("`{}` must be longer than 0", self.path(key)),
                None,
            );
            return default;
        }
        found.value
    }

    /// Returns a duration; `None` for `"none"`.
    pub(in crate::config) fn optional_time(
        &self,
        key: &str,
        default: Option<Duration>,
    ) -> Option<Duration> {
        if self.text(key).is_some_and(|text| text.value == "none") {
            return None;
        }
        if self.has(key) { Some(self.time(key, Duration::MAX)) } else { default }
    }

    pub(in crate::config) fn size(&self, key: &str) -> Option<Placed<ByteLimit>> {
        let found = self.read(key, "a size", |content| match content {
            TomlContent::Text(text) if text == "none" => Some(Some(ByteLimit::None)),
            TomlContent::Text(text) => Some(units::size(text).map(ByteLimit::Bytes)),
            TomlContent::Integer(number) => {
                Some(number.and_then(|number| u64::try_from(number).ok()).map(ByteLimit::Bytes))
            }
            _ => None,
        })?;
        match found.value {
            Some(value) => Some(Placed { value, at: found.at }),
            None => {
                let message = format!("`{}` is not a size", self.path(key));
                self.problems.error(
                    found.at,
                    message,
                    Some("write one such as \"64KiB\" or \"1MiB\", or a number of bytes".into()),
                );
                None
            }
        }
    }

    /// Returns a size in a range, never `"none"`.
    pub(in crate::config) fn bytes(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<u64>,
        default: u64,
    ) -> u64 {
        match self.size(key) {
            None => default,
            Some(Placed { value: ByteLimit::Bytes(bytes), .. }) if range.contains(&bytes) => bytes,
            Some(found) => {
                let message = format!(
                    "`{}` must be from {} to {} bytes",
                    self.path(key),
                    range.start(),
                    range.end()
                );
                self.problems.error(found.at, message, None);
                default
            }
        }
    }

    /// Returns a number or a string.
    pub(in crate::config) fn integer_or_text(
        &self,
        key: &str,
    ) -> Option<Placed<Result<i64, &'a str>>> {
        self.read(key, "a number or a string", |content| match content {
            TomlContent::Integer(number) => Some(Ok(number.unwrap_or(i64::MAX))),
            TomlContent::Text(text) => Some(Err(text.as_str())),
            _ => None,
        })
    }

    /// Returns one of some strings.
    pub(in crate::config) fn choice(
        &self,
        key: &str,
        words: &[&'static str],
    ) -> Option<&'static str> {
        let text = self.text(key)?;
        let found = words.iter().copied().find(|word| *word == text.value);
        if found.is_none() {
            self.not_a_choice(key, &text, words);
        }
        found
    }

    pub(in crate::config) fn not_a_choice(&self, key: &str, text: &Placed<&str>, words: &[&str]) {
        let hint = nearest(text.value, words.iter().copied())
            .map(|near| format!("did you mean {near:?}?"));
        let hint = hint.unwrap_or_else(|| {
            format!(
                "write one of {}",
                words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")
            )
        });
        self.problems.error(
            text.at.clone(),
            format!("`{}` cannot be {:?}", self.path(key), text.value),
            Some(hint),
        );
    }
}
