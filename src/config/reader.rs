//! Typed values out of the tree. What is wrong is remembered and reading goes on, so that all errors come at once.

use std::ops::Range;
use std::time::Duration;

use crate::config::contract::{KeyRule, Support, TableRule, ValueKind};
use crate::config::problems::Problems;
use crate::config::report::At;
use crate::config::tree::{TomlContent, TomlMember, TomlValue};
use crate::config::units;
use crate::model::gateway::ByteLimit;

/// A table that is being read.
#[derive(Debug, Clone)]
pub(super) struct Table<'a> {
    file: u16,
    /// As an operator would name it: `apis.production`.
    name: String,
    members: &'a [TomlMember],
    span: Range<usize>,
    problems: &'a Problems,
}

/// A value with its place, for checks that come later.
#[derive(Debug, Clone)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) at: At,
}

impl<'a> Table<'a> {
    /// The top of a file. Every name below it is checked against the contract, once.
    pub(super) fn root(
        file: u16,
        members: &'a [TomlMember],
        rule: &TableRule,
        problems: &'a Problems,
    ) -> Self {
        let root = Self { file, name: String::new(), members, span: 0..0, problems };
        root.check_names(rule);
        root
    }

    fn check_names(&self, rule: &TableRule) {
        for member in self.members {
            match rule.keys.iter().find(|key| key.name == member.name) {
                Some(key) => {
                    if self.is_supported(key, member) {
                        self.check_below(key, member);
                    }
                }
                None => self.unknown(member, rule),
            }
        }
    }

