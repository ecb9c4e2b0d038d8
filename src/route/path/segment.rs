//! Compares the segments of a path in normal form with literals.

use std::borrow::Cow;

use crate::route::path::spelling::{decode, stands_plainly};

/// Returns the first segment after a slash, and the rest, which is empty or begins with a slash.
pub(in crate::route) fn first_segment(path: &str) -> (&str, &str) {
    let end = path.bytes().position(|byte| byte == b'/').unwrap_or(path.len());
    path.split_at_checked(end).unwrap_or((path, ""))
}

/// The segment up to its path parameters, if it has any. `%3B` counts as `;`, for backends that
/// decode before they cut.
pub(in crate::route) fn without_parameters(segment: &str) -> Option<&str> {
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

/// The way a segment fits a literal, the most certain first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::route) enum Fit {
    AsSent,
    /// It matches only after its encoded reserved characters are decoded.
    Decoded,
    /// It matches only after its `;parameters` are cut.
    Cut,
}

/// Returns the part of a segment that is compared with literals.
pub(in crate::route) fn literal_of(segment: &str) -> (Cow<'_, str>, Fit) {
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

/// Decodes the characters that can stand unencoded in a segment; `None` if there are none.
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
