//! One request to one backend group: choose, send, wait for the head.
//!
//! Decides what may be sent again: a request that never left, to another target; one whose stream the backend refused, or
//! left behind with its GOAWAY (RFC 9113 section 8.7), whatever its method; one that left on a used connection which the
//! backend was just closing; and after a reset or a 502 or 503 where the operator asks for it. What may have arrived is sent
//! again only if it is idempotent and has no body: a POST never is. Retries have a budget, so that they never become the
//! load that breaks a backend which only was slow.

use std::error::Error;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::ops::Deref;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::Body;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use crate::backend::Turns;
use crate::backend::target_health::{TargetHealth, monotonic_millis};
use crate::backend::{BackendGroup, CompiledTarget, TargetAddress, TargetAddresses};
use crate::deadline::Deadlines;
use crate::forward::addressing::{address, lacks_length, speak};
use crate::forward::balance::{Choice, Tried, choose};
use crate::forward::body::{RequestBody, RequestProgress, RequestState, ResponseBody};
use crate::forward::early_hints::Interim;
use crate::forward::extended_connect::{self, UpgradeSupport};
use crate::forward::failure::ForwardError;
use crate::forward::framing;
use crate::forward::pool::{ConnectionPurpose, Lease, LeaseKind, Pools};
use crate::forward::reach::{Fate, Way};
use crate::model::backend::{Http2, Retries};
use crate::telemetry::WorkerCounters;
use crate::throttle::Admitted;

/// A request on its way out, boxed because it is handed on many times: final but for its URI and `Host`.
#[derive(Debug)]
pub struct Outgoing<'p> {
    pub request: Box<Request<RequestBody>>,
    /// Below context and version, in normal form.
    pub path: &'p str,
    pub query: Option<&'p str>,
    /// The client's `Host`, where the backend gets it.
    pub host: Option<HeaderValue>,
    /// What consistent hashing goes by.
    pub key: Vec<u8>,
    pub purpose: ConnectionPurpose,
    /// Where interim answers go.
    pub interim: Arc<Interim>,
    /// The other requests that are in flight on the client's connection.
    pub neighbors: usize,
}

/// A backend's head, with its body on the way.
#[derive(Debug)]
pub struct BackendAnswer {
    pub response: Response<ResponseBody>,
    pub target: Arc<CompiledTarget>,
}

/// What a worker lends to forwarding.
#[derive(Debug)]
pub struct Forwarder {
    pub pools: Pools,
    pub deadlines: Rc<Deadlines>,
    pub counters: Arc<WorkerCounters>,
}

/// A request that is with its target; counted where the busy targets get fewer.
#[derive(Debug)]
pub struct InFlightRequest(Arc<TargetHealth>);

impl InFlightRequest {
    fn new(endpoint: &TargetAddress) -> Self {
        endpoint.standing.began();
        Self(Arc::clone(&endpoint.standing))
    }
}

impl Drop for InFlightRequest {
    fn drop(&mut self) {
        self.0.ended();
    }
}

enum Sent {
    Answered(Response<Incoming>, Lease),
    /// Not a byte left: the request is back.
    Unsent(Box<Request<RequestBody>>),
    /// The backend said that it did not process the request.
    Refused(hyper::Error),
    Failed(ForwardError),
}

/// What stays the same for all tries of one request.
#[derive(Clone, Copy)]
struct Trying<'t> {
    group: &'t BackendGroup,
    endpoints: &'t TargetAddresses,
    progress: &'t Rc<RequestProgress>,
    interim: &'t Arc<Interim>,
    purpose: ConnectionPurpose,
    neighbors: usize,
}

/// A group's endpoints, borrowed from it or resolved by the worker.
enum GroupAddresses<'g> {
    Written(&'g TargetAddresses),
    Resolved(Rc<TargetAddresses>),
}

impl Deref for GroupAddresses<'_> {
    type Target = TargetAddresses;

    fn deref(&self) -> &TargetAddresses {
        match self {
            Self::Written(endpoints) => endpoints,
            Self::Resolved(endpoints) => endpoints,
        }
    }
}

