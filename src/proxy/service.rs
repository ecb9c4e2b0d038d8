//! The walk of one request: read the head, decide, forward, answer.
//!
//! Decides nothing itself: each step is its room's, and takes the proof of the step before. Dropping the future (the
//! client left) cancels the backend's request and writes the exchange's line.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use hyper::body::Incoming;

use crate::forward::body::{RequestBody, RequestProgress, ResponseBody};
use crate::forward::failure::ForwardError;
use crate::forward::forwarded::{Arrival, ClientScheme, Origin};
use crate::forward::headers::{self, Trailers};
use crate::forward::send::{Answer, Outgoing};
use crate::forward::trace;
use crate::jwks::{KeyManagerKeys, RefetchCause, Refetched};
use crate::model::api::AuthorizationForwarding;
use crate::model::gateway::{ByteLimit, ErrorFormat};
use crate::model::reason::Reason;
use crate::proxy::answer::AnswerBody;
use crate::proxy::connection::{Connection, InFlight, Transport};
use crate::proxy::decision::{Asked, Refused, Why, decide};
use crate::proxy::denial::{self, Refusal, RefusingApi, Tongue};
use crate::proxy::exchange::Exchange;
use crate::proxy::worker::Walk;
use crate::route::{self, NormalPath};
use crate::snapshot::local::LocalSnapshot;
use crate::throttle::{self, Admitted};

/// A whole answer that was made here.
type OwnAnswer = Box<Response<Bytes>>;

/// Answers one request. Never fails: what goes wrong is an answer too.
pub async fn handle(walk: &Rc<Walk>, in_flight: InFlight, request: Request<Incoming>) -> Response<AnswerBody> {
    let mut serving = std::pin::pin!(serve(walk, in_flight, request));
    std::future::poll_fn(|context| {
        // a bug in one request must not end the others of its connection, let alone the worker's
        catch_unwind(AssertUnwindSafe(|| serving.as_mut().poll(context))).unwrap_or_else(|_| {
            walk.counters().panicked();
            let id = header_value(&walk.request_id());
            let answer = denial::answer(&Refusal::new(Reason::InternalError, &id, &Method::GET, Tongue::Wso2));
            Poll::Ready(answer.map(AnswerBody::orphan))
        })
    })
    .await
}

async fn serve(walk: &Rc<Walk>, in_flight: InFlight, request: Request<Incoming>) -> Response<AnswerBody> {
    let (mut parts, body) = request.into_parts();
    let unrouted = Arc::clone(&walk.snapshots().load().unrouted);
    let mut exchange = Box::new(Exchange::begin(Rc::clone(walk), in_flight, unrouted, &mut parts));
    match answer(walk, &mut exchange, parts, body).await {
        Ok(response) => response.map(|body| AnswerBody::backend(body, exchange)),
        Err(own) => own.map(|body| AnswerBody::own(body, exchange)),
    }
}

async fn answer(walk: &Rc<Walk>, exchange: &mut Exchange, mut parts: Parts, body: Incoming) -> Result<Response<ResponseBody>, OwnAnswer> {
    let id = trace::request_id(&mut parts.headers, || header_value(&walk.request_id()));
    exchange.request_id = id.to_str().unwrap_or_default().into();
    let uri = exchange.uri.clone();
    let head = read_head(walk, exchange, &parts, &uri, &id)?;
    let Decided { admitted, limit, stall, format } = decide_and_wait(walk, exchange, &parts, &head, &id).await?;
    // the headers leave with the request; a failure of the backend is still told in the client's tongue
    let accept = parts.headers.get(header::ACCEPT).cloned();
    rewrite_request(walk, exchange, &admitted, &mut parts, &head.origin)
        .map_err(|reason| refuse_here(exchange, reason, &id, Tongue::choose(&parts.headers, format)))?;
    let progress = RequestProgress::new(walk.deadlines());
    exchange.progress = Some(Rc::clone(&progress));
    let outgoing = Outgoing {
        method: parts.method,
        path: head.path.as_str().get(admitted.base_length()..).unwrap_or_default(),
        query: uri.query(),
        headers: parts.headers,
        body: RequestBody::new(body, Rc::clone(&progress), limit, stall, walk.deadlines()),
    };
    let asked = Instant::now();
    let forwarded = walk.forwarder().forward(&admitted, outgoing, &progress).await;
    exchange.backend_time = Some(asked.elapsed());
    match forwarded {
        Ok(answer) => Ok(pass_on(exchange, answer, id)),
        Err(error) => {
            exchange.message = Some(chain(&error));
            let accept: HeaderMap = accept.into_iter().map(|value| (header::ACCEPT, value)).collect();
            Err(refuse_here(exchange, error.reason(), &id, Tongue::choose(&accept, format)))
        }
    }
}

/// What the head says, read once.
struct Head<'u> {
    host: String,
    path: NormalPath<'u>,
    origin: Origin,
}

