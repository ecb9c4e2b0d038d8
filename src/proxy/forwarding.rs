//! Forwards a prepared request within the time of the whole exchange.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use http::{Response, StatusCode, Version};

use crate::backend::CompiledTarget;
use crate::forward::body::ResponseBody;
use crate::forward::failure::ForwardError;
use crate::forward::targets::Outgoing;
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
    pub(super) response: Response<ResponseBody>,
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
    let answered = {
        let attempts = &mut exchange.backend.attempts;
        // made here and not handed in, because the future is large
        let forwarding = worker.forwarder().forward(admitted, outgoing, &progress, attempts);
        let mut forwarding = pin!(forwarding);
        poll_fn(|context| match forwarding.as_mut().poll(context) {
            Poll::Ready(answered) => Poll::Ready(answered),
            Poll::Pending => way_back.deadline.as_ref().map_or(Poll::Pending, |deadline| {
                deadline.poll(context).map(|()| Err(ForwardError::TooLong))
            }),
        })
        .await
    };
    exchange.backend.time = Some(began.elapsed());
    let checked = answered.and_then(|response| {
        let target = exchange.backend.attempts.target.as_deref();
        let switched = is_switch(&response, target, way_back.upgrade.as_deref())?;
        Ok(ForwardedAnswer { response, switched })
    });
    checked.map_err(|error| Refusal::because(error.reason(), with_causes(&error)))
}

/// Tells whether the backend switched protocols. A switch without a request for it is a fault.
fn is_switch(
    response: &Response<ResponseBody>,
    target: Option<&CompiledTarget>,
    upgrade: Option<&UpgradeRequest>,
) -> Result<bool, ForwardError> {
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
    let target = target.map(|target| target.label.to_string()).unwrap_or_default();
    Err(ForwardError::UpgradeRefused { target })
}
