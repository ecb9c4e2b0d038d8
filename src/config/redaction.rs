//! Keeps secrets out of reports, which show lines of the file and go to terminals, logs and
//! replies.
//!
//! A value is secret if the contract says so, or if the contract does not know its key (it may be a
//! misspelled `password`). It is also secret if it looks like one: an address with credentials, a
//! private key, a password hash.

use std::borrow::Cow;
use std::ops::Range;

use crate::config::contract::{TableRule, ValueKind};
use crate::config::tree::{TomlContent, TomlMember, TomlValue};

/// The replacement of a secret.
const HIDDEN: &str = "***";

/// Parts of key names that suggest a secret.
const SECRET_NAMES: [&str; 8] =
    ["pass", "pwd", "secret", "credential", "hash", "token", "private", "auth"];

/// Returns the places of the secrets in a document, in order.
pub(super) fn secrets(members: &[TomlMember], rule: &TableRule) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    table(members, Some(rule), &mut found);
    found.sort_by_key(|range| range.start);
    found
}

fn table(members: &[TomlMember], rule: Option<&TableRule>, found: &mut Vec<Range<usize>>) {
    for member in members {
        let known = rule.and_then(|rule| rule.keys.iter().find(|key| key.name == member.name));
        let secret = match known.map(|key| key.kind) {
            Some(ValueKind::Secret | ValueKind::Secrets) => true,
            // the value may be a password that stands where its table is expected
            Some(ValueKind::Table(rule) | ValueKind::Tables(rule)) => holds_secrets(rule),
            Some(_) => false,
            // an unknown key may be a misspelled one
            None => rule.is_some() || sounds_secret(&member.name),
        };
        let below = known.and_then(|key| match key.kind {
            ValueKind::Table(rule) | ValueKind::Tables(rule) | ValueKind::TextsOrTables(rule) => {
                Some(rule)
            }
            _ => None,
        });
        value(&member.value, secret, below, found);
    }
}

fn value(node: &TomlValue, secret: bool, below: Option<&TableRule>, found: &mut Vec<Range<usize>>) {
    match &node.content {
        TomlContent::Text(text) if secret || looks_secret(text) => found.push(node.span.clone()),
        // the value may be a password without quotes
        TomlContent::Integer(_) | TomlContent::Float(_) if secret => {
            found.push(node.span.clone());
        }
        TomlContent::Array(values) => {
            for element in values {
                value(element, secret, below, found);
            }
        }
        TomlContent::Table(members) => table(members, below, found),
        _ => {}
    }
}

fn holds_secrets(rule: &TableRule) -> bool {
    rule.keys.iter().any(|key| matches!(key.kind, ValueKind::Secret | ValueKind::Secrets))
}

fn sounds_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

fn looks_secret(text: &str) -> bool {
    text.contains("PRIVATE KEY") || text.starts_with("$argon2") || !userinfo(text).is_empty()
}

/// Returns a line with its secrets hidden, and the span in it, moved accordingly.
pub(super) fn hide(
    line: &str,
    secrets: impl Iterator<Item = Range<usize>>,
    span: Range<usize>,
) -> (String, Range<usize>) {
    let mut hidden = String::with_capacity(line.len());
    let (mut from, mut start, mut end) = (0, span.start, span.end);
    for secret in secrets {
        let secret = secret.start.min(line.len())..secret.end.min(line.len());
        if secret.start < from || secret.is_empty() {
            continue;
        }
        hidden.push_str(line.get(from..secret.start).unwrap_or_default());
        let at = hidden.len();
        hidden.push_str(HIDDEN);
        from = secret.end;
        // a span inside the secret gets its edges; a span after it is moved
        start = if span.start >= secret.end {
            hidden.len().saturating_add(span.start.saturating_sub(secret.end))
        } else if span.start >= secret.start {
            at
        } else {
            start
        };
        end = if span.end >= secret.end {
            hidden.len().saturating_add(span.end.saturating_sub(secret.end))
        } else if span.end > secret.start {
            hidden.len()
        } else {
            end
        };
    }
    hidden.push_str(line.get(from..).unwrap_or_default());
    let end = end.min(hidden.len());
    (hidden, start.min(end)..end)
}

