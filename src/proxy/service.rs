//! The walk of one request: read the head, decide, forward, answer.
//!
//! Decides nothing itself: each step is its room's, and takes the proof of the step before. Dropping the future (the
//! client left) cancels the backend's request and writes the exchange's line.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use tokio::task::spawn_local;

use crate::deadline::Deadline;
use crate::forward::body::{RequestBody, RequestProgress, ResponseBody};
use crate::forward::early_hints::Interim;
use crate::forward::failure::{ForwardError, chain};
use crate::forward::headers::{self, Hop, Trailers};
use crate::forward::location::{self, ClientAddress};
use crate::forward::pool::ConnectionPurpose;
use crate::forward::send::{BackendAnswer, Outgoing};
use crate::forward::trace;
use crate::model::api::AuthorizationForwarding;
use crate::model::backend::{Addressing, Balance, HashKey};
use crate::model::reason::Reason;
use crate::proxy::admission::{Decided, RequestHead, decide_and_wait, read_head};
use crate::proxy::answer::AnswerBody;
use crate::proxy::asserting::Assertion;
use crate::proxy::connection::{Connection, InFlight};
use crate::proxy::cors;
use crate::proxy::denial::{self, DenialReply, ReplyFormat};
use crate::proxy::exchange::Exchange;
use crate::proxy::local_reply::{OwnAnswer, refuse_here};
use crate::proxy::query_token;
use crate::proxy::request_origin::RequestOrigin;
use crate::proxy::stream::authorization::{Departure, StreamAuthorization, StreamGrant};
use crate::proxy::stream::limit::{StreamKind, StreamLimit, grpc_timeout};
use crate::proxy::stream::tunnel::Tunnel;
use crate::proxy::stream::upgrade;
use crate::proxy::worker::Worker;
use crate::throttle::Admitted;

/// Answers one request. Never fails: what goes wrong is an answer too.
///
/// The walk lives in a place of its own for as long as it lasts, so that an idle connection holds none, and so that it is
/// moved once.
pub fn handle(
    walk: Rc<Worker>,
    in_flight: InFlight,
    request: Request<Incoming>,
) -> RequestHandling {
    let request = Box::new(
        request
            .map(|body| RequestBody::new(body, walk.deadlines(), in_flight.connection().bodies())),
    );
    RequestHandling { walk: Rc::clone(&walk), serving: Box::pin(serve(walk, in_flight, request)) }
}

/// A request as it came; in a place of its own, for it is large and handed on.
pub(super) type Inbound = Request<RequestBody>;

/// One request on its way.
pub struct RequestHandling {
    walk: Rc<Worker>,
    serving: Pin<Box<dyn Future<Output = Response<AnswerBody>>>>,
}

impl std::fmt::Debug for RequestHandling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handling").finish_non_exhaustive()
    }
}

impl Future for RequestHandling {
    type Output = Result<Response<AnswerBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let serving = &mut self.serving;
        // a bug in one request must not end the others of its connection, let alone the worker's
        let polled = catch_unwind(AssertUnwindSafe(|| serving.as_mut().poll(context)));
        let polled = polled.unwrap_or_else(|_| {
            self.walk.counters().panicked();
            let id = self.walk.request_id();
            let answer = denial::answer(&DenialReply::new(
                Reason::InternalError,
                &id,
                &Method::GET,
                ReplyFormat::Wso2,
            ));
            Poll::Ready(answer.map(AnswerBody::orphan))
        });
        polled.map(Ok)
    }
}

/// What came of a request that was forwarded.
struct Forwarded {
    response: Response<ResponseBody>,
    stream: StreamKind,
    term: Option<Box<StreamLimit>>,
    /// The backend switched protocols.
    switched: Option<Switched>,
}

struct Switched {
    asked: upgrade::UpgradeRequest,
    tenure: Option<StreamAuthorization>,
    stall: Option<Duration>,
}

