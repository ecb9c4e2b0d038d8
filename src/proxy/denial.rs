//! A reason becomes an answer: the only place that knows statuses, WSO2's codes and texts, and challenges.
//!
//! The walk through the files: [`table`] says what each reason means to a client, [`mod@format`] which of three bodies it
//! reads (WSO2's JSON, XML, RFC 9457; [`grpc`] has no body), [`body`] writes that, [`challenge`] is `WWW-Authenticate`, [`why`] the sentence
//! in it that is for developers. A body in WSO2's format is a fixed text; nothing of a token is ever repeated to a client. The
//! operator's message is in the access log, under the id that `Portcullis-Denial` carries.

mod body;
mod challenge;
mod format;
mod grpc;
mod table;
pub mod why;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};

pub use format::ReplyFormat;

use crate::model::api::Api;
use crate::model::names::Scope;
use crate::model::reason::Reason;

/// Tells an answer of the gateway from one of a backend: backends' own are stripped.
pub const DENIAL: HeaderName = HeaderName::from_static("portcullis-denial");

/// A request that goes no further, with what is known of it by then.
#[derive(Debug, Clone, Copy)]
pub struct DenialReply<'a> {
    pub reason: Reason,
    /// The request id, which the access log repeats.
    pub id: &'a HeaderValue,
    pub method: &'a Method,
    pub tongue: ReplyFormat,
    pub api: Option<RefusingApi<'a>>,
    /// The template of the operation.
    pub template: Option<&'a str>,
    /// The scopes of the operation, any of which would do.
    pub scopes: &'a [Scope],
    /// The methods that the path is served for.
    pub allowed: &'a [Method],
    /// What the developer of the client may know of it ([`why`]).
    pub why: Option<&'a str>,
    /// When it is worth to try again, in seconds.
    pub retry_after: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
pub struct RefusingApi<'a> {
    pub base_path: &'a str,
    pub version: &'a str,
    /// The header that carries the token.
    pub authorization_header: &'a str,
}

impl<'a> DenialReply<'a> {
    /// With nothing known of the route yet.
    pub fn new(
        reason: Reason,
        id: &'a HeaderValue,
        method: &'a Method,
        tongue: ReplyFormat,
    ) -> Self {
        Self {
            reason,
            id,
            method,
            tongue,
            api: None,
            template: None,
            scopes: &[],
            allowed: &[],
            why: None,
            retry_after: None,
        }
    }
}

impl<'a> From<&'a Api> for RefusingApi<'a> {
    fn from(api: &'a Api) -> Self {
        Self {
            base_path: &api.base_path,
            version: api.version.as_str(),
            authorization_header: &api.authorization_header,
        }
    }
}

/// The answer to a refused request, whole: nothing is left to add but what the connection needs.
pub fn answer(refusal: &DenialReply<'_>) -> Response<Bytes> {
    let row = table::row(refusal);
    let mut response = if refusal.tongue == ReplyFormat::Grpc {
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

fn with_body(row: &table::Row, refusal: &DenialReply<'_>) -> Response<Bytes> {
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

/// The status that a client gets for a reason.
pub fn status(reason: Reason) -> StatusCode {
    match reason {
        Reason::CorsPreflight | Reason::ResourceMetadata => return StatusCode::OK,
        Reason::ServerOptions => return StatusCode::NO_CONTENT,
        _ => {}
    }
    let id = HeaderValue::from_static("");
    table::row(&DenialReply::new(reason, &id, &Method::GET, ReplyFormat::Wso2)).status
}

fn allow(methods: &[Method]) -> HeaderValue {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    // a method is a token, so a list of them always is a value
    HeaderValue::try_from(names.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests;
