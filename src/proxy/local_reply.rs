//! Answers that are made here: refusals with what is known of the request by then, and the few requests that ask the
//! gateway itself.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};

use crate::authenticate::{CallerNames, credentials};
use crate::forward::forwarded::ClientOrigin;
use crate::forward::trace;
use crate::model::names::ApiIndex;
use crate::model::reason::Reason;
use crate::proxy::connection::Connection;
use crate::proxy::cors;
use crate::proxy::decision::{Refused, ServedMethods, Why};
use crate::proxy::denial::{self, DenialReply, RefusingApi, ReplyFormat};
use crate::proxy::exchange::Exchange;
use crate::proxy::metadata;
use crate::proxy::service::Inbound;
use crate::proxy::worker::Worker;
use crate::route;
use crate::snapshot::local::{LocalApi, LocalSnapshot};
use crate::telemetry::refusals::Unsigned;

/// A whole answer that was made here.
pub(super) type OwnAnswer = Box<Response<Bytes>>;

/// Writes a refusal of the decision, and what is known of it, into the exchange.
pub(super) fn refuse(
    exchange: &mut Exchange,
    snapshot: &LocalSnapshot,
    refused: &Refused<'_>,
    reason: Reason,
    request: &Inbound,
    (id, origin): (&HeaderValue, &ClientOrigin),
) -> OwnAnswer {
    if let Why::Preflight(served) = &refused.why
        && let Some(local) = refused.api.and_then(|index| snapshot.local_api(index))
    {
        return preflight(exchange, local, served, request);
    }
    exchange.message = Some(refused.why.message());
    exchange.key_manager = refused.why.key_manager().cloned();
    if let Some(api) = refused.api.and_then(|index| snapshot.api(index)) {
        let token =
            credentials::credential(request.headers(), &api.definition.authorization_header).ok();
        exchange.unsigned = token.and_then(|credential| Unsigned::of(credential.token));
    }
    if let Why::Authorize(_, principal) = &refused.why {
        exchange.principal.clone_from(principal);
        exchange.caller = caller_of(snapshot, exchange);
    }
    if let Some(local) = refused.api.and_then(|index| snapshot.local_api(index)) {
        exchange.found(local, refused.routed.as_ref().map(crate::snapshot::Routed::position));
    }
    let tongue = ReplyFormat::choose(request.headers(), snapshot.errors);
    let why = denial::why::of(&refused.why);
    let mut refusal = DenialReply {
        why: why.as_deref(),
        retry_after: refused.why.retry_after(),
        ..DenialReply::new(reason, id, &exchange.method, tongue)
    };
    if let Some(api) = refused.api.and_then(|index| snapshot.api(index)) {
        refusal.api = Some(RefusingApi::from(&api.definition));
    }
    if let Some(routed) = &refused.routed {
        refusal.template = Some(routed.operation().template.as_str());
        refusal.scopes = &routed.operation().scopes;
    }
    if let Why::Route(route::NotFound::Method { allowed, .. }) = &refused.why {
        refusal.allowed = allowed;
    }
    let mut answer = denial::answer(&refusal);
    if answer.status() == StatusCode::UNAUTHORIZED
        && let Some(api) = refused.api.and_then(|index| snapshot.api(index))
    {
        metadata::point_at(api, origin, answer.headers_mut());
    }
    if reason == Reason::ProofNonce
        && let Ok(nonce) = HeaderValue::try_from(exchange.nonce())
    {
        answer.headers_mut().insert("dpop-nonce", nonce);
    }
    own(exchange, reason, answer)
}

fn caller_of(snapshot: &LocalSnapshot, exchange: &Exchange) -> Option<Rc<CallerNames>> {
    let principal = exchange.principal.as_ref()?;
    let mapping = principal.key_manager().find(&snapshot.directory, principal.consumer_key()?)?;
    let application = snapshot.directory.application(mapping.application)?;
    Some(principal.caller(application.name, application.owner, mapping.key_type))
}

/// Answered here, without a token: WSO2 says 200.
fn preflight(
    exchange: &mut Exchange,
    api: Rc<LocalApi>,
    served: &ServedMethods,
    request: &Inbound,
) -> OwnAnswer {
    let mut answer = Response::new(Bytes::new());
    let methods = match served {
        ServedMethods::Any => None,
        ServedMethods::Only(methods) => Some(methods.as_slice()),
    };
    if let Some(cors) = &api.definition.cors {
        *answer.headers_mut() = cors::preflight(cors, methods, request.headers());
    }
    exchange.found(api, None);
    own(exchange, Reason::CorsPreflight, answer)
}

/// What a client may know before it has a token.
pub(super) fn resource_metadata(
    exchange: &mut Exchange,
    snapshot: &LocalSnapshot,
    api: ApiIndex,
    origin: &ClientOrigin,
) -> Option<OwnAnswer> {
    let answer = metadata::document(snapshot, snapshot.api(api)?, origin);
    exchange.found(snapshot.local_api(api)?, None);
    Some(own(exchange, Reason::ResourceMetadata, answer))
}

/// Refuses with what the exchange already knows.
pub(super) fn refuse_here(
    exchange: &mut Exchange,
    reason: Reason,
    id: &HeaderValue,
    tongue: ReplyFormat,
) -> OwnAnswer {
    let answer = denial::answer(&DenialReply::new(reason, id, &exchange.method, tongue));
    own(exchange, reason, answer)
}

/// `OPTIONS *` asks about the gateway itself (RFC 9110 section 9.3.7).
pub(super) fn server_options(exchange: &mut Exchange) -> OwnAnswer {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    own(exchange, Reason::ServerOptions, answer)
}

fn own(exchange: &mut Exchange, reason: Reason, mut answer: Response<Bytes>) -> OwnAnswer {
    exchange.answered(answer.status().as_u16(), reason);
    // what follows on a connection that sent such a head may have been hidden in it
    if matches!(reason, Reason::InvalidRequest | Reason::MethodRefused)
        && exchange.version < Version::HTTP_2
    {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(id) = exchange.request_id.clone() {
        answer.headers_mut().insert(trace::REQUEST_ID, id);
    }
    Box::new(answer)
}

/// The answer to bytes that never became a request: written by the connection itself, which ends with it.
pub fn refuse_bytes(
    walk: &Rc<Worker>,
    connection: &Rc<Connection>,
    reason: Reason,
    message: String,
) -> Vec<u8> {
    let mut request = Request::new(());
    // nothing of the request can be believed, its method and path least of all
    *request.method_mut() = Method::from_bytes(b"-").unwrap_or_default();
    *request.uri_mut() = Uri::from_static("*");
    let snapshot = walk.snapshots().load();
    let mut exchange = Exchange::begin(
        Rc::clone(walk),
        connection.request_began(walk.deadlines()),
        Arc::clone(&snapshot.unrouted),
        &mut request,
    );
    let id = walk.request_id();
    exchange.request_id = Some(id.clone());
    exchange.message = Some(message);
    let tongue = ReplyFormat::choose(&HeaderMap::new(), snapshot.errors);
    let mut answer = refuse_here(&mut exchange, reason, &id, tongue);
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    let now = UNIX_EPOCH + Duration::from_secs(walk.clock().now().0);
    if let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(now)) {
        answer.headers_mut().insert(header::DATE, date);
    }
    let mut bytes = format!("HTTP/1.1 {}\r\n", answer.status()).into_bytes();
    for (name, value) in answer.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(answer.body());
    exchange.sent(answer.body().len());
    exchange.complete();
    bytes
}