async fn serve(
    walk: Rc<Worker>,
    in_flight: InFlight,
    mut request: Box<Inbound>,
) -> Response<AnswerBody> {
    let walk = &walk;
    let wish = upgrade::UpgradeRequest::take(&mut *request);
    let upgrading = wish.as_ref().is_some_and(|wish| wish.stream.is_none());
    let unrouted = Arc::clone(&walk.snapshots().load().unrouted);
    let mut exchange =
        Box::new(Exchange::begin(Rc::clone(walk), in_flight, unrouted, &mut *request));
    if upgrading {
        exchange.connection().upgrades();
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut answered = match answer(walk, &mut exchange, request, wish).await {
        Ok(Forwarded { mut response, stream, term, switched }) => {
            decorate(&exchange, origin.as_ref(), response.headers_mut());
            match switched {
                Some(switched) => return switch(walk, exchange, response, switched),
                None => response.map(|body| AnswerBody::backend(body, exchange, stream, term)),
            }
        }
        Err(mut own) => {
            decorate(&exchange, origin.as_ref(), own.headers_mut());
            own.map(|body| AnswerBody::own(body, exchange))
        }
    };
    if upgrading {
        // what followed the request was not looked at as HTTP
        answered.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answered
}

/// Errors too: a page that may call should be able to read why it could not.
fn decorate(exchange: &Exchange, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    if let Some(cors) = exchange.api().and_then(|api| api.definition.cors.as_ref())
        && !exchange.is_preflight()
    {
        cors::decorate(cors, origin, headers);
    }
}

/// Answers with the backend's switch, and sets the tunnel up that goes on behind it.
fn switch(
    walk: &Rc<Worker>,
    exchange: Box<Exchange>,
    response: Response<ResponseBody>,
    switched: Switched,
) -> Response<AnswerBody> {
    let Switched { mut asked, tenure, stall } = switched;
    let stream = asked.stream.take();
    let (mut parts, head) = response.into_parts();
    let mut whole = Response::from_parts(parts.clone(), ());
    let backend = hyper::upgrade::on(&mut whole);
    parts.extensions.clear();
    let websocket = asked.is_websocket();
    let connection = exchange.connection_handle();
    let tunnel = Tunnel {
        exchange,
        backend,
        head,
        tenure,
        websocket,
        stall,
        deadlines: Rc::clone(walk.deadlines()),
    };
    match stream {
        None => connection.switch(tunnel),
        // owned by the worker's runtime; ends with its stream, whose connection waits for it
        Some(stream) => drop(spawn_local(async move {
            if let Ok(client) = stream.await {
                tunnel.run(hyper_util::rt::TokioIo::new(client), Bytes::new()).await;
            }
        })),
    }
    Response::from_parts(parts, AnswerBody::orphan(Bytes::new()))
}

async fn answer(
    walk: &Rc<Worker>,
    exchange: &mut Exchange,
    mut request: Box<Inbound>,
    mut wish: Option<upgrade::UpgradeRequest>,
) -> Result<Forwarded, OwnAnswer> {
    let id = trace::request_id(request.headers_mut(), || walk.request_id());
    exchange.request_id = Some(id.clone());
    shed(walk, exchange, &request, &id)?;
    let uri = exchange.uri.clone();
    let head = read_head(walk, exchange, &request, &uri, &id)?;
    let told = query_token::take(walk, &mut request, &head, uri.query(), wish.as_ref());
    let Decided { admitted, limit, padded_length, stall, format, assertion } =
        decide_and_wait(walk, exchange, &request, &head, &id).await?;
    if let Some(gate) = &admitted.api().gate {
        let full = |_| {
            refuse_here(
                exchange,
                Reason::ConcurrencyLimit,
                &id,
                ReplyFormat::choose(request.headers(), format),
            )
        };
        exchange.pass = Some(gate.enter().await.map_err(full)?);
    }
    let deadline = whole_deadline(walk, &admitted, request.headers());
    let key = hash_key(exchange, &admitted, request.headers());
    // the headers leave with the request; a failure of the backend is still told in the client's tongue
    let tongue = TongueLater::of(request.headers());
    let client_base = client_base(&admitted, &head);
    let said = RequestStatement {
        named: &head.named,
        client_base: &client_base,
        in_query: told.is_some(),
    };
    rewrite_request(walk, exchange, &admitted, &mut request, &said).map_err(|reason| {
        refuse_here(exchange, reason, &id, ReplyFormat::choose(request.headers(), format))
    })?;
    say(assertion, request.headers_mut());
    if let Some(length) = padded_length {
        request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let Some(wish) = &mut wish {
        wish.ask(request.headers_mut())
            .map_err(|_| refuse_here(exchange, Reason::InternalError, &id, ReplyFormat::Wso2))?;
    }
    let progress = Rc::clone(request.body().progress());
    exchange.progress = Some(Rc::clone(&progress));
    match &wish {
        Some(_) => *request.body_mut() = RequestBody::empty(Rc::clone(&progress)),
        None => request.body_mut().admit(limit, stall, walk.deadlines(), admitted.api()),
    }
    let outgoing = Outgoing {
        request,
        path: head.path.as_str().get(admitted.base_length()..).unwrap_or_default(),
        query: told.as_ref().map_or(uri.query(), |told| told.query.as_deref()),
        host: addressing(&admitted)
            .preserve_host
            .then(|| head.named.written.host().cloned())
            .flatten(),
        key: &key,
        purpose: if wish.is_some() {
            ConnectionPurpose::Upgrade
        } else {
            ConnectionPurpose::Exchange
        },
        interim: if exchange.version == Version::HTTP_11 {
            Arc::clone(exchange.connection().interim())
        } else {
            Arc::new(Interim::mute())
        },
        neighbors: exchange.connection().neighbors(),
    };
    let asked = Instant::now();
    let forwarded = forward(walk, &admitted, outgoing, &progress, deadline.as_ref()).await;
    exchange.backend_time = Some(asked.elapsed());
    let switched = forwarded
        .and_then(|answer| is_switch(&answer, wish.as_ref()).map(|switched| (answer, switched)));
    let (answer, switched) = match switched {
        Ok(answered) => answered,
        Err(error) => {
            exchange.message = Some(chain(&error));
            return Err(refuse_here(exchange, error.reason(), &id, tongue.choose(format)));
        }
    };
    let mut response = pass_on(exchange, &admitted, answer, id, &said);
    let stream = StreamKind::of(response.headers());
    let websocket = wish.as_ref().is_some_and(upgrade::UpgradeRequest::is_websocket);
    let departure = if switched && websocket { Departure::Early } else { Departure::Late };
    let tenure = (switched || stream != StreamKind::No)
        .then(|| tenure(walk, &admitted, exchange.connection_handle(), departure));
    if let Some(asked) = wish.filter(|_| switched) {
        asked.answer(&mut response);
        exchange.answered(response.status().as_u16(), Reason::Forwarded);
        return Ok(Forwarded {
            response,
            stream,
            term: None,
            switched: Some(Switched { asked, tenure, stall }),
        });
    }
    let ends = deadline.is_some() || tenure.is_some();
    Ok(Forwarded {
        response,
        stream,
        term: ends.then(|| Box::new(StreamLimit { deadline, tenure })),
        switched: None,
    })
}

/// Whatever a client said in the gateway's own header goes, whether or not something takes its place.
fn say(assertion: Option<Assertion>, headers: &mut HeaderMap) {
    let Some(Assertion { header, value }) = assertion else { return };
    headers::remove_every_spelling(headers, header.as_str());
    value.map(|value| headers.insert(header, value));
}

/// Forwards within the whole exchange's time.
async fn forward(
    walk: &Worker,
    admitted: &Admitted,
    outgoing: Outgoing<'_>,
    progress: &Rc<RequestProgress>,
    deadline: Option<&Deadline>,
) -> Result<BackendAnswer, ForwardError> {
    // made here and not handed in: what would be moved is large
    let mut forwarding = pin!(walk.forwarder().forward(admitted, outgoing, progress));
    poll_fn(|context| match forwarding.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(answer),
        Poll::Pending => deadline.map_or(Poll::Pending, |deadline| {
            deadline.poll(context).map(|()| Err(ForwardError::TooLong))
        }),
    })
    .await
}

/// A worker that lags behind takes no new request.
fn shed(
    walk: &Worker,
    exchange: &mut Exchange,
    request: &Inbound,
    id: &HeaderValue,
) -> Result<(), OwnAnswer> {
    if !walk.is_overloaded() {
        return Ok(());
    }
    let tongue = ReplyFormat::choose(request.headers(), walk.snapshots().load().errors);
    Err(refuse_here(exchange, Reason::Overloaded, id, tongue))
}

/// Whether the backend switched protocols; a switch that was not asked for is a fault.
fn is_switch(
    answer: &BackendAnswer,
    wish: Option<&upgrade::UpgradeRequest>,
) -> Result<bool, ForwardError> {
    let response = &answer.response;
    if response.status() == StatusCode::OK
        && response.version() == Version::HTTP_2
        && wish.is_some()
    {
        return Ok(true);
    }
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(false);
    }
    if wish.is_some_and(|wish| wish.is_answered_by(response.headers())) {
        return Ok(true);
    }
    Err(ForwardError::UpgradeRefused { target: answer.target.label.to_string() })
}

/// The whole exchange's: the operator's, or the client's where gRPC lets it say one.
fn whole_deadline(walk: &Worker, admitted: &Admitted, headers: &HeaderMap) -> Option<Deadline> {
    let operators = admitted.backend().and_then(|(group, _)| group.request_timeout);
    let clients =
        if StreamKind::of(headers) == StreamKind::Grpc { grpc_timeout(headers) } else { None };
    let time = operators.into_iter().chain(clients).min()?;
    Some(walk.deadlines().after(time))
}

/// A watch over a stream, and over the token that opened it.
fn tenure(
    walk: &Worker,
    admitted: &Admitted,
    connection: Rc<Connection>,
    departure: Departure,
) -> StreamAuthorization {
    let api = &admitted.api().definition;
    let principal = admitted.principal().filter(|_| api.close_on_token_expiry).cloned();
    let right = principal.map(|principal| StreamGrant {
        principal,
        api: api.name.clone(),
        version: api.version.clone(),
        key_type: admitted.key_type(),
    });
    let stream = (connection, departure);
    walk.tenures().hold(right, stream, walk.clock().milliseconds(), walk.random())
}

/// What the tongue of a late refusal hangs on; the headers are gone by then.
struct TongueLater {
    accept: Option<HeaderValue>,
    grpc: bool,
}

impl TongueLater {
    fn of(headers: &HeaderMap) -> Self {
        Self {
            accept: headers.get(header::ACCEPT).cloned(),
            grpc: StreamKind::of(headers) == StreamKind::Grpc,
        }
    }

    fn choose(self, format: crate::model::gateway::ErrorFormat) -> ReplyFormat {
        if self.grpc {
            return ReplyFormat::Grpc;
        }
        let accept: HeaderMap =
            self.accept.into_iter().map(|value| (header::ACCEPT, value)).collect();
        ReplyFormat::choose(&accept, format)
    }
}

/// What keeps a client with its target, where a backend hashes: empty where none does.
fn hash_key(exchange: &Exchange, admitted: &Admitted, headers: &HeaderMap) -> Vec<u8> {
    let Some(Balance::ConsistentHash(by)) = admitted.backend().map(|(group, _)| &group.balance)
    else {
        return Vec::new();
    };
    let client = || exchange.client.to_string().into_bytes();
    match by {
        HashKey::ConsumerKey => {
            let consumer_key =
                admitted.principal().and_then(crate::authenticate::Principal::consumer_key);
            consumer_key.map_or_else(client, |consumer_key| consumer_key.as_bytes().to_vec())
        }
        HashKey::Header(name) => {
            headers.get(name).map_or_else(client, |value| value.as_bytes().to_vec())
        }
    }
}

fn rewrite_request(
    walk: &Worker,
    exchange: &mut Exchange,
    admitted: &Admitted,
    request: &mut Inbound,
    said: &RequestStatement<'_>,
) -> Result<(), Reason> {
    let api = &admitted.api().definition;
    if request.version() == Version::HTTP_2 {
        join_cookies(request.headers_mut());
    }
    // a token of the query is nobody's header
    let removed = api.authorization == AuthorizationForwarding::Remove || said.in_query;
    let credential = removed.then_some(&*api.authorization_header);
    let hop = Hop {
        credential,
        origin: &said.named.written,
        prefix: addressing(admitted)
            .forward_prefix
            .then(|| HeaderValue::try_from(said.client_base).ok().filter(|base| !base.is_empty()))
            .flatten(),
        removed: &admitted.api().removed,
        version: request.version(),
        via: walk.via(),
    };
    let trailers = headers::rewrite_request(request.headers_mut(), &hop).map_err(|error| {
        exchange.message = Some(error.to_string());
        Reason::InvalidRequest
    })?;
    if trailers == Trailers::Read {
        request.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
    }
    headers::apply(&api.request_headers, request.headers_mut());
    // what the client's connection knows of it is not the backend's
    request.extensions_mut().clear();
    *request.version_mut() = Version::HTTP_11;
    Ok(())
}

/// What a request says of itself, for the way to the backend and back.
struct RequestStatement<'r> {
    named: &'r RequestOrigin,
    client_base: &'r str,
    /// Its token stood in the query.
    in_query: bool,
}

