//! Writes the whole response to a denial. Only headers of the connection are added later.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};

use crate::model::reason::Reason;
use crate::proxy::denial::format::ReplyFormat;
use crate::proxy::denial::reply::DenialReply;
use crate::proxy::denial::row::Row;
use crate::proxy::denial::{body, challenge, grpc, status_table};

/// Tells an answer of the gateway from one of a backend: the gateway strips the backends' own.
pub(super) const DENIAL: HeaderName = HeaderName::from_static("portcullis-denial");

/// Writes the answer to a refused request.
pub fn answer(refusal: &DenialReply<'_>) -> Response<Bytes> {
    let row = status_table::row(refusal);
    let mut response = if refusal.format == ReplyFormat::Grpc {
        grpc::answer(&row, refusal.why)
    } else {
        with_body(&row, refusal)
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(DENIAL, refusal.id.clone());
    if let Some(challenge) = row.challenge {
        headers.insert(WWW_AUTHENTICATE, challenge::value(challenge, refusal.scopes, refusal.why));
    }
    if let Some(seconds) = refusal.retry_after.or(row.retry_after) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.reason == Reason::MethodNotAllowed {
        headers.insert(ALLOW, allow(refusal.allowed));
    }
    response
}

fn with_body(row: &Row, refusal: &DenialReply<'_>) -> Response<Bytes> {
    let (content_type, body) = body::write(row, refusal);
    let length = HeaderValue::from(body.len());
    // RFC 9110 section 9.3.2: the head that GET would have had, alone
    let body = if refusal.method == Method::HEAD { Bytes::new() } else { body };
    let mut response = Response::new(body);
    *response.status_mut() = row.status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response
}

/// Returns the status that a client gets for a reason.
pub fn status(reason: Reason) -> StatusCode {
    match reason {
        Reason::CorsPreflight | Reason::ResourceMetadata => return StatusCode::OK,
        Reason::ServerOptions => return StatusCode::NO_CONTENT,
        _ => {}
    }
    let id = HeaderValue::from_static("");
    status_table::row(&DenialReply::new(reason, &id, &Method::GET, ReplyFormat::Wso2)).status
}

fn allow(methods: &[Method]) -> HeaderValue {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    // a method is a token, so a list of them always is a value
    HeaderValue::try_from(names.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
}
