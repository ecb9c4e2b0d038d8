//! Patterns of the texts that [`texts`](crate::admin::texts) permits.
//!
//! They are written with the very characters, because the regular expressions of languages have no
//! common escape for those beyond 16 bits.

/// Invisible characters: `texts::name` refuses them everywhere.
const UNSEEN: &str = "\u{0}-\u{1f}\u{7f}-\u{9f}\u{ad}\u{61c}\u{180e}\
                      \u{200b}-\u{200f}\u{2028}-\u{202e}\
                      \u{2060}-\u{206f}\u{feff}\u{fff9}-\u{fffb}\u{e0000}-\u{e007f}";

/// Space that a name can have inside, but not at its beginning or end.
const SPACES: &str = " \u{a0}\u{1680}\u{2000}-\u{200a}\u{202f}\u{205f}\u{3000}";

/// Control characters except tabs and line ends.
const ODD: &str = "\u{0}-\u{8}\u{b}\u{c}\u{e}-\u{1f}\u{7f}-\u{9f}";

/// The pattern of a name.
pub(super) fn name(most: u64) -> String {
    let inner = most.saturating_sub(2);
    let edge = escaped(&format!("{UNSEEN}{SPACES}"));
    format!("^[^{edge}](?:[^{}]{{0,{inner}}}[^{edge}])?$", escaped(UNSEEN))
}

/// The pattern of a text of several lines.
pub(super) fn prose() -> String {
    format!("^[^{}]*$", escaped(ODD))
}

/// Escapes 16-bit characters, so that documents hold no control characters.
fn escaped(class: &str) -> String {
    let escape = |character: char| match u32::from(character) {
        own @ 0x20..0x7f => char::from_u32(own).map(String::from).unwrap_or_default(),
        own @ ..=0xffff => format!("\\u{own:04x}"),
        _ => character.to_string(),
    };
    class.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::texts;

    /// Reads a pattern as a JSON Schema does, whose `\u` has four digits.
    fn compiled(pattern: &str) -> regex::Regex {
        let escape = regex::Regex::new(r"\\u([0-9a-f]{4})").unwrap();
        regex::Regex::new(&escape.replace_all(pattern, r"\x{$1}")).unwrap()
    }

    #[test]
    fn the_patterns_are_the_rules() {
        let (names, prose) = (compiled(&name(100)), compiled(&prose()));
        for character in '\0'..=char::MAX {
            for text in [character.to_string(), format!("a{character}"), format!("a{character}b")] {
                let fits = texts::name("name", &text, 100).is_ok();
                assert_eq!(names.is_match(&text), fits, "{text:?}");
                assert_eq!(
                    prose.is_match(&text),
                    texts::prose("x", &text, 100).is_ok(),
                    "{text:?}"
                );
            }
        }
        assert!(names.is_match(&"x".repeat(100)) && !names.is_match(&"x".repeat(101)));
    }
}
