//! Makes management replies: JSON, text, problem details (RFC 9457).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

pub(super) type ManagementReply = Response<Full<Bytes>>;

pub(super) fn json(status: StatusCode, value: &impl serde::Serialize) -> ManagementReply {
    text(status, "application/json", serde_json::to_string(value).unwrap_or_default())
}

pub(super) fn problem(status: StatusCode, detail: &str) -> ManagementReply {
    let title = status.canonical_reason().unwrap_or_default();
    let body = serde_json::json!({
        "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail
    });
    text(status, "application/problem+json", body.to_string())
}

pub(super) fn text(
    status: StatusCode,
    content_type: &'static str,
    body: String,
) -> ManagementReply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

pub(super) fn busy(detail: &str) -> ManagementReply {
    retry(problem(StatusCode::SERVICE_UNAVAILABLE, detail), 1)
}

pub(super) fn retry(mut reply: ManagementReply, seconds: u32) -> ManagementReply {
    reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    reply
}

pub(super) fn not_allowed(allow: &'static str) -> ManagementReply {
    let mut reply = problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "this method is not allowed here; Allow lists those that are",
    );
    reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    reply
}
