//! Checks the framing of backends' answers (RFC 9112 section 6): an answer that cannot be passed on
//! faithfully becomes an error.
//!
//! The HTTP library accepts more than it should: `Transfer-Encoding` silently beats
//! `Content-Length`, a coding before `chunked` is lost, and answers without a body are not checked.
//! A client behind the gateway could read such an answer in another way, so it never gets one.

use std::str::from_utf8;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};

/// A framing that has two readings, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingFault {
    #[error("it has both Content-Length and Transfer-Encoding")]
    TwoFramings,
    #[error(
        "its Transfer-Encoding is not exactly \"chunked\", and no other coding can be passed on"
    )]
    TransferCoding,
    #[error("it is of HTTP/1.0 and has a Transfer-Encoding")]
    OldVersion,
    #[error("its Content-Length is not one number")]
    ContentLength,
}

/// The verdict on a connection after an answer: it may carry another exchange, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reuse {
    Allowed,
    /// The answer tells the length of a body that it does not have. A backend that sends this body
    /// all the same may do so when the next request is on its way.
    Doubtful,
    /// The answer announces a body that it cannot have; whatever follows it belongs to no request.
    Forbidden,
}

/// Checks an answer's framing and writes its length in the one form that every client reads alike.
pub(super) fn check<B>(response: &mut Response<B>, asked: &Method) -> Result<Reuse, FramingFault> {
    let (version, status) = (response.version(), response.status());
    let headers = response.headers_mut();
    let coded = headers.contains_key(TRANSFER_ENCODING);
    if coded {
        check_codings(headers, version)?;
    }
    let length = content_length(headers)?;
    // RFC 9110 section 8.6: these have no body, and no length of one
    if status == StatusCode::NO_CONTENT || status.is_informational() {
        headers.remove(CONTENT_LENGTH);
        if coded || length.is_some_and(|length| length > 0) {
            return Ok(Reuse::Forbidden);
        }
    }
    let without_body = *asked == Method::HEAD || status == StatusCode::NOT_MODIFIED;
    if without_body && (coded || length.is_some_and(|length| length > 0)) {
        return Ok(Reuse::Doubtful);
    }
    Ok(Reuse::Allowed)
}

fn check_codings(headers: &HeaderMap, version: Version) -> Result<(), FramingFault> {
    if headers.contains_key(CONTENT_LENGTH) {
        return Err(FramingFault::TwoFramings);
    }
    if version == Version::HTTP_10 {
        return Err(FramingFault::OldVersion);
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let only = codings.next().filter(|_| codings.next().is_none());
    match only {
        Some(coding) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(FramingFault::TransferCoding),
    }
}

fn content_length(headers: &mut HeaderMap) -> Result<Option<u64>, FramingFault> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lines.next() else { return Ok(None) };
    let plain = lines.next().is_none();
    if let Some(length) = number(first.as_bytes())
        && plain
        && (first.len() == 1 || !first.as_bytes().starts_with(b"0"))
    {
        return Ok(Some(length));
    }
    // RFC 9110 section 8.6: one number that is repeated can be used once
    let members = headers.get_all(CONTENT_LENGTH).iter().flat_map(|line| {
        line.as_bytes().split(|byte| *byte == b',').map(|member| number(member.trim_ascii()))
    });
    let lengths: Option<Vec<u64>> = members.collect();
    let lengths = lengths.unwrap_or_default();
    match lengths.split_first() {
        Some((length, others)) if others.iter().all(|other| other == length) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(*length));
            Ok(Some(*length))
        }
        _ => Err(FramingFault::ContentLength),
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
