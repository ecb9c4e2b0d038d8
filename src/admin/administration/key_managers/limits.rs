//! Limits of texts and lists in WSO2's form of a key manager.

use http::StatusCode;

use crate::admin::refused::Refused;
use crate::admin::texts;

/// WSO2's limits.
pub(super) const MOST_NAME: usize = 100;
pub(super) const MOST_DESCRIPTION: usize = 256;

/// The longest of all other texts: addresses, claims, expressions.
pub(super) const MOST_TEXT: usize = 2048;

/// Entries of a list. WSO2's definition has no limit.
pub(super) const MOST_ENTRIES: usize = 100;

pub(super) fn missing_settings(names: &[&str]) -> Refused {
    let message = "Required Key Manager configuration missing";
    let description = format!("these are missing: {}", names.join(", "));
    Refused::new(StatusCode::BAD_REQUEST, 901_401, message, description)
}

/// Returns a string without surrounding space; `None` if it is empty.
pub(super) fn trimmed(
    field: &str,
    text: Option<&str>,
    most: usize,
) -> Result<Option<String>, Refused> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    texts::prose(field, text, most)?;
    if text.contains(['\r', '\n', '\t']) && field != "description" {
        return Err(Refused::bad_request(format!("`{field}` has a control character")));
    }
    Ok(Some(text.to_owned()))
}

pub(super) fn bounded<T>(field: &str, list: &[T]) -> Result<(), Refused> {
    if list.len() > MOST_ENTRIES {
        let description = format!("`{field}` has more than {MOST_ENTRIES} entries");
        return Err(Refused::bad_request(description));
    }
    Ok(())
}
