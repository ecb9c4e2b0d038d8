//! Forwards one request to one backend group: choose a target, try it, and try another if that is
//! allowed.
//!
//! Decides which requests are sent again:
//!
//! - a request that was never sent, to another target;
//! - a request whose stream the backend refused, or left behind with its GOAWAY (RFC 9113 section
//!   8.7), whatever its method;
//! - a request that was sent on a used connection which the backend was just closing;
//! - after a reset or a 502 or 503, if the operator asks for it.
//!
//! A request that may have arrived is sent again only if it is idempotent and has no body, so never
//! a POST. Retries have a budget, so that they never become the load that breaks a slow backend.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use http::{HeaderValue, Request, Response, StatusCode, header};

use crate::backend::target_health::monotonic_millis;
use crate::backend::{BackendGroup, CompiledTarget, TargetAddress, TargetAddresses, Turns};
use crate::forward::addressing::{address, lacks_length};
use crate::forward::attempt::{NotAnswered, Trying};
use crate::forward::balance::{Choice, Tried, choose};
use crate::forward::body::progress::RequestProgress;
use crate::forward::body::request::RequestBody;
use crate::forward::body::response::ResponseBody;
use crate::forward::early_hints::Interim;
use crate::forward::failure::ForwardError;
use crate::forward::forwarder::Forwarder;
use crate::forward::pool::ConnectionPurpose;
use crate::forward::resend::{again_without_body, may_retry, sends_answered_again, spare};
use crate::throttle::Admitted;

/// A request on its way out, final except for its URI and `Host`. It is boxed because it is passed
/// on many times.
#[derive(Debug)]
pub struct Outgoing<'p> {
    pub request: Box<Request<RequestBody>>,
    /// The path below context and version, in normal form.
    pub path: &'p str,
    pub query: Option<&'p str>,
    /// The client's `Host`, if the backend gets it.
    pub host: Option<HeaderValue>,
    /// The key for consistent hashing.
    pub key: Vec<u8>,
    pub purpose: ConnectionPurpose,
    /// Receives interim answers.
    pub interim: Arc<Interim>,
    /// The other requests in flight on the client's connection.
    pub neighbors: usize,
}

/// A backend's head, with its body on the way.
#[derive(Debug)]
pub struct BackendAnswer {
    pub response: Response<ResponseBody>,
    pub target: Arc<CompiledTarget>,
}

impl Forwarder {
    /// Forwards an admitted request. Dropping the future closes the backend's connection, or resets
    /// its stream.
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
            peek(&mut request).await;
        }
        let repeating = Repeating { forwarder: self, group, turns, progress };
        let mut known = self.endpoints(group, turns, now);
        let mut tried: Vec<Tried> = Vec::new();
        loop {
            let endpoints = &*known;
            let choice = Choice { turn, key: &key, now, tried: &tried };
            let mut asked = choose(group, endpoints, choice).ok_or(ForwardError::NoBackend)?;
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
            let attempt = (endpoints, asked);
            request = match answered {
                Ok(response) => match repeating.answered(attempt, response.status(), spare) {
                    Some(next) => next,
                    None => {
                        return Ok(BackendAnswer { response, target: Arc::clone(&asked.target) });
                    }
                },
                Err(failure) => repeating.failed(attempt, again, failure, spare)?,
            };
            self.counters.backend_retried();
            tried.push(Arc::as_ptr(&asked.health));
        }
    }
}

/// Looks once whether a body without a length is there at all.
async fn peek(request: &mut Request<RequestBody>) {
    poll_fn(|context| {
        request.body_mut().peek(context);
        Poll::Ready(())
    })
    .await;
}

/// The facts that decide whether a request is sent once more.
struct Repeating<'r> {
    forwarder: &'r Forwarder,
    group: &'r BackendGroup,
    turns: &'r Turns,
    progress: &'r Rc<RequestProgress>,
}

/// A finished attempt: the addresses to choose from, and the one that was tried.
type FinishedAttempt<'r> = (&'r TargetAddresses, &'r TargetAddress);

impl Repeating<'_> {
    /// Notes an answer. Returns the request for another attempt if the answer shows a target in
    /// trouble.
    fn answered(
        &self,
        attempt: FinishedAttempt<'_>,
        status: StatusCode,
        spare: Option<Request<()>>,
    ) -> Option<Box<Request<RequestBody>>> {
        self.note(attempt, !is_trouble(status));
        let retries = self.group.retries;
        let spare = spare.filter(|_| may_retry(retries, status) && self.turns.retry());
        spare.map(|head| again_without_body(head, self.progress))
    }

    /// Notes a failure. Returns the request for another attempt, or the failure. `again`: another
    /// attempt is within `attempts`.
    fn failed(
        &self,
        attempt: FinishedAttempt<'_>,
        again: bool,
        (error, returned): NotAnswered,
        spare: Option<Request<()>>,
    ) -> Result<Box<Request<RequestBody>>, ForwardError> {
        let (_, asked) = attempt;
        let unresolved = asked.address.is_none();
        // the connecting code has noted the addresses that accepted no connection
        if error.is_the_targets() && (!error.before_sending() || unresolved) {
            self.note(attempt, false);
        }
        if unresolved && error.is_the_targets() {
            asked.health.refused(monotonic_millis());
        }
        let retries = self.group.retries;
        let next = match returned {
            // a request that comes back with its error was not processed
            Some(request) if again && retries.connect => Some(request),
            _ if retries.reset && matches!(error, ForwardError::Reset { .. }) => {
                spare.map(|head| again_without_body(head, self.progress))
            }
            _ => None,
        };
        next.filter(|_| self.turns.retry()).ok_or(error)
    }

    fn note(&self, (endpoints, asked): FinishedAttempt<'_>, good: bool) {
        self.forwarder.note(self.group, endpoints, asked, good);
    }
}

/// Tells whether a status means that the target is in trouble.
fn is_trouble(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}