    fn check_below(&self, key: &KeyRule, member: &'a TomlMember) {
        let below = |rule: &TableRule, value: &'a TomlValue| {
            if let TomlContent::Table(members) = &value.content {
                self.below(key.name, members, value.span.clone()).check_names(rule);
            }
        };
        match (key.kind, &member.value.content) {
            (ValueKind::Table(rule), TomlContent::Table(_)) => below(rule, &member.value),
            (
                ValueKind::Tables(rule) | ValueKind::TextsOrTables(rule),
                TomlContent::Array(values),
            ) => {
                for value in values {
                    below(rule, value);
                }
            }
            _ => {}
        }
    }

    fn below(&self, key: &str, members: &'a [TomlMember], span: Range<usize>) -> Table<'a> {
        Table { file: self.file, name: self.path(key), members, span, problems: self.problems }
    }

    pub(super) fn at(&self) -> At {
        At::Span { file: self.file, span: self.span.clone() }
    }

    /// The place of a key's value, or of the table when the key is not written.
    pub(super) fn at_key(&self, key: &str) -> At {
        self.member(key).map_or_else(|| self.at(), |member| self.span_of(&member.value))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.member(key).is_some()
    }

    pub(super) fn error(&self, key: &str, message: String, hint: Option<String>) {
        self.problems.error(self.at_key(key), message, hint);
    }

    pub(super) fn problems(&self) -> &'a Problems {
        self.problems
    }

    pub(super) fn text(&self, key: &str) -> Option<Placed<&'a str>> {
        self.read(key, "a text", |content| match content {
            TomlContent::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A text that must be there and not be empty.
    pub(super) fn needed(&self, key: &str) -> Option<Placed<&'a str>> {
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

    /// A text that counts as not written when it is empty.
    pub(super) fn wanted(&self, key: &str) -> Option<Placed<&'a str>> {
        self.text(key).filter(|text| !text.value.is_empty())
    }

    pub(super) fn flag(&self, key: &str, default: bool) -> bool {
        let flag = self.read(key, "true or false", |content| match content {
            TomlContent::Flag(flag) => Some(*flag),
            _ => None,
        });
        flag.map_or(default, |flag| flag.value)
    }

    /// A whole number in a range.
    pub(super) fn integer(
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

    /// A number from 0 to 1.
    pub(super) fn share(&self, key: &str, default: f64) -> f64 {
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

    pub(super) fn duration(&self, key: &str) -> Option<Placed<Duration>> {
        let text = self.text(key)?;
        match units::duration(text.value) {
            Some(value) => Some(Placed { value, at: text.at }),
            None => {
                let message = format!("`{}` is not a duration: {:?}", self.path(key), text.value);
                self.problems.error(
                    text.at,
                    message,
                    Some("durations are \"250ms\", \"5s\", \"1m\", \"24h\"".into()),
                );
                None
            }
        }
    }

    /// A duration that must be longer than nothing.
    pub(super) fn time(&self, key: &str, default: Duration) -> Duration {
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

    /// A duration, or `"none"`.
    pub(super) fn optional_time(&self, key: &str, default: Option<Duration>) -> Option<Duration> {
        if self.text(key).is_some_and(|text| text.value == "none") {
            return None;
        }
        if self.has(key) { Some(self.time(key, Duration::MAX)) } else { default }
    }

    pub(super) fn size(&self, key: &str) -> Option<Placed<ByteLimit>> {
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
                    Some("sizes are \"64KiB\", \"1MiB\", or a number of bytes".into()),
                );
                None
            }
        }
    }

    /// A size in a range, never `"none"`.
    pub(super) fn bytes(
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

    pub(super) fn texts(&self, key: &str) -> Option<Vec<Placed<&'a str>>> {
        let array = self.array(key)?;
        let texts = array.iter().filter_map(|value| match &value.content {
            TomlContent::Text(text) => {
                Some(Placed { value: text.as_str(), at: self.span_of(value) })
            }
            other => {
                self.problems.error(
                    self.span_of(value),
                    format!(
                        "`{}` is a list of texts, and this is {}",
                        self.path(key),
                        other.kind()
                    ),
                    None,
                );
                None
            }
        });
        Some(texts.collect())
    }

    /// One of some words.
    pub(super) fn choice(&self, key: &str, words: &[&'static str]) -> Option<&'static str> {
        let text = self.text(key)?;
        let found = words.iter().copied().find(|word| *word == text.value);
        if found.is_none() {
            self.not_a_choice(key, &text, words);
        }
        found
    }

    pub(super) fn not_a_choice(&self, key: &str, text: &Placed<&str>, words: &[&str]) {
        let hint = nearest(text.value, words.iter().copied())
            .map(|near| format!("did you mean {near:?}?"));
        let hint = hint.unwrap_or_else(|| {
            format!(
                "one of {}",
                words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")
            )
        });
        self.problems.error(
            text.at.clone(),
            format!("`{}` cannot be {:?}", self.path(key), text.value),
            Some(hint),
        );
    }

    pub(super) fn table(&self, key: &str) -> Option<Table<'a>> {
        let member = self.member(key)?;
        match &member.value.content {
            TomlContent::Table(members) => {
                Some(self.below(key, members, member.value.span.clone()))
            }
            other => {
                self.wrong(key, "a table", other.kind());
                None
            }
        }
    }

    pub(super) fn tables(&self, key: &str) -> Vec<Table<'a>> {
        let array = self.array(key).unwrap_or_default();
        let tables = array.iter().filter_map(|value| match &value.content {
            TomlContent::Table(members) => Some(self.below(key, members, value.span.clone())),
            other => {
                self.problems.error(
                    self.span_of(value),
                    format!(
                        "`{}` is a list of tables, and this is {}",
                        self.path(key),
                        other.kind()
                    ),
                    None,
                );
                None
            }
        });
        tables.collect()
    }

    /// A list whose members are texts or tables.
    pub(super) fn texts_or_tables(&self, key: &str) -> Vec<Result<Placed<&'a str>, Table<'a>>> {
        let array = self.array(key).unwrap_or_default();
        let members = array.iter().filter_map(|value| match &value.content {
            TomlContent::Text(text) => {
                Some(Ok(Placed { value: text.as_str(), at: self.span_of(value) }))
            }
            TomlContent::Table(members) => Some(Err(self.below(key, members, value.span.clone()))),
            other => {
                self.problems.error(
                    self.span_of(value),
                    format!(
                        "`{}` takes texts and tables, and this is {}",
                        self.path(key),
                        other.kind()
                    ),
                    None,
                );
                None
            }
        });
        members.collect()
    }

    /// A text, or a table.
    pub(super) fn text_or_table(&self, key: &str) -> Option<Result<Placed<&'a str>, Table<'a>>> {
        let member = self.member(key)?;
        match &member.value.content {
            TomlContent::Text(text) => {
                Some(Ok(Placed { value: text.as_str(), at: self.span_of(&member.value) }))
            }
            TomlContent::Table(members) => {
                Some(Err(self.below(key, members, member.value.span.clone())))
            }
            other => {
                self.wrong(key, "a text or a table", other.kind());
                None
            }
        }
    }

    /// A number or a word.
    pub(super) fn integer_or_text(&self, key: &str) -> Option<Placed<Result<i64, &'a str>>> {
        self.read(key, "a number or a text", |content| match content {
            TomlContent::Integer(number) => Some(Ok(number.unwrap_or(i64::MAX))),
            TomlContent::Text(text) => Some(Err(text.as_str())),
            _ => None,
        })
    }

    /// The members of a table of any names, each a text.
    pub(super) fn named_texts(&self, key: &str) -> Vec<(Placed<&'a str>, Placed<&'a str>)> {
        let Some(table) = self.table(key) else { return Vec::new() };
        let pairs = table.members.iter().filter_map(|member| match &member.value.content {
            TomlContent::Text(text) => {
                let name = Placed {
                    value: member.name.as_str(),
                    at: At::Span { file: self.file, span: member.span.clone() },
                };
                Some((name, Placed { value: text.as_str(), at: self.span_of(&member.value) }))
            }
            other => {
                table.wrong(&member.name, "a text", other.kind());
                None
            }
        });
        pairs.collect()
    }

    /// The name of a key with the tables around it.
    pub(super) fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn array(&self, key: &str) -> Option<&'a [TomlValue]> {
        let member = self.member(key)?;
        match &member.value.content {
            TomlContent::Array(values) => Some(values),
            other => {
                self.wrong(key, "a list", other.kind());
                None
            }
        }
    }

    fn read<T>(
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

    fn member(&self, key: &str) -> Option<&'a TomlMember> {
        self.members.iter().find(|member| member.name == key)
    }

    fn span_of(&self, value: &TomlValue) -> At {
        At::Span { file: self.file, span: value.span.clone() }
    }

    fn wrong(&self, key: &str, wanted: &str, found: &str) {
        self.error(
            key,
            format!("`{}` must be {wanted}, and this is {found}", self.path(key)),
            None,
        );
    }

    fn unknown(&self, member: &TomlMember, rule: &TableRule) {
        let near = nearest(&member.name, rule.keys.iter().map(|key| key.name));
        let hint = near.map_or_else(|| self.known(rule), |near| format!("did you mean `{near}`?"));
        let at = At::Span { file: self.file, span: member.span.clone() };
        self.problems.error(at, format!("`{}` is not a key", self.path(&member.name)), Some(hint));
    }

    fn known(&self, rule: &TableRule) -> String {
        let names: Vec<_> = rule.keys.iter().map(|key| key.name).collect();
        let place = if self.name.is_empty() {
            "the top of the file".to_owned()
        } else {
            format!("[{}]", self.name)
        };
        format!("{place} takes {}", names.join(", "))
    }

    fn is_supported(&self, key: &KeyRule, member: &TomlMember) -> bool {
        let supported = match key.support {
            Support::Yes => true,
            Support::NotYet => false,
            Support::Only(values) => values.contains(&shown(&member.value.content).as_str()),
        };
        if supported {
            return true;
        }
        let path = self.path(&member.name);
        let (message, hint) = match key.support {
            Support::Only(values) if !matches!(key.kind, ValueKind::FreeTable) => {
                let found = shown(&member.value.content);
                (
                    format!("`{path}` = {found} is not supported yet"),
                    format!("only {} can be written today, or nothing", values.join(" and ")),
                )
            }
            _ => (
                format!("`{path}` is not supported yet"),
                "take it out: it would protect nothing".to_owned(),
            ),
        };
        let at = At::Span { file: self.file, span: member.span.clone() };
        self.problems.error(at, message, Some(hint));
        false
    }
}

