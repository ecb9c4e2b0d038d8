//! How strangers' words are shown in TOML: quoted, printable, and short where nobody copies them.
//!
//! What stands behind a `#` ends with its line, so no word from outside may end one.

use std::fmt::Write;

/// A name from a token or a document, between quotes, for reading.
pub(super) fn shown(name: &str) -> String {
    let mut text: String = name
        .chars()
        .take(MOST_SHOWN)
        .map(|character| if is_plain(character) { character } else { '?' })
        .collect();
    if name.chars().nth(MOST_SHOWN).is_some() {
        text.push_str("...");
    }
    format!("\"{text}\"")
}

/// A TOML basic string.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len().saturating_add(2));
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            character if character == ' ' || character.is_ascii_graphic() => quoted.push(character),
            character => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(character));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// Prose as lines of a comment: the first behind `head`, the others below it.
pub(super) fn comment(head: &str, prose: &str) -> String {
    let indent = " ".repeat(head.len());
    let (mut text, mut line, mut words) = (String::new(), head.to_owned(), 0);
    for word in prose.split_whitespace() {
        if words > 0 && line.len() + word.len() >= WIDTH {
            let _ = writeln!(text, "# {line}");
            line.clone_from(&indent);
        } else if words > 0 {
            line.push(' ');
        }
        line.push_str(word);
        words += 1;
    }
    let _ = writeln!(text, "# {}", line.trim_end());
    text
}

/// Seconds in the unit that people would use.
pub(super) fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..120 => (seconds, "s"),
        120..7200 => (seconds / 60, "minutes"),
        7200..172_800 => (seconds / 3600, "hours"),
        _ => (seconds / 86_400, "days"),
    };
    format!("{count} {unit}")
}

fn is_plain(character: char) -> bool {
    character == ' ' || (character.is_ascii_graphic() && character != '"')
}

/// An issuer or key id is as long as this.
const MOST_SHOWN: usize = 120;

const WIDTH: usize = 116;
