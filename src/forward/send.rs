//! One request to one backend group: choose, send, wait for the head.
//!
//! Decides what may be sent again: a request that never left, to any target; one that left on a used connection which
//! the backend was just closing, only if it is idempotent and has no body. A POST that may have arrived is never sent
//! twice.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Response, Uri, header};
use http_body::Body;
use hyper::body::Incoming;

use crate::deadline::Deadlines;
use crate::forward::body::{RequestBody, RequestProgress, RequestState, ResponseBody};
use crate::forward::failure::ForwardError;
use crate::forward::pool::{Lease, LeaseKind, Pools};
use crate::snapshot::backend::{BackendGroup, CompiledTarget};
use crate::throttle::Admitted;

/// At most this many targets are tried for one request that could not be sent.
const MOST_TARGETS: usize = 3;

/// A request on its way out: headers final but for `Host`.
#[derive(Debug)]
pub struct Outgoing<'p> {
    pub method: Method,
    /// Below context and version, in normal form.
    pub path: &'p str,
    pub query: Option<&'p str>,
    pub headers: HeaderMap,
    pub body: RequestBody,
}

/// A backend's head, with its body on the way.
#[derive(Debug)]
pub struct Answer {
    pub response: Response<ResponseBody>,
    pub target: Arc<CompiledTarget>,
}

/// What a worker lends to forwarding.
#[derive(Debug)]
pub struct Forwarder {
    pub pools: Pools,
    pub deadlines: Rc<Deadlines>,
}

enum Sent {
    Answered(Response<Incoming>, Lease),
    /// Not a byte left: the request is back.
    Unsent(Request<RequestBody>),
    Failed(ForwardError),
}

impl Forwarder {
    /// Forwards an admitted request. Dropping the future closes the backend's connection.
    pub async fn forward(
        &self,
        admitted: &Admitted,
        outgoing: Outgoing<'_>,
        progress: &Rc<RequestProgress>,
    ) -> Result<Answer, ForwardError> {
        let (group, turn) = admitted.backend().ok_or(ForwardError::NoBackend)?;
        let Outgoing { method, path, query, headers, body } = outgoing;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        let tries = group.targets.len().clamp(1, MOST_TARGETS);
        let mut last = ForwardError::NoBackend;
        for attempt in 0..tries {
            let target = group.target(turn.wrapping_add(attempt)).ok_or(ForwardError::NoBackend)?;
            address(&mut request, target, path, query)?;
            match self.try_target(group, target, request, progress).await {
                Ok(response) => {
                    let target = Arc::clone(target);
                    return Ok(Answer { response, target });
                }
                Err((error, Some(returned))) if error.before_sending() => {
                    request = returned;
                    last = error;
                }
                Err((error, _)) => return Err(error),
            }
        }
        Err(last)
    }

    async fn try_target(
        &self,
        group: &BackendGroup,
        target: &Arc<CompiledTarget>,
        mut request: Request<RequestBody>,
        progress: &Rc<RequestProgress>,
    ) -> Result<Response<ResponseBody>, (ForwardError, Option<Request<RequestBody>>)> {
        if let Some(lease) = self.pools.idle(target).await {
            let spare = if lease.kind() == LeaseKind::Aged { spare(&request) } else { None };
            match self.send(group, target, lease, request, progress).await {
                Sent::Answered(response, lease) => return Ok(self.answer(response, lease, progress)),
                Sent::Unsent(returned) => request = returned,
                Sent::Failed(error) => match (error, spare) {
                    (ForwardError::Reset { .. }, Some(head)) => request = head.map(|()| RequestBody::empty(Rc::clone(progress))),
                    (error, _) => return Err((error, None)),
                },
            }
        }
        let lease = match self.pools.connect(target, group.connect_timeout).await {
            Ok(lease) => lease,
            Err(error) => return Err((error, Some(request))),
        };
        match self.send(group, target, lease, request, progress).await {
            Sent::Answered(response, lease) => Ok(self.answer(response, lease, progress)),
            Sent::Unsent(_) => Err((closed_at_once(target), None)),
            Sent::Failed(error) => Err((error, None)),
        }
    }
}

impl Forwarder {
    async fn send(
        &self,
        group: &BackendGroup,
        target: &CompiledTarget,
        mut lease: Lease,
        request: Request<RequestBody>,
        progress: &Rc<RequestProgress>,
    ) -> Sent {
        progress.await_response(group.response_timeout);
        let answer = lease.sender().try_send_request(request);
        let mut answer = pin!(answer);
        let answer = poll_fn(|context| match answer.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => progress.poll_response_deadline(context).map(|()| None),
        })
        .await;
        match answer {
            None => Sent::Failed(ForwardError::Timeout { target: target.label.to_string() }),
            Some(Ok(response)) => {
                progress.response_came();
                Sent::Answered(response, lease)
            }
            Some(Err(mut error)) => match error.take_message() {
                Some(request) => Sent::Unsent(request),
                None => Sent::Failed(failure(target, error.into_error(), progress.state())),
            },
        }
    }

    fn answer(&self, response: Response<Incoming>, lease: Lease, progress: &Rc<RequestProgress>) -> Response<ResponseBody> {
        response.map(|incoming| ResponseBody::new(incoming, lease, Rc::clone(progress), &self.deadlines))
    }
}

/// Puts a target's address on a request.
fn address(request: &mut Request<RequestBody>, target: &CompiledTarget, path: &str, query: Option<&str>) -> Result<(), ForwardError> {
    let base = target.definition.base_path.as_str();
    let mut text =
        String::with_capacity(base.len().saturating_add(path.len()).saturating_add(query.map_or(1, |query| query.len().saturating_add(2))));
    text.push_str(base);
    text.push_str(path);
    if text.is_empty() {
        text.push('/');
    }
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    // both parts were read as parts of a valid URI, so this cannot fail; were it to, nothing is sent
    let path = PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).map_err(|_| ForwardError::NoBackend)?;
    *request.uri_mut() = Uri::from(path);
    request.headers_mut().insert(header::HOST, target.authority.clone());
    Ok(())
}

/// The head again, for a request that may be sent twice without harm (RFC 9110 section 9.2.2).
fn spare(request: &Request<RequestBody>) -> Option<Request<()>> {
    if !request.method().is_idempotent() || !request.body().is_end_stream() {
        return None;
    }
    let mut head = Request::new(());
    head.method_mut().clone_from(request.method());
    head.uri_mut().clone_from(request.uri());
    head.headers_mut().clone_from(request.headers());
    Some(head)
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

/// A new connection that ended before a byte could be written.
fn closed_at_once(target: &CompiledTarget) -> ForwardError {
    ForwardError::Reset { target: target.label.to_string(), source: None }
}
