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

use std::rc::Rc;

use http::{Request, StatusCode};

use crate::backend::target_health::monotonic_millis;
use crate::backend::{BackendGroup, TargetAddress, TargetAddresses, Turns};
use crate::forward::attempt::NotAnswered;
use crate::forward::body::progress::RequestProgress;
use crate::forward::body::request::RequestBody;
use crate::forward::failure::ForwardError;
use crate::forward::forwarder::Forwarder;
use crate::forward::kept_request::again_without_body;
use crate::model::backend::Retries;

/// Tells whether the head of a request is kept for another attempt.
pub(super) fn sends_answered_again(retries: Retries) -> bool {
    retries.reset || retries.bad_gateway || retries.unavailable
}

/// Tells whether the operator asks for another attempt after this status.
fn may_retry(retries: Retries, status: StatusCode) -> bool {
    (status == StatusCode::BAD_GATEWAY && retries.bad_gateway)
        || (status == StatusCode::SERVICE_UNAVAILABLE && retries.unavailable)
}

/// The facts that decide whether a request is sent once more.
pub(super) struct Repeating<'r> {
    pub(super) forwarder: &'r Forwarder,
    pub(super) group: &'r BackendGroup,
    pub(super) turns: &'r Turns,
    pub(super) progress: &'r Rc<RequestProgress>,
}

/// A finished attempt: the addresses to choose from, and the one that was tried.
pub(super) type FinishedAttempt<'r> = (&'r TargetAddresses, &'r TargetAddress);

impl Repeating<'_> {
    /// Notes an answer. Returns the request for another attempt if the answer shows a target in
    /// trouble.
    pub(super) fn answered(
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
    pub(super) fn failed(
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
