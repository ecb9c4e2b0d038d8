//! Turns a refusal into a response: the one place where the gateway answers a request itself.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};

use crate::forward::trace;
use crate::model::reason::Reason;
use crate::proxy::connection::{Connection, InFlight};
use crate::proxy::denial::{self, DenialReply, RefusingApi, ReplyFormat};
use crate::proxy::exchange::Exchange;
use crate::proxy::metadata;
use crate::proxy::refusal::{Refusal, Why};
use crate::proxy::worker::Worker;
use crate::route::NotFound;
use crate::throttle::levels::LevelKind;
use crate::throttle::{self, Throttled};

/// Answers a refused request, and notes the answer in its exchange.
pub(super) fn respond(
    worker: &Worker,
    exchange: &mut Exchange,
    refusal: &Refusal,
) -> Response<Bytes> {
    let reason = refusal.reason();
    let mut response = match &refusal.why {
        Why::ServerOptions => no_content(),
        // without a token, WSO2 answers 200
        Why::Preflight(headers) => {
            let mut response = Response::new(Bytes::new());
            (**headers).clone_into(response.headers_mut());
            response
        }
        Why::Metadata => resource_metadata(worker, exchange, refusal),
        _ => {
            exchange.refused(refusal);
            deny(worker, exchange, refusal)
        }
    };
    exchange.answered(response.status().as_u16(), reason);
    // a request may be hidden in the bytes that follow such a head
    if matches!(reason, Reason::InvalidRequest | Reason::MethodRefused)
        && exchange.request.version < Version::HTTP_2
    {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(id) = exchange.head.request_id.clone() {
        response.headers_mut().insert(trace::REQUEST_ID, id);
    }
    response
}

/// Writes the denial of a reason, with the facts of the refusal.
fn deny(worker: &Worker, exchange: &Exchange, refusal: &Refusal) -> Response<Bytes> {
    let snapshot = worker.snapshots().load();
    let id = exchange.head.request_id.clone().unwrap_or_else(|| worker.request_id());
    let format = exchange.request.preference.choose(snapshot.settings.errors);
    let why = denial::why(&refusal.why);
    let reason = refusal.reason();
    let limit = match &refusal.why {
        Why::Throttle(Throttled::Limit(exceeded)) => Some(exceeded),
        _ => None,
    };
    // a backend's limit is no client's affair
    let next = limit.filter(|exceeded| exceeded.kind != LevelKind::HardLimit);
    let next = next.map(|exceeded| exceeded.next_access());
    let mut reply = DenialReply {
        next_access: next.as_deref(),
        why: why.as_deref(),
        retry_after: refusal.retry_after(),
        ..DenialReply::new(reason, &id, &exchange.request.method, format)
    };
    reply.api = refusal.api().map(|api| RefusingApi::from(&api.definition));
    if let Some(operation) = refusal.operation() {
        reply.template = Some(operation.template.as_str());
        reply.scopes = &operation.scopes;
    }
    if let Why::Route(NotFound::Method { allowed, .. }) = &refusal.why {
        reply.allowed = allowed;
    }
    let mut response = denial::answer(&reply);
    if let Some(exceeded) = limit {
        throttle::headers::refused(exceeded, response.headers_mut());
    }
    if response.status() == StatusCode::UNAUTHORIZED
        && let Some((api, origin)) = refusal.api().zip(exchange.head.origin.as_ref())
    {
        metadata::point_at(api, &origin.origin, response.headers_mut());
    }
    if reason == Reason::ProofNonce {
        let nonces = worker.cache().proofs();
        let nonce = nonces.nonce(snapshot.settings.dpop_nonce_key.as_ref(), worker.clock().now());
        if let Ok(nonce) = HeaderValue::try_from(nonce) {
            response.headers_mut().insert("dpop-nonce", nonce);
        }
    }
    response
}

fn no_content() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn resource_metadata(worker: &Worker, exchange: &Exchange, refusal: &Refusal) -> Response<Bytes> {
    match refusal.api().zip(exchange.head.origin.as_ref()) {
        Some((api, origin)) => metadata::document(&worker.snapshots().load(), api, &origin.origin),
        None => deny(worker, exchange, &Refusal::new(Reason::InternalError)),
    }
}

/// Answers a request whose handling panicked. Its exchange is gone: the panic has written its line.
pub(super) fn after_panic(worker: &Worker) -> Response<Bytes> {
    let (id, method) = (worker.request_id(), Method::GET);
    let reply = DenialReply::new(Reason::InternalError, &id, &method, ReplyFormat::Wso2);
    denial::answer(&reply)
}

/// Answers bytes that never became a request. The connection writes the answer itself, and ends
/// with it.
pub fn refuse_bytes(
    worker: &Rc<Worker>,
    connection: &Rc<Connection>,
    reason: Reason,
    message: String,
) -> Vec<u8> {
    let mut request = Request::new(());
    // no part of the request is trustworthy, least of all its method and path
    *request.method_mut() = Method::from_bytes(b"-").unwrap_or_default();
    *request.uri_mut() = Uri::from_static("*");
    let snapshot = worker.snapshots().load();
    let mut exchange = Exchange::begin(
        Rc::clone(worker),
        InFlight::begin(connection, worker.deadlines(), worker.idle()),
        Arc::clone(&snapshot.routes.unrouted),
        &mut request,
    );
    exchange.head.request_id = Some(worker.request_id());
    let mut response = respond(worker, &mut exchange, &Refusal::because(reason, message));
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    let now = UNIX_EPOCH + Duration::from_secs(worker.clock().now().0);
    if let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(now)) {
        response.headers_mut().insert(header::DATE, date);
    }
    let bytes = written(&response);
    exchange.sent(response.body().len());
    exchange.complete();
    bytes
}

/// Writes a response as HTTP/1.1.
fn written(response: &Response<Bytes>) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(response.body());
    bytes
}
