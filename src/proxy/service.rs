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

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version, header};
use hyper::body::Incoming;

use crate::forward::body::{RequestBody, RequestProgress, ResponseBody};
use crate::forward::failure::ForwardError;
use crate::forward::forwarded::{Arrival, ClientScheme, Origin};
use crate::forward::headers::{self, Trailers};
use crate::forward::send::{Answer, Outgoing};
use crate::forward::trace;
use crate::jwks::{KeyManagerKeys, RefetchCause, Refetched};
use crate::model::api::{AuthorizationForwarding, HeaderRules};
use crate::model::gateway::{ByteLimit, ErrorFormat};
use crate::model::reason::Reason;
use crate::proxy::answer::AnswerBody;
use crate::proxy::connection::{InFlight, Transport};
use crate::proxy::decision::{Asked, decide};
use crate::proxy::cors;
use crate::proxy::denial::{self, Refusal, Tongue};
use crate::proxy::exchange::Exchange;
use crate::proxy::own_answer::{OwnAnswer, header_value, refuse, refuse_here, server_options};
use crate::proxy::worker::Walk;
use crate::route::{self, NormalPath};
use crate::throttle::{self, Admitted};

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
    let origin = parts.headers.get(header::ORIGIN).cloned();
    match answer(walk, &mut exchange, parts, body).await {
        Ok(mut response) => {
            decorate(&exchange, origin.as_ref(), response.headers_mut());
            response.map(|body| AnswerBody::backend(body, exchange))
        }
        Err(mut own) => {
            decorate(&exchange, origin.as_ref(), own.headers_mut());
            own.map(|body| AnswerBody::own(body, exchange))
        }
    }
}

/// Errors too: a page that may call should be able to read why it could not.
fn decorate(exchange: &Exchange, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    if let Some(cors) = exchange.api().and_then(|api| api.definition.cors.as_ref())
        && !exchange.is_preflight()
    {
        cors::decorate(cors, origin, headers);
    }
}

async fn answer(walk: &Rc<Walk>, exchange: &mut Exchange, mut parts: Parts, body: Incoming) -> Result<Response<ResponseBody>, OwnAnswer> {
    let id = trace::request_id(&mut parts.headers, || header_value(&walk.request_id()));
    exchange.request_id = id.to_str().unwrap_or_default().into();
    if walk.is_overloaded() {
        let tongue = Tongue::choose(&parts.headers, walk.snapshots().load().errors);
        return Err(refuse_here(exchange, Reason::Overloaded, &id, tongue));
    }
    let uri = exchange.uri.clone();
    let head = read_head(walk, exchange, &parts, &uri, &id)?;
    let Decided { admitted, limit, stall, format } = decide_and_wait(walk, exchange, &parts, &head, &id).await?;
    if let Some(gate) = &admitted.api().gate {
        let pass = gate.enter().await;
        let pass = pass.map_err(|_| refuse_here(exchange, Reason::ConcurrencyLimit, &id, Tongue::choose(&parts.headers, format)))?;
        exchange.pass = Some(pass);
    }
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
        Ok(answer) => Ok(pass_on(exchange, &admitted.api().definition.response_headers, answer, id)),
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
        peer: exchange.connection().peer().ip(),
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

fn rewrite_request(walk: &Walk, exchange: &mut Exchange, admitted: &Admitted, parts: &mut Parts, origin: &Origin) -> Result<(), Reason> {
    let api = &admitted.api().definition;
    if api.authorization == AuthorizationForwarding::Remove {
        headers::remove_every_spelling(&mut parts.headers, &api.authorization_header);
    }
    if parts.version == Version::HTTP_2 {
        join_cookies(&mut parts.headers);
    }
    let trailers = headers::rewrite_request(&mut parts.headers, origin, parts.version, walk.via()).map_err(|error| {
        exchange.message = Some(error.to_string());
        Reason::InvalidRequest
    })?;
    if trailers == Trailers::Read {
        parts.headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    headers::apply(&api.request_headers, &mut parts.headers);
    Ok(())
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

fn pass_on(exchange: &mut Exchange, rules: &HeaderRules, answer: Answer, id: HeaderValue) -> Response<ResponseBody> {
    let Answer { mut response, target } = answer;
    let version = response.version();
    headers::rewrite_response(response.headers_mut(), version);
    headers::apply(rules, response.headers_mut());
    response.headers_mut().insert(trace::REQUEST_ID, id);
    *response.version_mut() = Version::HTTP_11;
    exchange.backend = Some(target);
    exchange.answered(response.status().as_u16(), Reason::Forwarded);
    response
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn exceeds(length: u64, limit: ByteLimit) -> bool {
    matches!(limit, ByteLimit::Bytes(most) if length > most)
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
