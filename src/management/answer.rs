//! One management request: its head is judged first (host, path, method, right), and only then a body is read.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::management::access::{Access, Actor, ManagementRight, NotAllowed};
use crate::management::connections::Seat;
use crate::management::explaining::Explaining;
use crate::management::hosts::OwnHosts;
use crate::management::readiness::Readiness;
use crate::management::refreshing;
use crate::management::reloading::{ReloadOutcome, ReloadRequest, Removals};
use crate::management::revocations::RevocationTeller;
use crate::model::clock::Clock;
use crate::revocation::Revocations;
use crate::snapshot::Snapshots;
use crate::telemetry::{ManagementCall, Metrics};

/// The longest message that is taken.
const MOST_BODY: usize = 64 * 1024;

/// How long a message may take that somebody may send.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What the management listener answers from.
#[derive(Debug)]
pub struct ManagementState {
    pub metrics: Arc<Metrics>,
    pub readiness: Arc<Readiness>,
    /// To whoever reloads; the answer is the report of what went wrong.
    pub reload: mpsc::Sender<ReloadRequest>,
    pub access: Access,
    pub hosts: OwnHosts,
    pub revocations: Arc<Revocations>,
    /// Whether WSO2 Identity Server may tell of revoked tokens.
    pub notices: bool,
    pub snapshots: Arc<Snapshots>,
    pub clock: Arc<dyn Clock>,
    pub explaining: Explaining,
}

/// Where WSO2 Identity Server sends its notices.
const NOTIFY: &str = "/internal/data/v1/notify";
const REVOCATIONS: &str = "/revocations";
const ONE_REVOCATION: &str = "/revocations/";

/// What a request is for.
#[derive(Debug, Clone)]
enum ManagementRoute {
    Alive,
    Ready,
    Metrics,
    Jwks,
    Reload,
    Revoke(RevocationTeller),
    ListRevocations,
    TakeBack(String),
    RefreshKeys(String),
    Explain,
}

/// Why there is no endpoint.
#[derive(Debug, Clone, Copy)]
enum NoEndpoint {
    Path,
    /// The path takes only these.
    Methods(&'static str),
}

impl ManagementRoute {
    /// Finds the endpoint of a path and a method.
    fn find(path: &str, method: &Method, notices: bool) -> Result<Self, NoEndpoint> {
        let reading = matches!(*method, Method::GET | Method::HEAD);
        let posting = *method == Method::POST;
        let allow = |allowed: bool, endpoint: Self, methods: &'static str| {
            if allowed { Ok(endpoint) } else { Err(NoEndpoint::Methods(methods)) }
        };
        if let Some(id) = path.strip_prefix(ONE_REVOCATION) {
            let endpoint = Self::TakeBack(id.to_owned());
            return allow(*method == Method::DELETE, endpoint, "DELETE");
        }
        if let Some(name) = refreshing::named(path) {
            return allow(posting, Self::RefreshKeys(name), "POST");
        }
        match path {
            "/livez" => allow(reading, Self::Alive, "GET, HEAD"),
            "/readyz" => allow(reading, Self::Ready, "GET, HEAD"),
            "/metrics" => allow(reading, Self::Metrics, "GET, HEAD"),
            "/jwks" => allow(reading, Self::Jwks, "GET, HEAD"),
            "/reload" => allow(posting, Self::Reload, "POST"),
            "/explain" => allow(posting, Self::Explain, "POST"),
            NOTIFY if notices => {
                allow(posting, Self::Revoke(RevocationTeller::IdentityServer), "POST")
            }
            REVOCATIONS if reading => Ok(Self::ListRevocations),
            REVOCATIONS => {
                allow(posting, Self::Revoke(RevocationTeller::Operator), "GET, HEAD, POST")
            }
            _ => Err(NoEndpoint::Path),
        }
    }

    /// Probes come from whoever watches the gateway, by whatever name.
    fn is_probe(&self) -> bool {
        matches!(self, Self::Alive | Self::Ready)
    }

    fn takes_body(&self) -> bool {
        matches!(self, Self::Revoke(_) | Self::Explain)
    }

