//! Brings a path to its normal form (RFC 3986 section 6.2.2, and stricter). The backend gets the
//! path that was matched.
//!
//! A path either has exactly one normal form or is refused. Encoded unreserved characters are
//! decoded, other encodings stay as sent with upper-case digits, `//` is folded, dot segments are
//! removed. Characters that browsers send raw although no path may hold them (`[`, `|`, ...) are
//! encoded. Paths that backends are known to read in different ways are refused:
//! - `%2F`, `%5C`, `\`, controls, and encoded octets that are not UTF-8 (overlong forms included);
//! - `%25` before two hexadecimal digits, however they are spelled: a backend that decodes twice
//!   would see another path;
//! - a segment that is nothing, `.` or `..` once its `;parameters` are cut;
//! - a path that climbs above the root. Slashes are folded before dots are removed, so `/a//..` is
//!   the root.
//!
//! An API may keep `%2F`, `%25` and `//` ([`PathRules`]). Such a path must hold no dot segment,
//! however often a backend decodes it. [`readings`] lists the paths that backends may see instead,
//! and [`crate::route::table`] refuses a path if one of those reaches an operation with another
//! rule.
//!
//! `;` stays as sent, and so does `%3B`: the table matches segments with their parameters cut, and
//! refuses those that a literal would match only because of the cut ([`segment`]). Encoded reserved
//! characters (`%2C`, `%3A`) are decoded for matching literals, and only for that. The query is not
//! looked at. Letter case, a trailing slash and a trailing dot are kept: they are part of the path.

mod invalid;
mod readings;
mod segment;
mod spelling;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::model::api::PathRules;
pub use crate::route::path::invalid::{InvalidPath, MAX_PATH_BYTES};
pub(super) use crate::route::path::segment::{Fit, first_segment, literal_of, without_parameters};
use crate::route::path::spelling::{spell, stands_plainly};

/// A path in normal form: absolute, only `pchar` and `/`, no `.` or `..` segment, no empty one
/// unless its API keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormalPath<'r> {
    text: Cow<'r, str>,
    /// The rules without which this path would be refused or folded.
    needs: PathRules,
}

/// Brings the path of a request target (without its query) to its normal form. Allocates only when
/// it is not in it yet.
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

/// The normal form of `%2F`.
const SLASH: &str = "%2F";

fn check_parameters(path: &str) -> Result<(), InvalidPath> {
    let bare = |segment| matches!(without_parameters(segment), Some("" | "." | ".."));
    if path.split('/').any(bare) { Err(InvalidPath::BareParameters) } else { Ok(()) }
}

fn holds_dots(path: &str) -> bool {
    path.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// Tells whether a path is in its one spelling beyond doubt. One look at its bytes spares the
/// closer look for nearly all paths; encodings, parameters and segments that begin with a dot need
/// it.
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

impl NormalPath<'_> {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The rules without which this path would be refused or folded.
    pub fn needs(&self) -> PathRules {
        self.needs
    }

    /// Returns the same path, free of the request that it was read from.
    pub fn into_owned(self) -> NormalPath<'static> {
        NormalPath { text: Cow::Owned(self.text.into_owned()), needs: self.needs }
    }
}

impl std::fmt::Display for NormalPath<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
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
