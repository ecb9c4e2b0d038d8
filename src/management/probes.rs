//! `/livez`, `/readyz`, `/metrics` and `/jwks`: what is open to everybody who reaches the address.

use http::StatusCode;

use crate::management::reply::{ManagementReply, json, problem, text};
use crate::management::state::ManagementState;

/// Says that the process answers.
pub(super) fn alive() -> ManagementReply {
    json(StatusCode::OK, &serde_json::json!({ "status": "alive" }))
}

pub(super) fn ready(state: &ManagementState) -> ManagementReply {
    let report = state.readiness.report();
    let status = if report.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &report)
}

/// Everything that is counted, as Prometheus reads it.
pub(super) fn metrics(state: &ManagementState) -> ManagementReply {
    text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", state.metrics.render())
}

/// The keys that backends verify with.
pub(super) fn jwks(state: &ManagementState) -> ManagementReply {
    match &state.snapshots.load().assertions {
        Some(assertions) => text(StatusCode::OK, "application/json", assertions.jwks().to_string()),
        None => problem(StatusCode::NOT_FOUND, "no [backend_jwt] is configured"),
    }
}