    /// The change that is logged and counted.
    fn change(&self) -> Option<ManagementCall> {
        match self {
            Self::Reload => Some(ManagementCall::Reload),
            Self::Revoke(RevocationTeller::Operator) => Some(ManagementCall::Revocation),
            Self::Revoke(RevocationTeller::IdentityServer) => Some(ManagementCall::Notice),
            Self::TakeBack(_) => Some(ManagementCall::TakenBack),
            Self::RefreshKeys(_) => Some(ManagementCall::KeyRefresh),
            Self::Alive
            | Self::Ready
            | Self::Metrics
            | Self::Jwks
            | Self::ListRevocations
            | Self::Explain => None,
        }
    }
}

pub(super) type Answer = Response<Full<Bytes>>;

impl ManagementState {
    pub(super) async fn answer(
        &self,
        request: &Parts,
        body: Incoming,
        peer: IpAddr,
        seat: Seat,
    ) -> Answer {
        let path = request.uri.path();
        let endpoint = match ManagementRoute::find(path, &request.method, self.notices) {
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
            if !self.hosts.hold(&request.headers) {
                tracing::warn!(target: "portcullis::management", client = %peer, path, "a request for a host that is not this one: add the name to management.hosts if it is");
                return problem(
                    StatusCode::MISDIRECTED_REQUEST,
                    "this listener does not answer to the name in Host; its operator can add it to management.hosts",
                );
            }
            if seat == Seat::Probes {
                return busy("all connections are busy: this one is kept for probes");
            }
        }
        let actor = match self.enter(&endpoint, request, peer).await {
            Ok(actor) => actor,
            Err(why) => return refused(why),
        };
        let body = if endpoint.takes_body() {
            match read(body).await {
                Ok(body) => body,
                Err(answer) => return answer,
            }
        } else {
            Bytes::new()
        };
        let answer = self.carry_out(&endpoint, request, &body, actor.as_ref()).await;
        if let (Some(change), Some(actor)) = (endpoint.change(), actor) {
            self.note(change, &actor, peer, answer.status());
        }
        answer
    }

    /// Counts and logs a change.
    fn note(&self, change: ManagementCall, actor: &Actor, peer: IpAddr, status: StatusCode) {
        self.metrics.management().changed(change, status.is_success());
        tracing::info!(target: "portcullis::management", change = change.label(), by = actor.name(), client = %peer, status = status.as_u16(), "a change was asked for");
    }

    /// A reload that was asked for at the control socket.
    pub(super) async fn reload_from_here(&self, query: &str) -> Answer {
        let answer = self.reload(query).await;
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.note(ManagementCall::Reload, &Actor::of_control_socket(), here, answer.status());
        answer
    }

