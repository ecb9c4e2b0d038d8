//! One management request: path and method in, an answer out.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use tokio::sync::{mpsc, oneshot};

use crate::management::readiness::Readiness;
use crate::telemetry::Metrics;

/// What the management listener answers from.
#[derive(Debug)]
pub struct Management {
    pub metrics: Arc<Metrics>,
    pub readiness: Arc<Readiness>,
    /// To whoever reloads; the answer is the report of what went wrong.
    pub reload: mpsc::Sender<oneshot::Sender<ReloadOutcome>>,
}

/// What came of a reload.
#[derive(Debug)]
pub enum ReloadOutcome {
    Applied {
        generation: u64,
    },
    /// The files have errors: nothing changed. The report as `check` prints it.
    Refused {
        report: String,
    },
}

type Answer = Response<Full<Bytes>>;

impl Management {
    pub async fn answer(&self, method: &Method, path: &str, headers: &HeaderMap, peer: IpAddr) -> Answer {
        match (path, method) {
            ("/livez", &Method::GET | &Method::HEAD) => json(StatusCode::OK, &serde_json::json!({ "status": "alive" })),
            ("/readyz", &Method::GET | &Method::HEAD) => self.ready(),
            ("/metrics", &Method::GET | &Method::HEAD) => {
                text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", self.metrics.render())
            }
            ("/reload", &Method::POST) => self.reload(headers, peer).await,
            ("/livez" | "/readyz" | "/metrics", _) => not_allowed("GET, HEAD"),
            ("/reload", _) => not_allowed("POST"),
            _ => problem(StatusCode::NOT_FOUND, "there is /livez, /readyz, /metrics and POST /reload here"),
        }
    }

    fn ready(&self) -> Answer {
        let report = self.readiness.report();
        let status = if report.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        json(status, &report)
    }

    async fn reload(&self, headers: &HeaderMap, peer: IpAddr) -> Answer {
        if !peer.to_canonical().is_loopback() {
            return problem(StatusCode::FORBIDDEN, "a reload is taken from loopback only");
        }
        // a page in an operator's browser could post here; browsers always say so
        if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
            return problem(StatusCode::FORBIDDEN, "a reload is not taken from a browser");
        }
        let (sender, outcome) = oneshot::channel();
        if self.reload.send(sender).await.is_err() {
            return problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping");
        }
        match outcome.await {
            Ok(ReloadOutcome::Applied { generation }) => {
                json(StatusCode::OK, &serde_json::json!({ "status": "reloaded", "generation": generation }))
            }
            Ok(ReloadOutcome::Refused { report }) => json(
                StatusCode::UNPROCESSABLE_ENTITY,
                &serde_json::json!({ "status": "refused", "detail": "nothing changed", "report": report }),
            ),
            Err(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping"),
        }
    }
}

fn json(status: StatusCode, value: &impl serde::Serialize) -> Answer {
    text(status, "application/json", serde_json::to_string(value).unwrap_or_default())
}

fn problem(status: StatusCode, detail: &str) -> Answer {
    let title = status.canonical_reason().unwrap_or_default();
    let body = serde_json::json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    text(status, "application/problem+json", body.to_string())
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
