//! Rules for strings of callers: their lengths, and invisible characters.

use crate::admin::refused::Refused;

/// The longest name in bytes, which is the model's limit: 100 characters of most scripts fit.
const MOST_NAME_BYTES: usize = 256;

/// Refuses a name that is blank, longer than `most` characters, has space around it, or holds an
/// invisible character. Names that look alike are allowed, but not names that differ in nothing
/// visible.
pub(super) fn name(field: &str, text: &str, most: usize) -> Result<(), Refused> {
    if text.trim().is_empty() {
        return Err(Refused::bad_request(format!("`{field}` is empty")));
    }
    length(field, text, most)?;
    if text.len() > MOST_NAME_BYTES {
        let description = format!("`{field}` is longer than {MOST_NAME_BYTES} bytes");
        return Err(Refused::bad_request(description));
    }
    foreign_id(field, text)
}

/// Refuses an id of another system that differs in nothing visible from another id: one with space
/// around it, or with an invisible character.
pub(super) fn foreign_id(field: &str, text: &str) -> Result<(), Refused> {
    if text.trim() != text {
        return Err(Refused::bad_request(format!("`{field}` begins or ends with a space")));
    }
    if text.chars().any(unseen) {
        let description = format!("`{field}` has a control character or an invisible one");
        return Err(Refused::bad_request(description));
    }
    Ok(())
}

/// Refuses a longer text, and control characters other than tabs and line ends.
pub(super) fn prose(field: &str, text: &str, most: usize) -> Result<(), Refused> {
    length(field, text, most)?;
    let odd = |character: char| character.is_control() && !matches!(character, '\t' | '\n' | '\r');
    if text.chars().any(odd) {
        return Err(Refused::bad_request(format!("`{field}` has a control character")));
    }
    Ok(())
}

fn length(field: &str, text: &str, most: usize) -> Result<(), Refused> {
    if text.chars().nth(most).is_some() {
        let description = format!("`{field}` is longer than {most} characters");
        return Err(Refused::bad_request(description));
    }
    Ok(())
}

/// Tells whether a character is a control character, has no width, or turns the direction of a
/// line.
fn unseen(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_length_and_nothing_unseen() {
        for good in ["a", "Ünïcode app", "a/b:c", "' OR 1=1 --", "{{7*7}}", "п", "a  b"] {
            name("name", good, 100).unwrap();
        }
        name("name", &"x".repeat(100), 100).unwrap();
        for bad in ["", "  ", " a", "a ", "a\nb", "a\0", "a\u{200b}b", "\u{202e}txt", "a\u{feff}"] {
            assert!(name("name", bad, 100).is_err(), "{bad:?}");
        }
        for long in ["x".repeat(101), "x".repeat(10_000), "€".repeat(100)] {
            let refused = name("name", &long, 100).unwrap_err();
            assert!(refused.description.starts_with("`name` is longer than"), "{refused:?}");
        }
    }

    #[test]
    fn ids_of_other_systems_are_visible() {
        for good in ["", "a b", "https://client.example/a", "' OR 1=1 --", "é"] {
            foreign_id("consumerKey", good).unwrap();
        }
        for bad in [" a", "a ", "a\u{202e}b", "a\u{200b}", "a\nb"] {
            let refused = foreign_id("consumerKey", bad).unwrap_err();
            assert!(refused.description.starts_with("`consumerKey`"), "{bad:?}");
        }
    }

    #[test]
    fn prose_has_lines() {
        prose("description", "one\r\n\ttwo", 512).unwrap();
        assert!(prose("description", "a\u{7}", 512).is_err());
        assert!(prose("description", &"x".repeat(513), 512).is_err());
    }
}
