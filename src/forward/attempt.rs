//! One attempt at one target: find a connection, send, and send again if the backend did not
//! process the request.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use crate::backend::target_health::monotonic_millis;
use crate::backend::{BackendGroup, CompiledTarget, TargetAddress, TargetAddresses};
use crate::forward::body::progress::RequestProgress;
use crate::forward::body::request::RequestBody;
use crate::forward::body::response::ResponseBody;
use crate::forward::early_hints::Interim;
use crate::forward::extended_connect::{self, UpgradeSupport};
use crate::forward::failure::ForwardError;
use crate::forward::forwarder::Forwarder;
use crate::forward::in_flight::InFlightRequest;
use crate::forward::kept_request::{again, again_without_body, keep, spare};
use crate::forward::pool::ConnectionPurpose;
use crate::forward::pool::lease::{Lease, LeaseKind};
use crate::forward::reachable_address::{Fate, Way};
use crate::forward::send::{Sending, Sent, send};
use crate::model::backend::Http2;

/// The number of times that a request which a backend refuses to look at is sent again to that
/// backend.
const MOST_REFUSALS: u32 = 3;

/// The facts about a request that stay the same for all its attempts.
#[derive(Clone, Copy)]
pub(super) struct Trying<'t> {
    pub(super) group: &'t BackendGroup,
    pub(super) endpoints: &'t TargetAddresses,
    pub(super) progress: &'t Rc<RequestProgress>,
    pub(super) interim: &'t Arc<Interim>,
    pub(super) purpose: ConnectionPurpose,
    pub(super) neighbors: usize,
}

/// A failure, with the request if the backend did not process it.
pub(super) type NotAnswered = (ForwardError, Option<Box<Request<RequestBody>>>);

impl Forwarder {
    /// Tries the address `first` of a target. `asked` becomes the address that accepted the
    /// connection.
    pub(super) async fn try_target<'t>(
        &self,
        trying: Trying<'t>,
        first: SocketAddr,
        asked: &mut &'t TargetAddress,
        mut request: Box<Request<RequestBody>>,
    ) -> Result<Response<ResponseBody>, NotAnswered> {
        let Trying { group, progress, purpose, interim, .. } = trying;
        let target = &asked.target;
        if purpose == ConnectionPurpose::Upgrade && !can_upgrade(target, &mut request) {
            return Err((ForwardError::NoUpgrade { target: target.label.to_string() }, None));
        }
        let mut busy = group.counts_in_flight().then(|| InFlightRequest::new(asked));
        let may_share = purpose == ConnectionPurpose::Exchange;
        let mut idle = if may_share { self.pools.idle(target, first) } else { None };
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
            let kept = kept(&request, kind, http2, progress);
            if kind == LeaseKind::Doubtful && kept.is_none() {
                continue;
            }
            let sending = Sending { response_timeout: group.response_timeout, progress, interim };
            request = match send(sending, target, lease, request).await {
                Sent::Answered(response, lease) => {
                    return Ok(self.answer(group, response, lease, progress, busy));
                }
                Sent::Unsent(returned) if kind == LeaseKind::Fresh => {
                    return Err((closed_at_once(target), Some(returned)));
                }
                Sent::Unsent(returned) => returned,
                Sent::Refused(source) => {
                    let last = refusals >= MOST_REFUSALS;
                    refusals = refusals.saturating_add(1);
                    let next = Box::pin(refused(target, source, kept, progress, last)).await?;
                    self.counters.backend_retried();
                    next
                }
                Sent::Failed(error) => failed(error, kept, http2, progress)?,
            };
        }
    }

    /// Opens a connection to an address, or to another address of the same target if that one
    /// accepts none.
    async fn connect<'t>(
        &self,
        trying: Trying<'t>,
        first: SocketAddr,
        asked: &mut &'t TargetAddress,
    ) -> Result<Lease, ForwardError> {
        let Trying { group, endpoints, purpose, .. } = trying;
        let (target, now) = (&asked.target, monotonic_millis());
        asked.health.probing(now);
        let hears = |address: SocketAddr, fate: Fate| {
            let Some(endpoint) = endpoints.find(target, address) else { return };
            let now = monotonic_millis();
            if !endpoint.health.refuses(now) {
                tracing::debug!(target: "portcullis::forward", backend = %target.label, %address, ?fate, "no connection");
            }
            endpoint.health.refused(now);
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

/// Translates an upgrade for a target that speaks HTTP/2 only. Returns false if the upgrade has no
/// such form.
fn can_upgrade(target: &CompiledTarget, request: &mut Request<RequestBody>) -> bool {
    target.http2 != Http2::Always || extended_connect::ask(request) == UpgradeSupport::Asked
}

/// Keeps the parts of a request that sending it again needs, if its connection may make that
/// necessary.
fn kept(
    request: &Request<RequestBody>,
    kind: LeaseKind,
    http2: bool,
    progress: &Rc<RequestProgress>,
) -> Option<Request<()>> {
    if http2 {
        Some(keep(request, progress))
    } else if matches!(kind, LeaseKind::Aged | LeaseKind::Doubtful) {
        spare(request)
    } else {
        None
    }
}

/// Makes the request again that a backend refused to look at.
async fn refused(
    target: &CompiledTarget,
    source: hyper::Error,
    kept: Option<Request<()>>,
    progress: &Rc<RequestProgress>,
    last: bool,
) -> Result<Box<Request<RequestBody>>, NotAnswered> {
    let again = match kept {
        Some(head) => again(head, progress).await,
        None => None,
    };
    match again {
        Some(again) if !last => Ok(again),
        again => {
            let target = target.label.to_string();
            Err((ForwardError::Unprocessed { target, source: Some(source) }, again))
        }
    }
}

/// Makes the request again if a connection failed that was used before, and nothing can happen
/// twice.
fn failed(
    error: ForwardError,
    kept: Option<Request<()>>,
    http2: bool,
    progress: &Rc<RequestProgress>,
) -> Result<Box<Request<RequestBody>>, NotAnswered> {
    match (error, kept) {
        (ForwardError::Reset { .. } | ForwardError::Protocol { .. }, Some(head)) if !http2 => {
            Ok(again_without_body(head, progress))
        }
        (error, _) => Err((error, None)),
    }
}

/// Reports a new connection that ended before a byte could be written.
fn closed_at_once(target: &CompiledTarget) -> ForwardError {
    ForwardError::Reset { target: target.label.to_string(), source: None }
}
