//! The one spelling of a path (RFC 3986 section 6.2.2, and stricter): what is matched is what the backend is sent.
//!
//! A path either has exactly one spelling or is refused. Every character that may stand plainly in a segment is decoded,
//! other encodings get upper-case digits, `//` is folded, dot segments are removed. Refused is what backends are known to
//! read in different ways:
//! - `%2F`, `%5C`, `\`, controls, and encoded octets that are not UTF-8 (overlong forms included);
//! - `%25` before two hexadecimal digits, however they were spelled: a backend that decodes twice would see another path;
//! - a segment that is nothing, `.` or `..` once its `;parameters` are cut;
//! - a path that climbs above the root. Slashes are folded before dots are removed, so `/a//..` is the root.
//!
//! `;` stays as sent, and so does `%3B`, which is never decoded: [`crate::route::table`] matches segments with their
//! parameters cut and refuses those that a literal would match only because of the cut. The query is not looked at. Letter
//! case, a trailing slash and a trailing dot are kept: they are part of the path.

use std::borrow::Cow;

/// The longest path that is taken.
pub const MAX_PATH_BYTES: usize = 8 * 1024;

/// A path in its one spelling: absolute, only `pchar` and `/`, no empty, `.` or `..` segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormalPath<'r>(Cow<'r, str>);

/// Why a path has no single reading. The client is told only that its path is refused; this is for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    #[error("the path is longer than {MAX_PATH_BYTES} bytes")]
    TooLong,
    #[error("the path does not start with \"/\"")]
    NotAbsolute,
    #[error("the path climbs above the root")]
    AboveRoot,
    #[error("the path holds a character that must be percent-encoded")]
    Character,
    #[error("the path holds a \"%\" that two hexadecimal digits do not follow")]
    Triplet,
    #[error("the path holds an encoded slash, backslash or control character")]
    EncodedDelimiter,
    #[error("the path holds encoded octets that are not UTF-8")]
    NotUtf8,
    #[error("the path is percent-encoded twice")]
    EncodedTwice,
    #[error("a segment of the path has parameters but no name")]
    BareParameters,
}

/// Brings the path of a request target (without its query) to its one spelling. Allocates only when it is not in it yet.
pub fn normalise(path: &str) -> Result<NormalPath<'_>, InvalidPath> {
    if path.len() > MAX_PATH_BYTES {
        return Err(InvalidPath::TooLong);
    }
    if !path.starts_with('/') {
        return Err(InvalidPath::NotAbsolute);
    }
    if is_ordinary(path) { Ok(NormalPath(Cow::Borrowed(path))) } else { read_closely(path) }
}

fn read_closely(path: &str) -> Result<NormalPath<'_>, InvalidPath> {
    let spelled = spell(path)?;
    check_encoded_twice(&spelled)?;
    for segment in spelled.split('/') {
        if matches!(without_parameters(segment), Some("" | "." | "..")) {
            return Err(InvalidPath::BareParameters);
        }
    }
    let folded = if is_folded(&spelled) { None } else { Some(fold(&spelled)?) };
    Ok(NormalPath(folded.map_or(spelled, Cow::Owned)))
}

/// Whether a path is in its one spelling beyond doubt: one look at its bytes spares nearly all the others. What it cannot
/// tell (encodings, parameters, a segment that begins with a dot) is looked at more closely.
fn is_ordinary(path: &str) -> bool {
    let mut before = 0;
    path.bytes().all(|byte| {
        let ordinary = ORDINARY.get(usize::from(byte)) == Some(&true)
            && !(before == b'/' && matches!(byte, b'/' | b'.'));
        before = byte;
        ordinary
    })
}

/// Bytes that mean nothing but themselves.
#[expect(clippy::indexing_slicing, reason = "worked out by the compiler, which would refuse")]
const ORDINARY: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        table[byte as usize] = byte == b'/' || (stands_plainly(byte) && byte != b';');
        byte += 1;
    }
    table
};