fn read_head<'u>(walk: &Walk, exchange: &mut Exchange, parts: &Parts, uri: &'u Uri, id: &HeaderValue) -> Result<Head<'u>, OwnAnswer> {
    let snapshot = walk.snapshots().load();
    let tongue = || Tongue::choose(&parts.headers, snapshot.errors);
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        return Err(refuse_here(exchange, Reason::MethodRefused, id, tongue()));
    }
    let authority = match route::request_authority(parts.version, uri, &parts.headers) {
        Ok(authority) => authority,
        Err(error) => {
            exchange.message = Some(error.to_string());
            return Err(refuse_here(exchange, Reason::InvalidRequest, id, tongue()));
        }
    };
    let scheme = if exchange.connection().transport == Transport::Tls { ClientScheme::Https } else { ClientScheme::Http };
    let arrival = Arrival {
        peer: exchange.connection().peer.ip(),
        scheme,
        authority: authority.as_ref(),
        trusted_proxies: &snapshot.trusted_proxies,
    };
    let origin = Origin::read(&parts.headers, &arrival);
    exchange.client = origin.client();
    let host = authority.map_or_else(String::new, |authority| authority.host().to_owned());
    exchange.host.clone_from(&host);
    if parts.method == Method::OPTIONS && uri.path() == "*" {
        return Err(server_options(exchange));
    }
    match route::normalise(uri.path()) {
        Ok(path) => {
            if path.as_str() != uri.path() {
                exchange.normal_path = Some(path.as_str().to_owned());
            }
            Ok(Head { host, path, origin })
        }
        Err(error) => {
            exchange.message = Some(error.to_string());
            Err(refuse_here(exchange, Reason::InvalidPath, id, tongue()))
        }
    }
}

/// A request that may be forwarded, with what its snapshot says of bodies and errors.
struct Decided {
    admitted: Admitted,
    limit: ByteLimit,
    stall: Duration,
    format: ErrorFormat,
}

/// Decides, and once more when the verdict needed keys that could be had within a bounded time.
async fn decide_and_wait(
    walk: &Walk,
    exchange: &mut Exchange,
    parts: &Parts,
    head: &Head<'_>,
    id: &HeaderValue,
) -> Result<Decided, OwnAnswer> {
    let asked = Asked { method: &parts.method, host: &head.host, path: &head.path, headers: &parts.headers };
    let mut waited = false;
    loop {
        let snapshot = walk.snapshots().load();
        let refused = match decide(&snapshot, asked, walk.cache(), walk.clock().now()) {
            Ok(grant) => {
                let limit = grant.routed().api().definition.max_body_bytes.unwrap_or(snapshot.limits.max_body_bytes);
                let admitted = throttle::admit(&snapshot, &grant);
                let format = snapshot.errors;
                let Some(admitted) = admitted else {
                    return Err(refuse_here(exchange, Reason::InternalError, id, Tongue::choose(&parts.headers, format)));
                };
                note_admitted(exchange, &admitted);
                if declared_length(&parts.headers).is_some_and(|length| exceeds(length, limit)) {
                    return Err(refuse_here(exchange, Reason::BodyTooLarge, id, Tongue::choose(&parts.headers, format)));
                }
                return Ok(Decided { admitted, limit, stall: snapshot.limits.body_stall_timeout, format });
            }
            Err(refused) => refused,
        };
        let mut reason = refused.why.reason();
        let stale = refused.why.stale_keys();
        if !stale.is_empty() && !waited {
            waited = true;
            match refetch(&stale).await {
                Refetched::Changed => continue,
                // the key may exist, and we could not look: our trouble is not the client's 401
                Refetched::Failed | Refetched::TimedOut if reason == Reason::UnknownKey => reason = Reason::KeysUnavailable,
                Refetched::Failed | Refetched::TimedOut | Refetched::Unchanged | Refetched::NotAllowed => {}
            }
        }
        return Err(refuse(exchange, &snapshot, &refused, reason, parts, id));
    }
}

/// The first change, or what the last one came to; all together take no longer than one may.
async fn refetch(stale: &[(Arc<KeyManagerKeys>, RefetchCause)]) -> Refetched {
    const LONGEST: Duration = Duration::from_secs(5);
    let asking = async {
        let mut outcome = Refetched::NotAllowed;
        for (keys, cause) in stale {
            outcome = keys.refetch(*cause).await;
            if outcome == Refetched::Changed {
                break;
            }
        }
        outcome
    };
    tokio::time::timeout(LONGEST, asking).await.unwrap_or(Refetched::TimedOut)
}

fn note_admitted(exchange: &mut Exchange, admitted: &Admitted) {
    exchange.found(Rc::clone(admitted.api()), Some(admitted.position()));
    exchange.key_type = Some(admitted.key_type());
    exchange.application = admitted.application().map(Box::from);
    exchange.principal = admitted.principal().cloned();
    exchange.key_manager = admitted.principal().map(|principal| Arc::clone(principal.key_manager()));
}

