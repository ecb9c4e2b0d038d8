//! A name out of a token or a key set, made safe to show to an operator: short and printable.

use std::fmt;

/// At most 64 characters, each printable. A longer name is cut, and the cut is marked.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt(Box<str>);

impl Excerpt {
    pub(super) fn of(name: &str) -> Self {
        let mut text: String = name
            .chars()
            .take(MAX_CHARACTERS)
            .map(|character| if is_shown(character) { character } else { '\u{fffd}' })
            .collect();
        if name.chars().nth(MAX_CHARACTERS).is_some() {
            text.push('…');
        }
        Self(text.into_boxed_str())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Tells whether a character is ASCII and printable: no control character, no direction mark,
/// nothing that looks like something else in a log.
fn is_shown(character: char) -> bool {
    character == ' ' || character.is_ascii_graphic()
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

const MAX_CHARACTERS: usize = 64;
