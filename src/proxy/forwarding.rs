//! Forwards a prepared request within the time of the whole exchange.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use http::{StatusCode, Version};

use crate::forward::failure::ForwardError;
use crate::forward::targets::{BackendAnswer, Outgoing};
use crate::proxy::exchange::Exchange;
use crate::proxy::outgoing::WayBack;
use crate::proxy::refusal::Refusal;
use crate::proxy::stream::upgrade::UpgradeRequest;
use crate::proxy::worker::Worker;
use crate::telemetry::with_causes;
use crate::throttle::Admitted;

/// The backend's response head.
#[derive(Debug)]
pub(super) struct ForwardedAnswer {
    pub(super) answer: BackendAnswer,
    /// The backend switched protocols, as the client asked.
    pub(super) switched: bool,
}

/// Forwards, and waits for the response head.
pub(super) async fn forward(
    worker: &Worker,
    exchange: &mut Exchange,
    admitted: &Admitted,
    outgoing: Outgoing<'_>,
    way_back: &WayBack,
) -> Result<ForwardedAnswer, Refusal> {
    let progress = Rc::clone(outgoing.request.body().progress());
    let began = Instant::now();
    exchange.backend.began = Some(began);
    // made here and not handed in, because the future is large
    let mut forwarding = pin!(worker.forwarder().forward(admitted, outgoing, &progress));
    let answered = poll_fn(|context| match forwarding.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(answer),
        Poll::Pending => way_back.deadline.as_ref().map_or(Poll::Pending, |deadline| {
            deadline.poll(context).map(|()| Err(ForwardError::TooLong))
        }),
    })
    .await;
    exchange.backend.time = Some(began.elapsed());
    let checked = answered.and_then(|answer| {
        let switched = is_switch(&answer, way_back.upgrade.as_deref())?;
        Ok(ForwardedAnswer { answer, switched })
    });
    checked.map_err(|error| Refusal::because(error.reason(), with_causes(&error)))
}

/// Tells whether the backend switched protocols. A switch without a request for it is a fault.
fn is_switch(
    answer: &BackendAnswer,
    upgrade: Option<&UpgradeRequest>,
) -> Result<bool, ForwardError> {
    let response = &answer.response;
    if response.status() == StatusCode::OK
        && response.version() == Version::HTTP_2
        && upgrade.is_some()
    {
        return Ok(true);
    }
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(false);
    }
    if upgrade.is_some_and(|upgrade| upgrade.is_answered_by(response.headers())) {
        return Ok(true);
    }
    Err(ForwardError::UpgradeRefused { target: answer.target.label.to_string() })
}