/// Writes a refusal of the decision, and what is known of it, into the exchange.
fn refuse(
    exchange: &mut Exchange,
    snapshot: &LocalSnapshot,
    refused: &Refused<'_>,
    reason: Reason,
    parts: &Parts,
    id: &HeaderValue,
) -> OwnAnswer {
    exchange.message = Some(refused.why.message());
    exchange.key_manager = refused.why.key_manager().cloned();
    if let Why::Authorize(_, principal) = &refused.why {
        exchange.principal.clone_from(principal);
        exchange.application = application_of(snapshot, exchange);
    }
    if let Some(local) = refused.api.and_then(|index| snapshot.local_api(index)) {
        exchange.found(local, refused.routed.as_ref().map(crate::snapshot::Routed::position));
    }
    let tongue = Tongue::choose(&parts.headers, snapshot.errors);
    let mut refusal = Refusal::new(reason, id, &exchange.method, tongue);
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
    let answer = denial::answer(&refusal);
    own(exchange, reason, answer)
}

fn application_of(snapshot: &LocalSnapshot, exchange: &Exchange) -> Option<Box<str>> {
    let principal = exchange.principal.as_ref()?;
    let mapping = snapshot.directory.find(principal.key_manager().index, principal.consumer_key()?)?;
    snapshot.directory.application(mapping.application).map(|application| application.name.into())
}

/// Refuses with what the exchange already knows.
fn refuse_here(exchange: &mut Exchange, reason: Reason, id: &HeaderValue, tongue: Tongue) -> OwnAnswer {
    let answer = denial::answer(&Refusal::new(reason, id, &exchange.method, tongue));
    own(exchange, reason, answer)
}

/// `OPTIONS *` asks about the gateway itself (RFC 9110 section 9.3.7).
fn server_options(exchange: &mut Exchange) -> OwnAnswer {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    own(exchange, Reason::ServerOptions, answer)
}

fn own(exchange: &mut Exchange, reason: Reason, mut answer: Response<Bytes>) -> OwnAnswer {
    exchange.answered(answer.status().as_u16(), reason);
    // what follows on a connection that sent such a head may have been hidden in it
    if matches!(reason, Reason::InvalidRequest | Reason::MethodRefused) && exchange.version < Version::HTTP_2 {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Ok(id) = HeaderValue::try_from(&*exchange.request_id) {
        answer.headers_mut().insert(trace::REQUEST_ID, id);
    }
    Box::new(answer)
}

fn rewrite_request(walk: &Walk, exchange: &mut Exchange, admitted: &Admitted, parts: &mut Parts, origin: &Origin) -> Result<(), Reason> {
    let api = &admitted.api().definition;
    if api.authorization == AuthorizationForwarding::Remove {
        headers::remove_every_spelling(&mut parts.headers, &api.authorization_header);
    }
    if parts.version == Version::HTTP_2 {
        join_cookies(&mut parts.headers);
    }
    match headers::rewrite_request(&mut parts.headers, origin, parts.version, walk.via()) {
        Ok(Trailers::Read) => {
            parts.headers.insert(header::TE, HeaderValue::from_static("trailers"));
            Ok(())
        }
        Ok(Trailers::NotRead) => Ok(()),
        Err(error) => {
            exchange.message = Some(error.to_string());
            Err(Reason::InvalidRequest)
        }
    }
}

/// HTTP/2 may send one cookie a field; HTTP/1.1 has one field (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut fields = headers.get_all(header::COOKIE).iter();
    if fields.next().is_none() || fields.next().is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

fn pass_on(exchange: &mut Exchange, answer: Answer, id: HeaderValue) -> Response<ResponseBody> {
    let Answer { mut response, target } = answer;
    let version = response.version();
    headers::rewrite_response(response.headers_mut(), version);
    response.headers_mut().insert(trace::REQUEST_ID, id);
    *response.version_mut() = Version::HTTP_11;
    exchange.backend = Some(target);
    exchange.answered(response.status().as_u16(), Reason::Forwarded);
    response
}

/// The answer to bytes that never became a request: written by the connection itself, which ends with it.
pub fn refuse_bytes(walk: &Rc<Walk>, connection: &Rc<Connection>, reason: Reason, message: String) -> Vec<u8> {
    let mut parts = Request::new(()).into_parts().0;
    // nothing of the request can be believed, its method and path least of all
    parts.method = Method::from_bytes(b"-").unwrap_or_default();
    parts.uri = Uri::from_static("*");
    let snapshot = walk.snapshots().load();
    let mut exchange =
        Exchange::begin(Rc::clone(walk), connection.request_began(walk.deadlines()), Arc::clone(&snapshot.unrouted), &mut parts);
    let id = header_value(&walk.request_id());
    exchange.request_id = id.to_str().unwrap_or_default().into();
    exchange.message = Some(message);
    let tongue = Tongue::choose(&HeaderMap::new(), snapshot.errors);
    let mut answer = refuse_here(&mut exchange, reason, &id, tongue);
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
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

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn exceeds(length: u64, limit: ByteLimit) -> bool {
    matches!(limit, ByteLimit::Bytes(most) if length > most)
}

/// Request ids are hexadecimal digits, so they always are a value.
fn header_value(id: &str) -> HeaderValue {
    HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

/// An error with its causes, for the log.
fn chain(error: &ForwardError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
