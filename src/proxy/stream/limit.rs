//! What ends an answer before its body does: its time is over, or its right.

use std::task::{Context, Poll};
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use crate::deadline::Deadline;
use crate::forward::body::Cause;
use crate::proxy::stream::authorization::{Ended, StreamAuthorization};

/// The end of an answer that may go on for long.
#[derive(Debug)]
pub struct StreamLimit {
    /// The whole exchange's.
    pub deadline: Option<Deadline>,
    pub tenure: Option<StreamAuthorization>,
}

/// What kind of stream an answer is, for the end that its client understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// None: an end before the end is a truncation.
    No,
    /// Server-sent events: a client connects again after the end.
    Events,
    /// Ends with a status in its trailers.
    Grpc,
}

/// Why an answer was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    TooLong,
    Ended(Ended),
    /// Its body broke off.
    Broken(Cause),
}

impl StreamLimit {
    pub fn poll(&self, context: &Context<'_>) -> Poll<EndReason> {
        if let Some(Poll::Ready(ended)) =
            self.tenure.as_ref().map(|tenure| tenure.poll_ended(context))
        {
            return Poll::Ready(EndReason::Ended(ended));
        }
        match &self.deadline {
            Some(deadline) => deadline.poll(context).map(|()| EndReason::TooLong),
            None => Poll::Pending,
        }
    }
}

impl EndReason {
    pub fn message(self) -> &'static str {
        match self {
            Self::TooLong => "the exchange took longer than it may",
            Self::Ended(ended) => ended.message(),
            Self::Broken(Cause::Backend) => "the backend ended the stream",
            Self::Broken(Cause::Silence(_)) => "neither side sent anything for too long",
            Self::Broken(Cause::Client) => "the client ended the stream",
            Self::Broken(Cause::TooLarge) => "the request's body is larger than allowed",
        }
    }

    /// The trailers that tell a gRPC client.
    pub fn trailers(self) -> HeaderMap {
        const UNAUTHENTICATED: &str = "16";
        const PERMISSION_DENIED: &str = "7";
        const CANCELLED: &str = "1";
        const DEADLINE_EXCEEDED: &str = "4";
        const RESOURCE_EXHAUSTED: &str = "8";
        const UNAVAILABLE: &str = "14";
        let status = match self {
            Self::TooLong | Self::Broken(Cause::Silence(_)) => DEADLINE_EXCEEDED,
            Self::Broken(Cause::Backend) | Self::Ended(Ended::Unconfirmed | Ended::GoingAway) => {
                UNAVAILABLE
            }
            Self::Broken(Cause::Client) => CANCELLED,
            Self::Broken(Cause::TooLarge) => RESOURCE_EXHAUSTED,
            Self::Ended(
                Ended::TokenExpired | Ended::Revoked | Ended::KeyWithdrawn | Ended::Inactive,
            ) => UNAUTHENTICATED,
            Self::Ended(Ended::Withdrawn) => PERMISSION_DENIED,
        };
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static(status));
        trailers.insert("grpc-message", HeaderValue::from_static(self.message()));
        trailers
    }
}

impl StreamKind {
    /// By the content type of an answer.
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

/// The time that a gRPC client gives: `grpc-timeout`, up to eight digits and a unit.
pub fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
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
