//! Forwards one request to one backend group: choose a target, try it, and try another if that is
//! allowed.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use http::{HeaderValue, Request, Response, header};

use crate::backend::CompiledTarget;
use crate::backend::target_health::monotonic_millis;
use crate::forward::addressing::{address, lacks_length};
use crate::forward::attempt::Trying;
use crate::forward::balance::{Choice, Tried, choose};
use crate::forward::body::progress::RequestProgress;
use crate::forward::body::request::RequestBody;
use crate::forward::body::response::ResponseBody;
use crate::forward::early_hints::Interim;
use crate::forward::failure::ForwardError;
use crate::forward::forwarder::Forwarder;
use crate::forward::kept_request::spare;
use crate::forward::pool::ConnectionPurpose;
use crate::forward::resend::{Repeating, sends_answered_again};
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

/// The attempts of one request. The exchange owns them, so it knows them too if its client leaves
/// meanwhile.
#[derive(Debug, Default)]
pub struct Attempts {
    /// The target of the last one.
    pub target: Option<Arc<CompiledTarget>>,
    /// The number of times that the request was sent again, to this target or another one.
    pub again: u32,
}

impl Forwarder {
    /// Forwards an admitted request, and waits for the response's head. Dropping the future closes
    /// the backend's connection, or resets its stream.
    pub async fn forward(
        &self,
        admitted: &Admitted,
        outgoing: Outgoing<'_>,
        progress: &Rc<RequestProgress>,
        attempts: &mut Attempts,
    ) -> Result<Response<ResponseBody>, ForwardError> {
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
            attempts.target = Some(Arc::clone(target));
            address(&mut request, target, path, query)?;
            if let Some(host) = &host {
                request.headers_mut().insert(header::HOST, host.clone());
            }
            let again = attempts.again < group.retries.attempts;
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
                    None => return Ok(response),
                },
                Err(failure) => repeating.failed(attempt, again, failure, spare)?,
            };
            self.counters.backend_retried();
            attempts.again = attempts.again.saturating_add(1);
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
