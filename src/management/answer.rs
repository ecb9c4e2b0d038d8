//! Answers one management request. Host, path, method and right are checked first; only then is a
//! body read.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::admin::AdminService;
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
    if AdminService::serves(path) {
        return api(state, request, body, peer, seat).await;
    }
    let endpoint = match ManagementRoute::find(path, &request.method, state.notices) {
        Ok(endpoint) => endpoint,
        Err(NoEndpoint::Methods(allow)) => return not_allowed(allow),
        Err(NoEndpoint::Path) => {
            return problem(
                StatusCode::NOT_FOUND,
                "no such endpoint; this listener has /livez, /readyz, /metrics, /jwks, POST \
                 /reload, POST /explain, POST /key-managers/NAME/refresh and POST /revocations",
            );
        }
    };
    if !endpoint.is_probe() {
        if !state.hosts.hold(&request.headers) {
            return unknown_host(peer, path);
        }
        if seat == Seat::Probes {
            return busy("all connections are busy; this one is kept for probes");
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

/// Passes a call to the REST API, which signs callers in by itself.
async fn api(
    state: &ManagementState,
    request: &Parts,
    body: Incoming,
    peer: IpAddr,
    seat: Seat,
) -> ManagementReply {
    if !state.hosts.hold(&request.headers) {
        return unknown_host(peer, request.uri.path());
    }
    if seat == Seat::Probes {
        return busy("all connections are busy; this one is kept for probes");
    }
    match &state.admin {
        Some(admin) => admin.answer(request.clone(), body, peer).await,
        None => problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "nobody may sign in: [management] has no users, or [store] says \"none\"",
        ),
    }
}

fn unknown_host(peer: IpAddr, path: &str) -> ManagementReply {
    tracing::warn!(
        target: "portcullis::management",
        client = %peer,
        path,
        "refused a management request for an unknown host; add the name to \
         management.hosts if it is this gateway's"
    );
    problem(
        StatusCode::MISDIRECTED_REQUEST,
        "this listener does not answer to the name in Host; its operator can add it to \
         management.hosts",
    )
}

/// Admits the caller, unless the endpoint is open to everyone.
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
        ManagementRoute::Metrics => probes::metrics(state, &request.headers),
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
        Ok(Err(_)) => Err(problem(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 64 KiB")),
        Err(_) => Err(problem(StatusCode::REQUEST_TIMEOUT, "the body did not arrive within 10 s")),
    }
}

fn refused(why: NotAllowed) -> ManagementReply {
    let forbidden = |detail| problem(StatusCode::FORBIDDEN, detail);
    match why {
        NotAllowed::Unknown => {
            let mut reply = problem(
                StatusCode::UNAUTHORIZED,
                "send the name and password of a user of [management] (HTTP Basic)",
            );
            reply.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"Portcullis\", charset=\"UTF-8\""),
            );
            reply
        }
        NotAllowed::Role => forbidden("no role of this user has the right to do this"),
        NotAllowed::NotLocal => forbidden(
            "without the credentials of a user in [management], only callers on this machine are \
             let in, and none behind a proxy",
        ),
        NotAllowed::Browser => forbidden("calls from a browser are not accepted"),
        NotAllowed::Guessing { retry_after } => retry(
            problem(
                StatusCode::TOO_MANY_REQUESTS,
                "too many wrong passwords from this address; wait as long as Retry-After says",
            ),
            retry_after,
        ),
        NotAllowed::Busy => busy("too many passwords are being checked; try again"),
    }
}

/// The longest body: a revocation or a question is far shorter.
const MOST_BODY: usize = 64 * 1024;

/// The longest time for a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
