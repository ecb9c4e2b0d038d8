//! Ties an exchange to others: by the request id, and by the trace context of the W3C
//! recommendation.
//!
//! Makes no random numbers: the caller does. Values that are not well-formed never reach a log or a
//! backend.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::telemetry::TraceContext;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

const MAX_REQUEST_ID_BYTES: usize = 128;

/// Returns the id of the exchange: the client's `X-Request-Id` if it is one plain word, or else a
/// new one, which replaces it.
pub fn request_id(headers: &mut HeaderMap, new: impl FnOnce() -> HeaderValue) -> HeaderValue {
    if let Some(sent) = single(headers, &REQUEST_ID).filter(|sent| is_plain(sent)) {
        return sent.clone();
    }
    let id = new();
    headers.insert(REQUEST_ID, id.clone());
    id
}

/// Returns the trace that the client names, if it is one valid value.
pub fn context(headers: &HeaderMap) -> Option<TraceContext> {
    TraceContext::read(single(headers, &TRACEPARENT)?.as_bytes())
}

/// Puts the gateway's own span in the client's place. The client's `tracestate` stays.
pub fn propagate(headers: &mut HeaderMap, context: &TraceContext) {
    if let Ok(value) = HeaderValue::from_bytes(&context.header()) {
        headers.insert(TRACEPARENT, value);
    }
}

/// Removes `traceparent` unless it is one valid value, and `tracestate` with it.
pub fn keep_valid_context(headers: &mut HeaderMap) {
    if context(headers).is_none() {
        headers.remove(TRACEPARENT);
        headers.remove(TRACESTATE);
    }
}

fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn is_plain(id: &HeaderValue) -> bool {
    let plain =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
    (1..=MAX_REQUEST_ID_BYTES).contains(&id.len()) && id.as_bytes().iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(values: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn a_plain_request_id_is_passed_on() {
        let longest = "x".repeat(128);
        for id in ["a", "3f9a:1.b_c-d", &longest] {
            let mut headers = with(&[("x-request-id", id)]);
            assert_eq!(request_id(&mut headers, || panic!("made another")), id);
        }
    }

    #[test]
    fn any_other_request_id_is_replaced() {
        let too_long = "x".repeat(129);
        for ids in
            [&[][..], &[""], &["a b"], &["a\"b"], &["é"], &[&too_long], &["a", "b"], &["a", "a"]]
        {
            let mut headers = with(&ids.iter().map(|id| ("x-request-id", *id)).collect::<Vec<_>>());
            assert_eq!(
                request_id(&mut headers, || HeaderValue::from_static("new")),
                "new",
                "{ids:?}"
            );
            assert_eq!(headers.get_all(REQUEST_ID).iter().collect::<Vec<_>>(), ["new"]);
        }
    }

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn kept(parents: &[&str]) -> bool {
        let mut headers = with(&[("tracestate", "vendor=1")]);
        for parent in parents {
            headers.append(TRACEPARENT, HeaderValue::from_str(parent).unwrap());
        }
        keep_valid_context(&mut headers);
        assert_eq!(headers.contains_key(TRACEPARENT), headers.contains_key(TRACESTATE));
        headers.contains_key(TRACEPARENT)
    }

    #[test]
    fn a_valid_trace_context_is_kept() {
        assert!(kept(&[PARENT]));
        assert!(kept(&[&PARENT.replacen("00", "cc", 1)]));
        assert!(kept(&[&format!("{}-more", PARENT.replacen("00", "01", 1))]));
    }

    #[test]
    fn any_other_trace_context_is_dropped_whole() {
        for parents in [
            &[][..],
            &[PARENT, PARENT],
            &[""],
            &["00"],
            &[&PARENT.replacen("00", "ff", 1)],
            &[&PARENT.to_uppercase()],
            &[&format!("{PARENT}-more")],
            &["00-00000000000000000000000000000000-b7ad6b7169203331-01"],
            &["00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"],
            &["00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01"],
            &["00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01"],
        ] {
            assert!(!kept(parents), "{parents:?}");
        }
    }
}