/// How often a request that a backend refuses to look at is sent again to that backend.
const MOST_REFUSALS: u32 = 3;

/// No answer; with the request where the backend did not process it.
type NotAnswered = (ForwardError, Option<Box<Request<RequestBody>>>);

impl Forwarder {
    /// Forwards an admitted request. Dropping the future closes the backend's connection, or resets its stream.
    pub async fn forward(
        &self,
        admitted: &Admitted,
        outgoing: Outgoing<'_>,
        progress: &Rc<RequestProgress>,
    ) -> Result<BackendAnswer, ForwardError> {
        let (group, turns) = admitted.backend().ok_or(ForwardError::NoBackend)?;
        let now = monotonic_millis();
        let turn = turns.next(group.retries.budget, now);
        let Outgoing { mut request, path, query, host, key, purpose, interim, neighbors } =
            outgoing;
        if lacks_length(&request) {
            poll_fn(|context| {
                request.body_mut().peek(context);
                Poll::Ready(())
            })
            .await;
        }
        let mut known = self.endpoints(group, turns, now);
        let mut tried: Vec<Tried> = Vec::new();
        loop {
            let endpoints = &*known;
            let mut asked =
                choose(group, endpoints, Choice { turn, key: &key, now, tried: &tried })
                    .ok_or(ForwardError::NoBackend)?;
            let target = &asked.target;
            address(&mut request, target, path, query)?;
            if let Some(host) = &host {
                request.headers_mut().insert(header::HOST, host.clone());
            }
            let again =
                u32::try_from(tried.len()).is_ok_and(|tries| tries < group.retries.attempts);
            let spare =
                if again && sends_answered_again(group.retries) { spare(&request) } else { None };
            let answered = match asked.address {
                Some(first) => {
                    let interim = &interim;
                    let trying = Trying { group, endpoints, progress, interim, purpose, neighbors };
                    self.try_target(trying, first, &mut asked, request).await
                }
                // seldom: the name has no address yet, or none any more
                None => match Box::pin(self.pools.resolve(target, group.connect_timeout)).await {
                    Ok(()) if endpoints.changes != self.pools.changes() => {
                        known = self.endpoints(group, turns, now);
                        continue;
                    }
                    Ok(()) => return Err(ForwardError::NoBackend),
                    Err(error) => Err((error, Some(request))),
                },
            };
            let next = match answered {
                Ok(response) => {
                    let failed = is_trouble(response.status());
                    self.note(group, endpoints, asked, !failed);
                    let spare = spare
                        .filter(|_| may_retry(group.retries, response.status()) && turns.retry());
                    let Some(head) = spare else {
                        return Ok(BackendAnswer { response, target: Arc::clone(&asked.target) });
                    };
                    again_without_body(head, progress)
                }
                Err((error, returned)) => {
                    // whoever connects notes the addresses that took no connection
                    if error.is_the_targets()
                        && (!error.before_sending() || asked.address.is_none())
                    {
                        self.note(group, endpoints, asked, false);
                    }
                    if asked.address.is_none() && error.is_the_targets() {
                        asked.standing.refused(monotonic_millis());
                    }
                    let next = match returned {
                        // whatever comes back with its error was not processed
                        Some(request) if again && group.retries.connect => Some(request),
                        _ if group.retries.reset && matches!(error, ForwardError::Reset { .. }) => {
                            spare.map(|head| again_without_body(head, progress))
                        }
                        _ => None,
                    };
                    next.filter(|_| turns.retry()).ok_or(error)?
                }
            };
            self.counters.backend_retried();
            tried.push(Arc::as_ptr(&asked.standing));
            request = next;
        }
    }