/// Returns the places of all strings of a line. In a file that is not TOML, any of them may be a
/// secret.
pub(super) fn strings(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut open: Option<(usize, char)> = None;
    let mut escaped = false;
    for (at, character) in line.char_indices() {
        match open {
            None if character == '#' => break,
            None if matches!(character, '"' | '\'') => open = Some((at, character)),
            Some((_, '"')) if character == '\\' && !escaped => {
                escaped = true;
                continue;
            }
            Some((start, quote)) if character == quote && !escaped => {
                found.push(start..at.saturating_add(1));
                open = None;
            }
            _ => {}
        }
        escaped = false;
    }
    if found.is_empty() && open.is_none() && !line.contains('=') {
        // the line may be part of a string over several lines
        let table = line.trim_start().starts_with(['[', '#']);
        let whole = std::iter::once(0..line.len());
        return if table { found } else { whole.collect() };
    }
    // a string without an end reaches to the end of the line; a value without quotes may be a
    // secret too
    let rest = open.map(|(start, _)| start).or_else(|| bare_value(line));
    found.extend(rest.map(|start| start..line.len()));
    found.sort_by_key(|range| range.start);
    found
}

/// Returns the start of a value without quotes.
fn bare_value(line: &str) -> Option<usize> {
    let at = line.find('=')?.saturating_add(1);
    let value = line.get(at..)?.trim_start();
    let begins_otherwise = value.starts_with(['"', '\'', '[', '{']) || value.is_empty();
    (!begins_otherwise).then(|| line.len().saturating_sub(value.len()))
}

/// Returns a message without the credentials in its addresses, and without a key in the place of a
/// file name.
pub(super) fn message(text: &str) -> Cow<'_, str> {
    if let Some((before, _)) = text.split_once("-----BEGIN") {
        return Cow::Owned(format!(
            "{before}{HIDDEN} is a key, but the name of a file with the key is expected"
        ));
    }
    let found = userinfo(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(hide(text, found.into_iter(), 0..0).0)
}

/// Returns the places of the text between `://` and `@`.
fn userinfo(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find("://")) {
        let start = from.saturating_add(at).saturating_add(3);
        let authority = text.get(start..).unwrap_or_default();
        let length = authority
            .find(|character: char| "/?#\"' ".contains(character) || character.is_control())
            .unwrap_or(authority.len());
        let authority = authority.get(..length).unwrap_or_default();
        if let Some(length) = authority.rfind('@').filter(|length| *length > 0) {
            found.push(start..start.saturating_add(length));
        }
        from = start;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_addresses() {
        for (text, shown) in [
            (
                "\"http://user:pass@host/x\" is not an address",
                "\"http://***@host/x\" is not an address",
            ),
            ("redis://:s3cr@t@h:x and ftp://a@b", "redis://***@h:x and ftp://***@b"),
            ("https://host/a@b", "https://host/a@b"),
            ("no address", "no address"),
        ] {
            assert_eq!(message(text), shown);
        }
    }

    #[test]
    fn spans_follow_what_is_hidden() {
        let line = "a = { b = \"secret\", c = 1 }";
        let secret = line.find('"').unwrap()..line.rfind('"').unwrap() + 1;
        for what in ["a =", "c = 1", "= {"] {
            let at = line.find(what).unwrap();
            let (hidden, span) = hide(line, std::iter::once(secret.clone()), at..at + what.len());
            assert_eq!(hidden, "a = { b = ***, c = 1 }");
            assert_eq!(&hidden[span], what);
        }
        let (hidden, span) = hide(line, std::iter::once(secret.clone()), secret);
        assert_eq!(&hidden[span], HIDDEN);
    }

    #[test]
    fn all_strings_of_a_broken_line_are_hidden() {
        for (line, shown) in [
            ("password = \"s3cret\" x", "password = *** x"),
            ("password = \"s3cret", "password = ***"),
            ("password = s3cret", "password = ***"),
            ("a = 'x', b = \"y\\\"z\" # \"comment", "a = ***, b = *** # \"comment"),
            ("[[apis]", "[[apis]"),
            ("s3cret", "***"),
        ] {
            assert_eq!(hide(line, strings(line).into_iter(), 0..0).0, shown);
        }
    }
}
