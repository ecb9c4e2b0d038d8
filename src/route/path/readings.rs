//! Lists the readings by backends of a path that keeps `%2F`, `%25` or `//`: they decode once or
//! more often, and fold slashes or not.

use std::borrow::Cow;

use super::{
    InvalidPath, NormalPath, SLASH, begins_with_digits, check_parameters, fold, holds_dots,
    is_encoded_twice, spell,
};
use crate::model::api::PathRules;

/// A path that can be decoded more often is refused.
const MOST_DECODINGS: usize = 3;

const EVERYTHING: PathRules = PathRules { keep_encoded_slashes: true, keep_empty_segments: true };

impl NormalPath<'_> {
    /// Returns the other paths that a backend may read this one as; none for a path that needs no
    /// rule of its API.
    pub(in crate::route) fn readings(&self) -> Result<Vec<NormalPath<'static>>, InvalidPath> {
        let mut readings = Vec::new();
        if self.needs == PathRules::default() {
            return Ok(readings);
        }
        let mut text = self.text.to_string();
        let mut decodings: usize = 0;
        loop {
            add(&mut readings, text.clone())?;
            if text.contains(SLASH) {
                add(&mut readings, text.replace(SLASH, "/"))?;
            }
            if !is_encoded_twice(&text) {
                return Ok(readings);
            }
            decodings += 1;
            if decodings > MOST_DECODINGS {
                return Err(InvalidPath::EncodedTwice);
            }
            text = spell(&decode_percents(&text), EVERYTHING)?.into_owned();
        }
    }
}

/// Adds a reading, and the one of a backend that folds slashes.
fn add(readings: &mut Vec<NormalPath<'static>>, text: String) -> Result<(), InvalidPath> {
    if holds_dots(&text) {
        return Err(InvalidPath::DotSegments);
    }
    check_parameters(&text)?;
    if text.contains("//") {
        readings.push(normal(fold(&text)?));
    }
    readings.push(normal(text));
    Ok(())
}

fn normal(text: String) -> NormalPath<'static> {
    let needs = PathRules {
        keep_encoded_slashes: text.contains(SLASH) || is_encoded_twice(&text),
        keep_empty_segments: text.contains("//"),
    };
    NormalPath { text: Cow::Owned(text), needs }
}

/// Decodes each `%25` that stands before two hexadecimal digits.
fn decode_percents(text: &str) -> String {
    let mut pieces = text.split("%25");
    let mut decoded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        decoded.push_str(if begins_with_digits(piece) { "%" } else { "%25" });
        decoded.push_str(piece);
    }
    decoded
}
