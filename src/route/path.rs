//! Brings a path to its normal form (RFC 3986 section 6.2.2, and stricter). The backend is sent what was matched.
//!
//! A path either has exactly one normal form or is refused. Encoded unreserved characters are decoded, other encodings stay
//! as sent with upper-case digits, `//` is folded, dot segments are removed. Characters that browsers send raw although no
//! path may hold them (`[`, `|`, ...) are encoded. Refused is what backends are known to read in different ways:
//! - `%2F`, `%5C`, `\`, controls, and encoded octets that are not UTF-8 (overlong forms included);
//! - `%25` before two hexadecimal digits, however they were spelled: a backend that decodes twice would see another path;
//! - a segment that is nothing, `.` or `..` once its `;parameters` are cut;
//! - a path that climbs above the root. Slashes are folded before dots are removed, so `/a//..` is the root.
//!
//! An API may keep `%2F`, `%25` and `//` ([`PathRules`]). Such a path must hold no dot segment, however often a backend
//! decodes it; [`readings`] lists what backends may see instead, and [`crate::route::table`] refuses a path if one of those
//! reaches an operation with another rule.
//!
//! `;` stays as sent, and so does `%3B`: the table matches segments with their parameters cut and refuses those that a
//! literal would match only because of the cut. Encoded reserved characters (`%2C`, `%3A`) are decoded for matching
//! literals, and only for that. The query is not looked at. Letter case, a trailing slash and a trailing dot are kept: they
//! are part of the path.

use std::borrow::Cow;

use crate::model::api::PathRules;
use crate::model::reason::Reason;

mod readings;

/// The longest path that is taken.
pub const MAX_PATH_BYTES: usize = 8 * 1024;

/// A path in normal form: absolute, only `pchar` and `/`, no `.` or `..` segment, no empty one unless its API keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormalPath<'r> {
    text: Cow<'r, str>,
    /// The rules without which this path would be refused or folded.
    needs: PathRules,
}

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
    #[error("the path holds dot segments beside encoded or doubled slashes")]
    DotSegments,
    #[error("the API keeps doubled slashes (`merge_slashes`), and its context is sent with one")]
    EmptySegments,
}

impl InvalidPath {
    pub fn reason(self) -> Reason {
        match self {
            Self::TooLong => Reason::TargetTooLong,
            _ => Reason::InvalidPath,
        }
    }
}

/// Brings the path of a request target (without its query) to its normal form. Allocates only when it is not in it yet.
pub fn normalize(path: &str) -> Result<NormalPath<'_>, InvalidPath> {
    normalize_by(path, PathRules::default())
}

/// Does the same for an API that keeps more than others do.
pub(super) fn normalize_by(path: &str, rules: PathRules) -> Result<NormalPath<'_>, InvalidPath> {
    if path.len() > MAX_PATH_BYTES {
        return Err(InvalidPath::TooLong);
    }
    if !path.starts_with('/') {
        return Err(InvalidPath::NotAbsolute);
    }
    if is_ordinary(path) {
        Ok(NormalPath { text: Cow::Borrowed(path), needs: PathRules::default() })
    } else {
        read_closely(path, rules)
    }
}

fn read_closely(path: &str, rules: PathRules) -> Result<NormalPath<'_>, InvalidPath> {
    let spelled = spell(path, rules)?;
    if spelled.len() > MAX_PATH_BYTES {
        return Err(InvalidPath::TooLong);
    }
    let twice = is_encoded_twice(&spelled);
    if twice && !rules.keep_encoded_slashes {
        return Err(InvalidPath::EncodedTwice);
    }
    check_parameters(&spelled)?;
    let needs = PathRules {
        keep_encoded_slashes: twice || spelled.contains(SLASH),
        keep_empty_segments: rules.keep_empty_segments && spelled.contains("//"),
    };
    if needs == PathRules::default() {
        let folded = if is_folded(&spelled) { None } else { Some(fold(&spelled)?) };
        return Ok(NormalPath { text: folded.map_or(spelled, Cow::Owned), needs });
    }
    // backends remove them before or after they decode, or fold slashes
    if holds_dots(&spelled) {
        return Err(InvalidPath::DotSegments);
    }
    let text = if !needs.keep_empty_segments && spelled.contains("//") {
        Cow::Owned(fold(&spelled)?)
    } else {
        spelled
    };
    let path = NormalPath { text, needs };
    path.readings()?;
    Ok(path)
}

/// How `%2F` is spelled in normal form.
const SLASH: &str = "%2F";

fn check_parameters(path: &str) -> Result<(), InvalidPath> {
    let bare = |segment| matches!(without_parameters(segment), Some("" | "." | ".."));
    if path.split('/').any(bare) { Err(InvalidPath::BareParameters) } else { Ok(()) }
}

fn holds_dots(path: &str) -> bool {
    path.split('/').any(|segment| matches!(segment, "." | ".."))
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

/// How a segment fits a literal, the most certain first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    AsSent,
    /// Only once its encoded reserved characters are decoded.
    Decoded,
    /// Only once its `;parameters` are cut.
    Cut,
}

/// What of a segment is compared with literals.
pub(super) fn literal_of(segment: &str) -> (Cow<'_, str>, Fit) {
    if !segment.bytes().any(|byte| matches!(byte, b';' | b'%')) {
        return (Cow::Borrowed(segment), Fit::AsSent);
    }
    let (name, fit) =
        without_parameters(segment).map_or((segment, Fit::AsSent), |name| (name, Fit::Cut));
    match decode_reserved(name) {
        Some(decoded) => (Cow::Owned(decoded), fit.max(Fit::Decoded)),
        None => (Cow::Borrowed(name), fit),
    }
}

/// Decodes what may stand plainly in a segment; nothing where there is nothing to decode.
fn decode_reserved(segment: &str) -> Option<String> {
    let mut pieces = segment.split('%');
    let mut decoded = pieces.next()?.to_owned();
    let mut changed = false;
    for piece in pieces {
        let (digits, plain) = piece.split_at_checked(2)?;
        match decode(digits) {
            Ok(byte) if stands_plainly(byte) && byte != b';' => {
                decoded.push(char::from(byte));
                decoded.push_str(plain);
                changed = true;
            }
            _ => {
                decoded.push('%');
                decoded.push_str(piece);
            }
        }
    }
    changed.then_some(decoded)
}

impl NormalPath<'_> {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The rules without which this path would be refused or folded.
    pub fn needs(&self) -> PathRules {
        self.needs
    }

    /// The same path, free of the request that it was read from.
    pub fn into_owned(self) -> NormalPath<'static> {
        NormalPath { text: Cow::Owned(self.text.into_owned()), needs: self.needs }
    }
}

impl std::fmt::Display for NormalPath<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
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

/// RFC 3986 section 2.3: encoded or not, these mean the same.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What clients send raw though it must be encoded, and what no backend reads as anything but itself. The HTTP library
/// refuses `<`, `>` and the backtick.
const fn is_sent_raw(byte: u8) -> bool {
    matches!(byte, b'[' | b']' | b'|' | b'{' | b'}' | b'^' | b'"' | b'<' | b'>' | b'`')
}

/// Gives every character its one spelling.
fn spell(path: &str, rules: PathRules) -> Result<Cow<'_, str>, InvalidPath> {
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

fn is_encoded_twice(spelled: &str) -> bool {
    let mut after = spelled.split("%25");
    after.next();
    after.any(begins_with_digits)
}

fn begins_with_digits(text: &str) -> bool {
    text.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2
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