/// What the backend is told of addresses, and what the client of the backend's.
fn addressing(admitted: &Admitted) -> Addressing {
    admitted.backend().map(|(group, _)| group.addressing).unwrap_or_default()
}

/// The part of the path that the client wrote and the backend does not see: what proxies in front took off, and the API's
/// context and version. Empty unless the backend's addressing asks for it.
fn client_base(admitted: &Admitted, head: &RequestHead<'_>) -> String {
    let Addressing { rewrite_location, forward_prefix, .. } = addressing(admitted);
    if !rewrite_location && !forward_prefix {
        return String::new();
    }
    let base = head.path.as_str().get(..admitted.base_length()).unwrap_or_default();
    format!("{}{base}", head.named.origin.prefix())
}

/// HTTP/2 may send one cookie a field; HTTP/1.1 has one field (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut fields = headers.get_all(header::COOKIE).iter();
    if fields.next().is_none() || fields.next().is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> =
        headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

fn pass_on(
    exchange: &mut Exchange,
    admitted: &Admitted,
    answer: BackendAnswer,
    id: HeaderValue,
    said: &RequestStatement<'_>,
) -> Response<ResponseBody> {
    let BackendAnswer { mut response, target } = answer;
    let api = &admitted.api().definition;
    let version = response.version();
    headers::rewrite_response(response.headers_mut(), version);
    if let Some((group, _)) = admitted.backend()
        && group.addressing.rewrite_location
    {
        let origin = &said.named.origin;
        let client =
            ClientAddress { scheme: origin.scheme(), host: origin.host(), base: said.client_base };
        location::rewrite(response.headers_mut(), group, &target, &client);
    }
    headers::apply(&api.response_headers, response.headers_mut());
    response.headers_mut().insert(trace::REQUEST_ID, id);
    if said.in_query && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // RFC 6750 section 2.3: the address holds a token
        response
            .headers_mut()
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("private"));
    }
    *response.version_mut() = Version::HTTP_11;
    exchange.backend = Some(target);
    exchange.answered(response.status().as_u16(), Reason::Forwarded);
    response
}
