//! Writes text from outside in TOML: quoted, printable, and short if people do not copy it. A
//! comment ends with its line, so no such text may contain a line break.

use std::fmt::Write;

/// Returns a name from a token or a document, in quotes, for reading.
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

/// Returns a TOML basic string.
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

/// Returns prose as lines of a comment: the first behind `head`, the others below it.
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

/// Returns seconds in the unit that people would use.
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

/// The longest name that is shown: an issuer or a key id is shorter.
const MOST_SHOWN: usize = 120;

const WIDTH: usize = 116;
