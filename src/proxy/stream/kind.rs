//! Knows streams by their content type, and the time limit that a gRPC client sends.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

/// The kind of stream that an answer is. It decides the end that its client understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// Not a stream: an early end truncates the body.
    No,
    /// Server-sent events: a client connects again after the end.
    Events,
    /// Ends with a status in its trailers.
    Grpc,
}

impl StreamKind {
    /// Finds the kind by the content type of an answer.
    pub fn of(headers: &HeaderMap) -> Self {
        let Some(kind) = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes) else {
            return Self::No;
        };
        let is = |name: &[u8]| {
            let (start, rest) = kind.split_at_checked(name.len()).unwrap_or((&[], &[]));
            start.eq_ignore_ascii_case(name)
                && rest.first().is_none_or(|next| matches!(next, b';' | b'+' | b' '))
        };
        if is(b"application/grpc") {
            Self::Grpc
        } else if is(b"text/event-stream") {
            Self::Events
        } else {
            Self::No
        }
    }
}

/// Reads the time that a gRPC client gives: `grpc-timeout`, up to eight digits and a unit.
pub(in crate::proxy) fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number.saturating_mul(3600)),
        "M" => Duration::from_secs(number.saturating_mul(60)),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(
            http::HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )])
    }

    #[test]
    fn timeouts_have_a_unit() {
        for (text, timeout) in [
            ("5S", Some(Duration::from_secs(5))),
            ("100m", Some(Duration::from_millis(100))),
            ("99999999H", Some(Duration::from_hours(99_999_999))),
            ("7n", Some(Duration::from_nanos(7))),
            ("", None),
            ("S", None),
            ("123456789S", None),
            ("+1S", None),
            ("1s", None),
            ("1", None),
        ] {
            assert_eq!(grpc_timeout(&with("grpc-timeout", text)), timeout, "{text}");
        }
    }

    #[test]
    fn streams_are_known_by_their_type() {
        for (text, stream) in [
            ("application/grpc", StreamKind::Grpc),
            ("application/grpc+proto", StreamKind::Grpc),
            ("Application/gRPC; x=y", StreamKind::Grpc),
            ("application/grpc-web", StreamKind::No),
            ("text/event-stream;charset=utf-8", StreamKind::Events),
            ("text/event-streams", StreamKind::No),
            ("application/json", StreamKind::No),
        ] {
            assert_eq!(StreamKind::of(&with("content-type", text)), stream, "{text}");
        }
    }
}
