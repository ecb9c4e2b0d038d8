//! Gives every character of a path its one spelling.

use std::borrow::Cow;

use crate::model::api::PathRules;
use crate::route::path::invalid::InvalidPath;

/// Gives every character its one spelling.
pub(super) fn spell(path: &str, rules: PathRules) -> Result<Cow<'_, str>, InvalidPath> {
    let mut pieces = path.split('%');
    let mut spelling = Spelling { source: path, same: 0, changed: None };
    spelling.plain(pieces.next().unwrap_or_default())?;
    let mut octets = Octets::default();
    for piece in pieces {
        let (digits, plain) = piece.split_at_checked(2).ok_or(InvalidPath::Triplet)?;
        let byte = decode(digits)?;
        match byte {
            b'/' if rules.keep_encoded_slashes => octets.check_complete()?,
            0..=0x1F | 0x7F | b'/' | b'\\' => return Err(InvalidPath::EncodedDelimiter),
            0x80.. => octets.push(byte)?,
            _ => octets.check_complete()?,
        }
        if is_unreserved(byte) {
            spelling.decoded(char::from(byte));
        } else {
            spelling.encoded(digits);
        }
        if !plain.is_empty() {
            octets.check_complete()?;
            spelling.plain(plain)?;
        }
    }
    octets.check_complete()?;
    Ok(spelling.finish())
}

pub(super) fn decode(digits: &str) -> Result<u8, InvalidPath> {
    let mut value = 0;
    for digit in digits.chars() {
        let nibble = digit
            .to_digit(16)
            .and_then(|nibble| u8::try_from(nibble).ok())
            .ok_or(InvalidPath::Triplet)?;
        value = (value << 4) | nibble;
    }
    Ok(value)
}

/// The text written so far: the first `same` bytes of the source until something changes.
struct Spelling<'r> {
    source: &'r str,
    same: usize,
    changed: Option<String>,
}

impl<'r> Spelling<'r> {
    fn plain(&mut self, mut text: &str) -> Result<(), InvalidPath> {
        while let Some(at) = text.bytes().position(|byte| byte != b'/' && !stands_plainly(byte)) {
            let (plain, rest) = text.split_at_checked(at).ok_or(InvalidPath::Character)?;
            let byte = rest.bytes().next().filter(|byte| is_sent_raw(*byte));
            let byte = byte.ok_or(InvalidPath::Character)?;
            self.keep(plain);
            self.keep_encoded(byte);
            text = rest.get(1..).unwrap_or_default();
        }
        self.keep(text);
        Ok(())
    }

    fn keep_encoded(&mut self, byte: u8) {
        let changed = self.change();
        changed.push('%');
        for nibble in [byte >> 4, byte & 0xF] {
            let digit = char::from_digit(nibble.into(), 16).unwrap_or('0');
            changed.push(digit.to_ascii_uppercase());
        }
    }

    fn keep(&mut self, text: &str) {
        match &mut self.changed {
            Some(changed) => changed.push_str(text),
            None => self.same += text.len(),
        }
    }

    fn encoded(&mut self, digits: &str) {
        if self.changed.is_none() && !digits.bytes().any(|digit| digit.is_ascii_lowercase()) {
            self.same += "%".len() + digits.len();
            return;
        }
        let changed = self.change();
        changed.push('%');
        changed.extend(digits.chars().map(|digit| digit.to_ascii_uppercase()));
    }

    fn decoded(&mut self, character: char) {
        self.change().push(character);
    }

    fn change(&mut self) -> &mut String {
        let (source, same) = (self.source, self.same);
        self.changed.get_or_insert_with(|| {
            let mut copy = String::with_capacity(source.len());
            copy.push_str(source.get(..same).unwrap_or_default());
            copy
        })
    }

    fn finish(self) -> Cow<'r, str> {
        self.changed.map_or(Cow::Borrowed(self.source), Cow::Owned)
    }
}

/// A run of percent-encoded octets above ASCII: whole UTF-8 characters, none of them a control.
#[derive(Default)]
struct Octets {
    bytes: [u8; 4],
    count: usize,
}

impl Octets {
    fn push(&mut self, byte: u8) -> Result<(), InvalidPath> {
        *self.bytes.get_mut(self.count).ok_or(InvalidPath::NotUtf8)? = byte;
        self.count += 1;
        let collected = self.bytes.get(..self.count).unwrap_or_default();
        match std::str::from_utf8(collected) {
            Ok(text) if text.chars().any(char::is_control) => Err(InvalidPath::EncodedDelimiter),
            Ok(_) => {
                self.count = 0;
                Ok(())
            }
            // more octets may complete it
            Err(error) if error.error_len().is_none() => Ok(()),
            Err(_) => Err(InvalidPath::NotUtf8),
        }
    }

    fn check_complete(&self) -> Result<(), InvalidPath> {
        if self.count == 0 { Ok(()) } else { Err(InvalidPath::NotUtf8) }
    }
}

/// Tells whether a byte stands in a segment as itself: RFC 3986 `pchar` without the encoded ones.
pub(super) const fn stands_plainly(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
        )
}

/// RFC 3986 section 2.3: encoded or not, these mean the same.
pub(super) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Tells whether clients send a byte raw although it must be encoded, and every backend reads it as
/// itself. The HTTP library refuses `<`, `>` and the backtick.
const fn is_sent_raw(byte: u8) -> bool {
    matches!(byte, b'[' | b']' | b'|' | b'{' | b'}' | b'^' | b'"' | b'<' | b'>' | b'`')
}