/// A value as the contract writes it.
fn shown(content: &TomlContent) -> String {
    match content {
        TomlContent::Text(text) => text.clone(),
        TomlContent::Flag(flag) => flag.to_string(),
        TomlContent::Integer(number) => {
            number.map_or_else(String::new, |number| number.to_string())
        }
        TomlContent::Float(number) => number.to_string(),
        TomlContent::DateTime => String::new(),
        TomlContent::Array(values) => {
            let parts: Vec<_> =
                values.iter().map(|value| format!("\"{}\"", shown(&value.content))).collect();
            format!("[{}]", parts.join(", "))
        }
        TomlContent::Table(members) if members.is_empty() => "{}".to_owned(),
        TomlContent::Table(members) => {
            let parts: Vec<_> = members
                .iter()
                .map(|member| format!("{} = \"{}\"", member.name, shown(&member.value.content)))
                .collect();
            format!("{{ {} }}", parts.join(", "))
        }
    }
}

/// The word that was probably meant.
pub(super) fn nearest<'w>(written: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    const CLOSE: f64 = 0.75;
    let score = |word: &str| {
        let (one, two) = (written.to_ascii_lowercase(), word.to_ascii_lowercase());
        // short names differ by much of themselves when they differ by one letter
        if strsim::damerau_levenshtein(&one, &two) <= 1 {
            1.0
        } else {
            strsim::jaro_winkler(&one, &two)
        }
    };
    let scored = words.map(|word| (score(word), word));
    scored
        .filter(|(score, _)| *score >= CLOSE)
        .max_by(|one, two| one.0.total_cmp(&two.0))
        .map(|(_, word)| word)
}