/// The first segment of what follows a slash, and the rest, which is empty or begins with a slash.
pub(super) fn first_segment(path: &str) -> (&str, &str) {
    let end = path.bytes().position(|byte| byte == b'/').unwrap_or(path.len());
    path.split_at_checked(end).unwrap_or((path, ""))
}

/// The segment up to its path parameters, if it has any. `%3B` counts as `;`, for backends that decode before they cut.
pub(super) fn without_parameters(segment: &str) -> Option<&str> {
    if !segment.bytes().any(|byte| matches!(byte, b';' | b'%')) {
        return None;
    }
    let plain = segment.find(';');
    let encoded = if segment.contains('%') { segment.find("%3B") } else { None };
    let end = match (plain, encoded) {
        (Some(plain), Some(encoded)) => plain.min(encoded),
        (one, other) => one.or(other)?,
    };
    segment.get(..end)
}

impl NormalPath<'_> {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same path, free of the request that it was read from.
    pub fn into_owned(self) -> NormalPath<'static> {
        NormalPath(Cow::Owned(self.0.into_owned()))
    }
}

impl std::fmt::Display for NormalPath<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// RFC 3986 `pchar` without the encoded ones: what stands in a segment as itself.
const fn stands_plainly(byte: u8) -> bool {
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

/// Gives every character its one spelling.
fn spell(path: &str) -> Result<Cow<'_, str>, InvalidPath> {
    let mut pieces = path.split('%');
    let first = pieces.next().unwrap_or_default();
    check_plain(first)?;
    let mut spelling = Spelling { source: path, same: first.len(), changed: None };
    let mut octets = Octets::default();
    for piece in pieces {
        let (digits, plain) = piece.split_at_checked(2).ok_or(InvalidPath::Triplet)?;
        let byte = decode(digits)?;
        match byte {
            0..=0x1F | 0x7F | b'/' | b'\\' => return Err(InvalidPath::EncodedDelimiter),
            0x80.. => octets.push(byte)?,
            _ => octets.check_complete()?,
        }
        if stands_plainly(byte) && byte != b';' {
            spelling.decoded(char::from(byte));
        } else {
            spelling.encoded(digits);
        }
        if !plain.is_empty() {
            octets.check_complete()?;
            check_plain(plain)?;
            spelling.plain(plain);
        }
    }
    octets.check_complete()?;
    Ok(spelling.finish())
}

fn check_plain(text: &str) -> Result<(), InvalidPath> {
    if text.bytes().all(|byte| byte == b'/' || stands_plainly(byte)) {
        Ok(())
    } else {
        Err(InvalidPath::Character)
    }
}

fn decode(digits: &str) -> Result<u8, InvalidPath> {
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
    fn plain(&mut self, text: &str) {
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

fn check_encoded_twice(spelled: &str) -> Result<(), InvalidPath> {
    let mut after = spelled.split("%25");
    after.next();
    let twice = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if after.any(twice) { Err(InvalidPath::EncodedTwice) } else { Ok(()) }
}

fn is_folded(path: &str) -> bool {
    // the first piece stands before the leading slash, the last may be empty: a trailing slash
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." | ".." => return false,
            "" if segments.peek().is_some() => return false,
            _ => {}
        }
    }
    true
}

/// Folds slashes and removes dot segments.
fn fold(path: &str) -> Result<String, InvalidPath> {
    let mut folded = String::with_capacity(path.len());
    let mut below_a_slash = false;
    for segment in path.split('/').skip(1) {
        below_a_slash = true;
        match segment {
            "" | "." => {}
            ".." => folded.truncate(folded.rfind('/').ok_or(InvalidPath::AboveRoot)?),
            _ => {
                folded.push('/');
                folded.push_str(segment);
                below_a_slash = false;
            }
        }
    }
    if below_a_slash {
        folded.push('/');
    }
    Ok(folded)
}

#[cfg(test)]
mod tests;
