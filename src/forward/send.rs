//! Sends one request on one connection, and waits for the response head.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use crate::backend::CompiledTarget;
use crate::forward::addressing::speak;
use crate::forward::body::progress::{RequestProgress, RequestState};
use crate::forward::body::request::RequestBody;
use crate::forward::early_hints::Interim;
use crate::forward::failure::ForwardError;
use crate::forward::framing;
use crate::forward::pool::lease::Lease;

/// The outcome of sending.
pub(super) enum Sent {
    Answered(Response<Incoming>, Lease),
    /// No byte was sent: the request is back.
    Unsent(Box<Request<RequestBody>>),
    /// The backend reported that it did not process the request.
    Refused(hyper::Error),
    Failed(ForwardError),
}

/// The part of an exchange that its connection needs.
#[derive(Clone, Copy)]
pub(super) struct Sending<'t> {
    pub(super) response_timeout: Duration,
    pub(super) progress: &'t Rc<RequestProgress>,
    pub(super) interim: &'t Arc<Interim>,
}

/// Sends. Dropping the future closes the connection, or resets its stream.
pub(super) async fn send(
    sending: Sending<'_>,
    target: &CompiledTarget,
    mut lease: Lease,
    mut request: Box<Request<RequestBody>>,
) -> Sent {
    let Sending { response_timeout, progress, interim } = sending;
    let http2 = lease.is_http2();
    if speak(&mut request, target, http2).is_err() {
        return Sent::Failed(ForwardError::NoBackend);
    }
    interim.begin();
    if !http2 {
        listen(&mut request, interim);
    }
    let reads = lease.reads();
    progress.await_response(response_timeout);
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
        return Sent::Failed(ForwardError::InterimFlood { target: target.label.to_string() });
    }
    match answer {
        None => {
            // if no byte came at all, other requests should not wait in vain too
            if lease.reads() == reads {
                lease.retire();
            }
            Sent::Failed(ForwardError::Timeout { target: target.label.to_string() })
        }
        Some(Ok(response)) => answered(target, lease, response, &method, progress),
        Some(Err(error)) => unanswered(target, &lease, error, progress),
    }
}

/// Accepts a response head whose framing has one reading.
fn answered(
    target: &CompiledTarget,
    mut lease: Lease,
    mut response: Response<Incoming>,
    method: &Method,
    progress: &RequestProgress,
) -> Sent {
    progress.response_came();
    match framing::check(&mut response, method) {
        Ok(reuse) => {
            lease.trust(reuse);
            Sent::Answered(response, lease)
        }
        Err(source) => {
            let target = target.label.to_string();
            Sent::Failed(ForwardError::Framing { target, source })
        }
    }
}

/// Finds out how far a request without an answer came.
fn unanswered(
    target: &CompiledTarget,
    lease: &Lease,
    mut error: TrySendError<Request<RequestBody>>,
    progress: &RequestProgress,
) -> Sent {
    if let Some(request) = error.take_message() {
        return Sent::Unsent(Box::new(request));
    }
    let (error, state) = (error.into_error(), progress.state());
    let whole = matches!(state, RequestState::Streaming | RequestState::Complete);
    if whole && lease.is_http2() && is_unprocessed(&error) {
        return Sent::Refused(error);
    }
    let failure = failure(target, error, state);
    if matches!(failure, ForwardError::Protocol { .. }) {
        lease.said_too_much();
    }
    Sent::Failed(failure)
}

/// Counts the interim answers to a request on an HTTP/1.1 connection, and passes on those that the
/// client can get.
fn listen(request: &mut Request<RequestBody>, interim: &Arc<Interim>) {
    let interim = Arc::clone(interim);
    hyper::ext::on_informational(request, move |answer| {
        interim.take(answer.status(), answer.headers());
    });
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

/// Tells whether the backend reported that it did not process the request. Either it refused the
/// stream, or it is going away and the stream is beyond the last one that it accepted (RFC 9113
/// section 8.7).
fn is_unprocessed(error: &hyper::Error) -> bool {
    let Some(error) = error.source().and_then(|source| source.downcast_ref::<h2::Error>()) else {
        return false;
    };
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    // of the streams of a GOAWAY, the library ends those with this error that are beyond the last
    error.is_remote() && (refused || error.is_go_away())
}
