//! Answers `/livez`, `/readyz`, `/metrics` and `/jwks`, which are open to every client that reaches
//! the address.

use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};

use crate::management::readiness::StoreReport;
use crate::management::reply::{ManagementReply, json, problem, text};
use crate::management::state::ManagementState;
use crate::telemetry::ScrapeFormat;

/// Answers that the process is alive.
pub(super) fn alive() -> ManagementReply {
    json(StatusCode::OK, &serde_json::json!({ "status": "alive" }))
}

pub(super) fn ready(state: &ManagementState) -> ManagementReply {
    let mut report = state.readiness.report();
    report.store = state.metrics.store_place().map(StoreReport::from);
    let status = if report.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &report)
}

/// Answers with all metrics, in the format that weighs more.
pub(super) fn metrics(state: &ManagementState, headers: &HeaderMap) -> ManagementReply {
    // several fields are one list (RFC 9110 section 5.3)
    let fields = headers.get_all(ACCEPT).iter().filter_map(|field| field.to_str().ok());
    let format = ScrapeFormat::accepted(&fields.collect::<Vec<_>>().join(","));
    text(StatusCode::OK, format.content_type(), state.metrics.scrape(format))
}

/// Answers with the keys with which backends verify the backend JWT.
pub(super) fn jwks(state: &ManagementState) -> ManagementReply {
    match &state.snapshots.load().settings.assertions {
        Some(assertions) => text(StatusCode::OK, "application/json", assertions.jwks().to_string()),
        None => problem(StatusCode::NOT_FOUND, "[backend_jwt] is not configured"),
    }
}
