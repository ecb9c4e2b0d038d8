//! Writes a refusal for a gRPC client: headers alone, with the status that gRPC libraries read. The
//! HTTP status is 200, as for every gRPC answer.

use std::fmt::Write;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

use crate::proxy::denial::row::{FaultFamily, Row};

/// Returns the gRPC status for one of HTTP. A limit is RESOURCE_EXHAUSTED, because clients may send
/// again at once if a server is unavailable.
fn status(row: &Row) -> &'static str {
    match row.status.as_u16() {
        503 if row.family == FaultFamily::Throttling => "8",
        401 => "16",
        403 => "7",
        404 | 405 | 501 => "12",
        408 | 504 => "4",
        413 | 429 | 431 => "8",
        499 => "1",
        502 | 503 => "14",
        _ => "13",
    }
}

pub(super) fn answer(row: &Row, why: Option<&str>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static(status(row)));
    if let Ok(message) = HeaderValue::try_from(encoded(&format!(
        "{}: {}",
        row.code,
        why.unwrap_or(&row.description)
    ))) {
        headers.insert("grpc-message", message);
    }
    response
}

/// Percent-encodes everything except printable ASCII, as the gRPC protocol requires.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.trim().bytes() {
        if matches!(byte, b' '..=b'$' | b'&'..=b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
