//! Times of the store, as the API shows them where WSO2 has no form of its own.

/// Writes milliseconds since the epoch as RFC 3339 has it.
pub(super) fn rfc3339(milliseconds: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(milliseconds);
    time.map(|time| time.to_string()).unwrap_or_default()
}
