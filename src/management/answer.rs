//! One management request: its head is judged first (host, path, method, right), and only then a body is read.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::management::access::{Actor, ManagementRight, NotAllowed};
use crate::management::connections::Seat;
use crate::management::reply::{ManagementReply, busy, not_allowed, problem, retry};
use crate::management::routes::{ManagementRoute, NoEndpoint};
use crate::management::state::ManagementState;
use crate::management::{explaining, probes, refreshing, reload, revocations};

pub(super) async fn answer(
    state: &ManagementState,
    request: &Parts,
    body: Incoming,
    peer: IpAddr,
    seat: Seat,
) -> ManagementReply {
    let path = request.uri.path();
    let endpoint = match ManagementRoute::find(path, &request.method, state.notices) {
        Ok(endpoint) => endpoint,
        Err(NoEndpoint::Methods(allow)) => return not_allowed(allow),
        Err(NoEndpoint::Path) => {
            return problem(
                StatusCode::NOT_FOUND,
                "there is /livez, /readyz, /metrics, POST /reload, POST /explain, POST /key-managers/NAME/refresh and POST /revocations here",
            );
        }
    };
    if !endpoint.is_probe() {
        if !state.hosts.hold(&request.headers) {
            tracing::warn!(target: "portcullis::management", client = %peer, path, "a request for a host that is not this one: add the name to management.hosts if it is");
            return problem(
                StatusCode::MISDIRECTED_REQUEST,
                "this listener does not reply to the name in Host; its operator can add it to management.hosts",
            );
        }
        if seat == Seat::Probes {
            return busy("all connections are busy: this one is kept for probes");
        }
    }
    let actor = match enter(state, &endpoint, request, peer).await {
        Ok(actor) => actor,
        Err(why) => return refused(why),
    };
    let body = if endpoint.takes_body() {
        match read(body).await {
            Ok(body) => body,
            Err(reply) => return reply,
        }
    } else {
        Bytes::new()
    };
    let reply = carry_out(state, &endpoint, request, &body, actor.as_ref()).await;
    if let (Some(change), Some(actor)) = (endpoint.change(), actor) {
        state.note(change, &actor, peer, reply.status());
    }
    reply
}

/// Lets the caller in, where the endpoint is not open.
async fn enter(
    state: &ManagementState,
    endpoint: &ManagementRoute,
    request: &Parts,
    peer: IpAddr,
) -> Result<Option<Actor>, NotAllowed> {
    let headers = &request.headers;
    match endpoint {
        ManagementRoute::Alive
        | ManagementRoute::Ready
        | ManagementRoute::Metrics
        | ManagementRoute::Jwks => Ok(None),
        ManagementRoute::Reload => state.access.enter_reload(headers, peer).await.map(Some),
        ManagementRoute::ListRevocations | ManagementRoute::Explain => {
            state.access.enter(headers, peer, ManagementRight::View).await.map(Some)
        }
        ManagementRoute::Revoke(_)
        | ManagementRoute::TakeBack(_)
        | ManagementRoute::RefreshKeys(_) => {
            state.access.enter(headers, peer, ManagementRight::Operate).await.map(Some)
        }
    }
}

async fn carry_out(
    state: &ManagementState,
    endpoint: &ManagementRoute,
    request: &Parts,
    body: &[u8],
    actor: Option<&Actor>,
) -> ManagementReply {
    let query = request.uri.query().unwrap_or_default();
    let name = actor.map_or("", Actor::name);
    match endpoint {
        ManagementRoute::Alive => probes::alive(),
        ManagementRoute::Ready => probes::ready(state),
        ManagementRoute::Metrics => probes::metrics(state),
        ManagementRoute::Jwks => probes::jwks(state),
        ManagementRoute::Reload => reload::reload(state, query).await,
        ManagementRoute::Revoke(teller) => {
            revocations::revoke(state, &request.headers, body, *teller, name).await
        }
        ManagementRoute::ListRevocations => revocations::list(state, query).await,
        ManagementRoute::TakeBack(id) => revocations::take_back(state, id, name.to_owned()).await,
        ManagementRoute::RefreshKeys(name) => refreshing::refresh(state, name).await,
        ManagementRoute::Explain => explaining::explain(state, body).await,
    }
}

async fn read(body: Incoming) -> Result<Bytes, ManagementReply> {
    match timeout(BODY_TIMEOUT, Limited::new(body, MOST_BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => Err(problem(StatusCode::PAYLOAD_TOO_LARGE, "a message has at most 64 KiB")),
        Err(_) => Err(problem(StatusCode::REQUEST_TIMEOUT, "the message did not come in 10 s")),
    }
}

fn refused(why: NotAllowed) -> ManagementReply {
    let forbidden = |detail| problem(StatusCode::FORBIDDEN, detail);
    match why {
        NotAllowed::Unknown => {
            let mut reply = problem(
                StatusCode::UNAUTHORIZED,
                "a user of [management] and the password are needed",
            );
            reply.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"Portcullis\", charset=\"UTF-8\""),
            );
            reply
        }
        NotAllowed::Role => forbidden("no role of this user has the right to do this"),
        NotAllowed::NotLocal => forbidden(
            "without credentials of a user in [management], this is taken from loopback only, and from no proxy",
        ),
        NotAllowed::Browser => forbidden("this is not taken from a browser"),
        NotAllowed::Guessing { retry_after } => retry(
            problem(StatusCode::TOO_MANY_REQUESTS, "too many wrong passwords from this address"),
            retry_after,
        ),
        NotAllowed::Busy => busy("too many passwords are being checked"),
    }
}

/// The longest message that is taken.
const MOST_BODY: usize = 64 * 1024;

/// How long a message may take that somebody may send.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