    /// The endpoints of a group: of names, as this worker knows their addresses now.
    fn endpoints<'g>(
        &self,
        group: &'g BackendGroup,
        turns: &Turns,
        now: u64,
    ) -> GroupAddresses<'g> {
        if let Some(written) = &group.written {
            return GroupAddresses::Written(written);
        }
        let changes = self.pools.changes();
        let resolve = |target: &CompiledTarget| self.pools.addresses(target).to_vec();
        GroupAddresses::Resolved(turns.endpoints(changes, || group.resolved(now, changes, resolve)))
    }

    /// What an attempt says of the endpoint that was asked.
    fn note(
        &self,
        group: &BackendGroup,
        endpoints: &TargetAddresses,
        asked: &TargetAddress,
        good: bool,
    ) {
        if good && group.eject.is_none() && endpoints.is_single() {
            return;
        }
        let (standing, now) = (&asked.standing, monotonic_millis());
        if good {
            standing.succeeded(now);
            return;
        }
        if group.eject.as_ref().is_some_and(|rule| standing.failed(rule))
            && group.eject(endpoints, asked, now)
        {
            self.counters.backend_ejected();
            let address = asked.address.map(tracing::field::display);
            tracing::warn!(target: "portcullis::forward", backend = %asked.target.label, address, "target ejected: too many failures in a row");
        }
    }

    /// Opens a connection to the endpoint, or to another address of its target.
    async fn connect<'t>(
        &self,
        trying: Trying<'t>,
        first: SocketAddr,
        asked: &mut &'t TargetAddress,
    ) -> Result<Lease, ForwardError> {
        let Trying { group, endpoints, purpose, .. } = trying;
        let (target, now) = (&asked.target, monotonic_millis());
        asked.standing.probing(now);
        let hears = |address: SocketAddr, fate: Fate| {
            let Some(endpoint) = endpoints.find(target, address) else { return };
            let now = monotonic_millis();
            if !endpoint.standing.refuses(now) {
                tracing::debug!(target: "portcullis::forward", backend = %target.label, %address, ?fate, "no connection");
            }
            endpoint.standing.refused(now);
            if fate == Fate::Failed {
                self.note(group, endpoints, endpoint, false);
            }
        };
        let way =
            Way::new(target, first, endpoints.others(asked, now), &hears).beside(trying.neighbors);
        let (limit, patience) = (group.connect_timeout, group.response_timeout);
        let connected = self.pools.connect(&way, purpose, limit, patience).await;
        if let Some(endpoint) = way.connected().and_then(|address| endpoints.find(target, address))
        {
            *asked = endpoint;
        }
        connected
    }

    async fn try_target<'t>(
        &self,
        trying: Trying<'t>,
        first: SocketAddr,
        asked: &mut &'t TargetAddress,
        mut request: Box<Request<RequestBody>>,
    ) -> Result<Response<ResponseBody>, NotAnswered> {
        let Trying { group, progress, purpose, .. } = trying;
        let target = &asked.target;
        let multiplexed_upgrade =
            purpose == ConnectionPurpose::Upgrade && target.http2 == Http2::Always;
        if multiplexed_upgrade && extended_connect::ask(&mut request) == UpgradeSupport::Impossible
        {
            return Err((ForwardError::NoUpgrade { target: target.label.to_string() }, None));
        }
        let mut busy = group.counts_in_flight().then(|| InFlightRequest::new(asked));
        let mut idle = if purpose == ConnectionPurpose::Exchange {
            self.pools.idle(target, first)
        } else {
            None
        };
        let mut refusals: u32 = 0;
        loop {
            let lease = match idle.take() {
                Some(lease) => lease,
                // seldom, and large: not a part of each request's future
                None => {
                    let before = *asked;
                    match Box::pin(self.connect(trying, first, asked)).await {
                        Ok(lease) => {
                            if busy.is_some() && !std::ptr::eq(before, *asked) {
                                busy = Some(InFlightRequest::new(asked));
                            }
                            lease
                        }
                        Err(error) => return Err((error, Some(request))),
                    }
                }
            };
            let (kind, http2) = (lease.kind(), lease.is_http2());
            let spare = if http2 {
                Some(keep(&request, progress))
            } else if matches!(kind, LeaseKind::Aged | LeaseKind::Doubtful) {
                spare(&request)
            } else {
                None
            };
            if kind == LeaseKind::Doubtful && spare.is_none() {
                continue;
            }
            match self.send(trying, target, lease, request).await {
                Sent::Answered(response, lease) => {
                    return Ok(self.answer(group, response, lease, progress, busy));
                }
                Sent::Unsent(returned) if kind == LeaseKind::Fresh => {
                    return Err((closed_at_once(target), Some(returned)));
                }
                Sent::Unsent(returned) => request = returned,
                Sent::Refused(source) => {
                    refusals = refusals.saturating_add(1);
                    let error = ForwardError::Unprocessed {
                        target: target.label.to_string(),
                        source: Some(source),
                    };
                    let again = match spare {
                        Some(head) => again(head, progress).await,
                        None => None,
                    };
                    match again {
                        Some(again) if refusals <= MOST_REFUSALS => request = again,
                        again => return Err((error, again)),
                    }
                    self.counters.backend_retried();
                }
                Sent::Failed(error) => match (error, spare) {
                    (ForwardError::Reset { .. } | ForwardError::Protocol { .. }, Some(head))
                        if !http2 =>
                    {
                        request = again_without_body(head, progress);
                    }
                    (error, _) => return Err((error, None)),
                },
            }
        }
    }

    async fn send(
        &self,
        trying: Trying<'_>,
        target: &CompiledTarget,
        mut lease: Lease,
        mut request: Box<Request<RequestBody>>,
    ) -> Sent {
        let Trying { group, progress, interim, .. } = trying;
        let http2 = lease.is_http2();
        if speak(&mut request, target, http2).is_err() {
            return Sent::Failed(ForwardError::NoBackend);
        }
        interim.begin();
        if !http2 {
            listen(&mut request, interim);
        }
        let label = || target.label.to_string();
        let reads = lease.reads();
        progress.await_response(group.response_timeout);
        let method = request.method().clone();
        let answer = {
            let mut answer = pin!(lease.send(request));
            poll_fn(|context| match answer.as_mut().poll(context) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending if interim.is_flooded() => Poll::Ready(None),
                Poll::Pending => {
                    if interim.is_mute() {
                        interim.wakes(context.waker());
                    }
                    progress.poll_response_deadline(context).map(|()| None)
                }
            })
            .await
        };
        if interim.is_flooded() || lease.is_flooded() {
            return Sent::Failed(ForwardError::InterimFlood { target: label() });
        }
        match answer {
            None => {
                // where nothing at all came, other requests should not wait in vain too
                if lease.reads() == reads {
                    lease.retire();
                }
                Sent::Failed(ForwardError::Timeout { target: label() })
            }
            Some(Ok(mut response)) => {
                progress.response_came();
                match framing::check(&mut response, &method) {
                    Ok(reuse) => lease.trust(reuse),
                    Err(source) => {
                        let target = target.label.to_string();
                        return Sent::Failed(ForwardError::Framing { target, source });
                    }
                }
                Sent::Answered(response, lease)
            }
            Some(Err(mut error)) => match error.take_message() {
                Some(request) => Sent::Unsent(Box::new(request)),
                None => {
                    let error = error.into_error();
                    let state = progress.state();
                    let whole = matches!(state, RequestState::Streaming | RequestState::Complete);
                    if whole && http2 && is_unprocessed(&error) {
                        return Sent::Refused(error);
                    }
                    let failure = failure(target, error, state);
                    if matches!(failure, ForwardError::Protocol { .. }) {
                        lease.said_too_much();
                    }
                    Sent::Failed(failure)
                }
            },
        }
    }

    fn answer(
        &self,
        group: &BackendGroup,
        response: Response<Incoming>,
        lease: Lease,
        progress: &Rc<RequestProgress>,
        busy: Option<InFlightRequest>,
    ) -> Response<ResponseBody> {
        let stall = group.response_stall_timeout;
        // an answered extended CONNECT is a switch as well, and has no status of its own
        let connected = lease.is_http2() && response.extensions().get::<OnUpgrade>().is_some();
        if connected || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return response.map(|incoming| {
                ResponseBody::upgrading(incoming, lease, Rc::clone(progress), busy)
            });
        }
        response.map(|incoming| {
            ResponseBody::new(incoming, lease, Rc::clone(progress), stall, &self.deadlines, busy)
        })
    }
}