    /// Lets the caller in, where the endpoint is not open.
    async fn enter(
        &self,
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
            ManagementRoute::Reload => self.access.enter_reload(headers, peer).await.map(Some),
            ManagementRoute::ListRevocations | ManagementRoute::Explain => {
                self.access.enter(headers, peer, ManagementRight::View).await.map(Some)
            }
            ManagementRoute::Revoke(_)
            | ManagementRoute::TakeBack(_)
            | ManagementRoute::RefreshKeys(_) => {
                self.access.enter(headers, peer, ManagementRight::Operate).await.map(Some)
            }
        }
    }

    async fn carry_out(
        &self,
        endpoint: &ManagementRoute,
        request: &Parts,
        body: &[u8],
        actor: Option<&Actor>,
    ) -> Answer {
        let query = request.uri.query().unwrap_or_default();
        let name = actor.map_or("", Actor::name);
        match endpoint {
            ManagementRoute::Alive => {
                json(StatusCode::OK, &serde_json::json!({ "status": "alive" }))
            }
            ManagementRoute::Ready => self.ready(),
            ManagementRoute::Metrics => text(
                StatusCode::OK,
                "text/plain; version=0.0.4; charset=utf-8",
                self.metrics.render(),
            ),
            ManagementRoute::Jwks => self.jwks(),
            ManagementRoute::Reload => self.reload(query).await,
            ManagementRoute::Revoke(teller) => {
                self.revoke(&request.headers, body, *teller, name).await
            }
            ManagementRoute::ListRevocations => self.revocations(query).await,
            ManagementRoute::TakeBack(id) => self.take_back(id, name.to_owned()).await,
            ManagementRoute::RefreshKeys(name) => self.refresh(name).await,
            ManagementRoute::Explain => self.explain(body).await,
        }
    }

    /// The keys that backends verify with.
    fn jwks(&self) -> Answer {
        match &self.snapshots.load().assertions {
            Some(assertions) => {
                text(StatusCode::OK, "application/json", assertions.jwks().to_string())
            }
            None => problem(StatusCode::NOT_FOUND, "no [backend_jwt] is configured"),
        }
    }

    fn ready(&self) -> Answer {
        let report = self.readiness.report();
        let status =
            if report.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        json(status, &report)
    }

    async fn reload(&self, query: &str) -> Answer {
        let refresh_keys = match refreshing::asked(query) {
            Ok(wanted) => wanted,
            Err(why) => return problem(StatusCode::BAD_REQUEST, &why),
        };
        let (request, outcome) = ReloadRequest::new(removals(query));
        if self.reload.send(request).await.is_err() {
            return problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping");
        }
        match outcome.await {
            Ok(ReloadOutcome::Applied { generation }) if refresh_keys => {
                let fetched = refreshing::fetched(&self.snapshots.load());
                let refreshed = refreshing::refresh(fetched).await;
                let answer = serde_json::json!({
                    "status": "reloaded", "generation": generation, "key_managers": refreshed
                });
                json(StatusCode::OK, &answer)
            }
            Ok(ReloadOutcome::Applied { generation }) => json(
                StatusCode::OK,
                &serde_json::json!({ "status": "reloaded", "generation": generation }),
            ),
            Ok(ReloadOutcome::Refused { report }) => json(
                StatusCode::UNPROCESSABLE_ENTITY,
                &serde_json::json!({ "status": "refused", "detail": "nothing changed", "report": report }),
            ),
            Err(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping"),
        }
    }
}

async fn read(body: Incoming) -> Result<Bytes, Answer> {
    match timeout(BODY_TIMEOUT, Limited::new(body, MOST_BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => Err(problem(StatusCode::PAYLOAD_TOO_LARGE, "a message has at most 64 KiB")),
        Err(_) => Err(problem(StatusCode::REQUEST_TIMEOUT, "the message did not come in 10 s")),
    }
}

/// `confirm=removals` in the query of a reload.
fn removals(query: &str) -> Removals {
    let confirmed = form_urlencoded::parse(query.as_bytes())
        .any(|(name, value)| name == "confirm" && value == "removals");
    if confirmed { Removals::Confirmed } else { Removals::Guarded }
}

pub(super) fn json(status: StatusCode, value: &impl serde::Serialize) -> Answer {
    text(status, "application/json", serde_json::to_string(value).unwrap_or_default())
}

pub(super) fn problem(status: StatusCode, detail: &str) -> Answer {
    let title = status.canonical_reason().unwrap_or_default();
    let body = serde_json::json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    text(status, "application/problem+json", body.to_string())
}

fn busy(detail: &str) -> Answer {
    retry(problem(StatusCode::SERVICE_UNAVAILABLE, detail), 1)
}

fn retry(mut answer: Answer, seconds: u32) -> Answer {
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

fn refused(why: NotAllowed) -> Answer {
    let forbidden = |detail| problem(StatusCode::FORBIDDEN, detail);
    match why {
        NotAllowed::Unknown => {
            let mut answer = problem(
                StatusCode::UNAUTHORIZED,
                "a user of [management] and the password are needed",
            );
            answer.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"Portcullis\", charset=\"UTF-8\""),
            );
            answer
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

fn not_allowed(allow: &'static str) -> Answer {
    let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, "see Allow");
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    answer
}

fn text(status: StatusCode, content_type: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
