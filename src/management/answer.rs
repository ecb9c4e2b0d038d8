//! One management request: path and method in, an answer out.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use tokio::sync::mpsc;

use crate::management::readiness::Readiness;
use crate::management::refreshing;
use crate::management::reloading::{ReloadOutcome, ReloadRequest, Removals};
use crate::management::revocations::Teller;
use crate::management::users::{NotAllowed, Users};
use crate::model::clock::Clock;
use crate::revocation::Revocations;
use crate::snapshot::Snapshots;
use crate::telemetry::Metrics;

/// What the management listener answers from.
#[derive(Debug)]
pub struct Management {
    pub metrics: Arc<Metrics>,
    pub readiness: Arc<Readiness>,
    /// To whoever reloads; the answer is the report of what went wrong.
    pub reload: mpsc::Sender<ReloadRequest>,
    pub users: Users,
    pub revocations: Arc<Revocations>,
    /// Whether WSO2 Identity Server may tell of revoked tokens.
    pub notices: bool,
    pub snapshots: Arc<Snapshots>,
    pub clock: Arc<dyn Clock>,
}

/// Where WSO2 Identity Server sends its notices.
const NOTIFY: &str = "/internal/data/v1/notify";
const REVOCATIONS: &str = "/revocations";
const ONE_REVOCATION: &str = "/revocations/";

/// What only users may call.
#[derive(Debug, Clone, Copy)]
enum Call<'p> {
    Revoke(Teller),
    List,
    TakeBack(&'p str),
    Refresh(&'p str),
}

pub(super) type Answer = Response<Full<Bytes>>;

impl Management {
    pub async fn answer(&self, request: &Parts, body: Bytes, peer: IpAddr) -> Answer {
        let (path, method) = (request.uri.path(), &request.method);
        if let Some(id) = path.strip_prefix(ONE_REVOCATION) {
            return match *method {
                Method::DELETE => self.for_users(request, &body, peer, Call::TakeBack(id)).await,
                _ => not_allowed("DELETE"),
            };
        }
        if let Some(name) = refreshing::named(path) {
            return match *method {
                Method::POST => self.for_users(request, &body, peer, Call::Refresh(&name)).await,
                _ => not_allowed("POST"),
            };
        }
        match (path, method) {
            ("/livez", &Method::GET | &Method::HEAD) => {
                json(StatusCode::OK, &serde_json::json!({ "status": "alive" }))
            }
            ("/readyz", &Method::GET | &Method::HEAD) => self.ready(),
            ("/metrics", &Method::GET | &Method::HEAD) => text(
                StatusCode::OK,
                "text/plain; version=0.0.4; charset=utf-8",
                self.metrics.render(),
            ),
            ("/jwks", &Method::GET | &Method::HEAD) => self.jwks(),
            ("/jwks", _) => not_allowed("GET, HEAD"),
            ("/reload", &Method::POST) => {
                let query = request.uri.query().unwrap_or_default();
                self.reload(query, &request.headers, peer).await
            }
            (NOTIFY, &Method::POST) if self.notices => {
                self.for_users(request, &body, peer, Call::Revoke(Teller::IdentityServer)).await
            }
            (REVOCATIONS, &Method::POST) => {
                self.for_users(request, &body, peer, Call::Revoke(Teller::Operator)).await
            }
            (REVOCATIONS, &Method::GET | &Method::HEAD) => {
                self.for_users(request, &body, peer, Call::List).await
            }
            (NOTIFY, _) if self.notices => not_allowed("POST"),
            (REVOCATIONS, _) => not_allowed("GET, HEAD, POST"),
            ("/livez" | "/readyz" | "/metrics", _) => not_allowed("GET, HEAD"),
            ("/reload", _) => not_allowed("POST"),
            _ => problem(
                StatusCode::NOT_FOUND,
                "there is /livez, /readyz, /metrics, POST /reload, POST /key-managers/NAME/refresh and POST /revocations here",
            ),
        }
    }

    /// What only those may do who are let in.
    async fn for_users(
        &self,
        request: &Parts,
        body: &[u8],
        peer: IpAddr,
        call: Call<'_>,
    ) -> Answer {
        let user = match self.users.check(&request.headers, peer).await {
            Ok(user) => user,
            Err(why) => return refused(why),
        };
        match call {
            Call::Revoke(teller) => self.revoke(&request.headers, body, teller, &user).await,
            Call::List => self.revocations(request.uri.query().unwrap_or_default()).await,
            Call::TakeBack(id) => self.take_back(id, user).await,
            Call::Refresh(name) => self.refresh(name).await,
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

    async fn reload(&self, query: &str, headers: &HeaderMap, peer: IpAddr) -> Answer {
        if !peer.to_canonical().is_loopback() {
            return problem(StatusCode::FORBIDDEN, "a reload is taken from loopback only");
        }
        // a page in an operator's browser could post here; browsers always say so
        if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
            return problem(StatusCode::FORBIDDEN, "a reload is not taken from a browser");
        }
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

fn refused(why: NotAllowed) -> Answer {
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
        NotAllowed::NotLocal => problem(
            StatusCode::FORBIDDEN,
            "without users in [management], this is taken from loopback only",
        ),
        NotAllowed::Browser => problem(StatusCode::FORBIDDEN, "this is not taken from a browser"),
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