/// Whether the head of a request is kept for another time.
fn sends_answered_again(retries: Retries) -> bool {
    retries.reset || retries.bad_gateway || retries.unavailable
}

fn may_retry(retries: Retries, status: StatusCode) -> bool {
    (status == StatusCode::BAD_GATEWAY && retries.bad_gateway)
        || (status == StatusCode::SERVICE_UNAVAILABLE && retries.unavailable)
}

/// An answer that tells of a target in trouble.
fn is_trouble(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}

/// Counts the interim answers to a request on an HTTP/1.1 connection, and passes on what the client can have.
fn listen(request: &mut Request<RequestBody>, interim: &Arc<Interim>) {
    let interim = Arc::clone(interim);
    hyper::ext::on_informational(request, move |answer| {
        interim.take(answer.status(), answer.headers());
    });
}

/// The head again, for a request that may be sent twice without harm (RFC 9110 section 9.2.2).
fn spare(request: &Request<RequestBody>) -> Option<Request<()>> {
    if !request.method().is_idempotent() || !request.body().is_end_stream() {
        return None;
    }
    Some(head(request))
}

fn head(request: &Request<RequestBody>) -> Request<()> {
    let mut head = Request::new(());
    head.method_mut().clone_from(request.method());
    head.uri_mut().clone_from(request.uri());
    head.headers_mut().clone_from(request.headers());
    if let Some(protocol) = request.extensions().get::<hyper::ext::Protocol>() {
        head.extensions_mut().insert(protocol.clone());
    }
    head
}

