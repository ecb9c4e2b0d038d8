//! The reply to a forwarded request: relayed, limited like a stream, or switched to another
//! protocol.

use std::time::Duration;

use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response, StatusCode, Version};

use crate::forward::body::ResponseBody;
use crate::forward::headers;
use crate::forward::location::{self, ClientAddress};
use crate::forward::trace;
use crate::model::reason::Reason;
use crate::proxy::exchange::Exchange;
use crate::proxy::forwarding::ForwardedAnswer;
use crate::proxy::outgoing::WayBack;
use crate::proxy::stream::authorization::{Departure, StreamAuthorization, StreamGrant};
use crate::proxy::stream::kind::StreamKind;
use crate::proxy::stream::limit::StreamLimit;
use crate::proxy::stream::upgrade::UpgradeRequest;
use crate::proxy::worker::Worker;
use crate::throttle::{self, Admitted, Permitted};

/// The backend's answer, ready for the client.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) response: Response<ResponseBody>,
    pub(super) stream: StreamKind,
    pub(super) limit: Option<Box<StreamLimit>>,
    /// The backend switched protocols: a tunnel goes on behind the response.
    pub(super) switched: Option<SwitchedProtocol>,
}

/// The protocol that both sides go on in.
#[derive(Debug)]
pub(super) struct SwitchedProtocol {
    pub(super) upgrade: Box<UpgradeRequest>,
    pub(super) authorization: Option<StreamAuthorization>,
    pub(super) stall: Option<Duration>,
}

/// Makes the reply of a backend's answer, and notes both in the exchange.
pub(super) fn of(
    worker: &Worker,
    exchange: &mut Exchange,
    mut admitted: Admitted,
    forwarded: ForwardedAnswer,
    way_back: WayBack,
) -> Reply {
    let ForwardedAnswer { response, switched } = forwarded;
    exchange.hold(admitted.take_permit());
    let mut response = rewrite(worker, exchange, &admitted, response, &way_back);
    let WayBack { deadline, upgrade, .. } = way_back;
    let permitted = admitted.permitted();
    let stream = StreamKind::of(response.headers());
    let authorization = (switched || stream != StreamKind::No).then(|| {
        let websocket = upgrade.as_ref().is_some_and(|upgrade| upgrade.is_websocket());
        let departure = if switched && websocket { Departure::Early } else { Departure::Late };
        authorize_stream(worker, exchange, permitted, departure)
    });
    let switched = upgrade.filter(|_| switched);
    if let Some(upgrade) = &switched {
        upgrade.answer(&mut response);
    }
    exchange.answered(response.status().as_u16(), Reason::Forwarded);
    match switched {
        Some(upgrade) => {
            let stall = permitted.body().stall;
            let switched = Some(SwitchedProtocol { upgrade, authorization, stall });
            Reply { response, stream, limit: None, switched }
        }
        None => {
            let limited = deadline.is_some() || authorization.is_some();
            let limit = limited.then(|| Box::new(StreamLimit { deadline, authorization }));
            Reply { response, stream, limit, switched: None }
        }
    }
}

/// Keeps a stream only while the token that opened it is valid, if the API asks for that.
fn authorize_stream(
    worker: &Worker,
    exchange: &Exchange,
    permitted: &Permitted,
    departure: Departure,
) -> StreamAuthorization {
    let api = &permitted.api().definition;
    let principal = permitted.principal().filter(|_| api.close_on_token_expiry).cloned();
    let grant = principal.map(|principal| StreamGrant {
        principal,
        api: api.name.clone(),
        version: api.version.clone(),
        key_type: permitted.key_type(),
        observed: exchange.caller.observed.is_some(),
    });
    let stream = (exchange.connection_handle(), departure);
    let now = worker.clock().milliseconds();
    worker.stream_authorizations().hold(grant, stream, now, worker.random())
}

/// Rewrites the headers: first those that end here go, then the gateway's own come.
fn rewrite(
    worker: &Worker,
    exchange: &mut Exchange,
    admitted: &Admitted,
    mut response: Response<ResponseBody>,
    way_back: &WayBack,
) -> Response<ResponseBody> {
    let api = &admitted.permitted().api().definition;
    let version = response.version();
    headers::rewrite_response(response.headers_mut(), version);
    if let Some((group, _)) = admitted.backend()
        && group.addressing.rewrite_location
        && let Some(origin) = exchange.head.origin.as_ref().map(|origin| &origin.origin)
        && let Some(target) = &exchange.backend.attempts.target
    {
        let base = &way_back.client_base;
        let client = ClientAddress { scheme: origin.scheme(), host: origin.host(), base };
        location::rewrite(response.headers_mut(), group, target, &client);
    }
    exchange.levels.read_events(response.headers());
    headers::apply(&api.response_headers, response.headers_mut());
    let values = worker.rate_limit_values();
    throttle::headers::passed(&mut exchange.levels, values, response.headers_mut());
    if let Some(id) = exchange.head.request_id.clone() {
        response.headers_mut().insert(trace::REQUEST_ID, id);
    }
    if way_back.token_in_query && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // RFC 6750 section 2.3: the address holds a token
        response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private"));
    }
    *response.version_mut() = Version::HTTP_11;
    response
}