/// Keeps a request that a backend of HTTP/2 may refuse.
fn keep(request: &Request<RequestBody>, progress: &Rc<RequestProgress>) -> Request<()> {
    if !request.body().is_end_stream() {
        progress.keep();
    }
    head(request)
}

/// A request that was kept, with its whole body. `None` if that is not all there, or the time for an answer is over.
async fn again(
    head: Request<()>,
    progress: &Rc<RequestProgress>,
) -> Option<Box<Request<RequestBody>>> {
    if !progress.keeps() {
        return Some(again_without_body(head, progress));
    }
    let body = poll_fn(|context| match progress.poll_again(context) {
        Poll::Ready(body) => Poll::Ready(body),
        Poll::Pending => progress.poll_response_deadline(context).map(|()| None),
    });
    let body = body.await?;
    Some(Box::new(head.map(|()| body)))
}

fn again_without_body(
    head: Request<()>,
    progress: &Rc<RequestProgress>,
) -> Box<Request<RequestBody>> {
    Box::new(head.map(|()| RequestBody::empty(Rc::clone(progress))))
}

fn failure(target: &CompiledTarget, error: hyper::Error, state: RequestState) -> ForwardError {
    match state {
        RequestState::TooLarge => return ForwardError::BodyTooLarge,
        RequestState::Stalled => return ForwardError::BodyStalled,
        RequestState::Broken => return ForwardError::BodyBroken,
        RequestState::Streaming | RequestState::Complete => {}
    }
    let target = target.label.to_string();
    if error.is_parse() || error.is_parse_status() {
        ForwardError::Protocol { target, source: error }
    } else {
        ForwardError::Reset { target, source: Some(error) }
    }
}

/// Whether the backend said that it did not process the request: it refused the stream, or it is going away and the stream
/// is beyond the last one that it took (RFC 9113 section 8.7).
fn is_unprocessed(error: &hyper::Error) -> bool {
    let Some(error) = error.source().and_then(|source| source.downcast_ref::<h2::Error>()) else {
        return false;
    };
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    // of the streams of a GOAWAY, the library ends those with this error that are beyond the last
    error.is_remote() && (refused || error.is_go_away())
}

/// A new connection that ended before a byte could be written.
fn closed_at_once(target: &CompiledTarget) -> ForwardError {
    ForwardError::Reset { target: target.label.to_string(), source: None }
}
