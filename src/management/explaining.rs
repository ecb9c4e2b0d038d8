//! `POST /explain`: the running gateway tells how it would decide on a request, or why it refused one.

use http::StatusCode;

use crate::explain::{self, ExplainRequest, Explanation, Grounds, WrittenQuestion};
use crate::management::reply::{ManagementReply, json, problem};
use crate::management::state::ManagementState;

/// Answers a question.
pub(super) async fn explain(state: &ManagementState, body: &[u8]) -> ManagementReply {
    // what stands in the body may be a token, so the parser's own words are not repeated
    let written: WrittenQuestion = match serde_json::from_slice(body) {
        Ok(written) => written,
        Err(error) => {
            let detail = format!(
                "the body is no question (line {}, column {}): it is {{\"request\": \"GET https://...\", \"token\": \"...\"}} with, where \
                 needed, dpop, client_certificate (PEM), client and at; or {{\"denial\": \"ID\"}}",
                error.line(),
                error.column()
            );
            return problem(StatusCode::BAD_REQUEST, &detail);
        }
    };
    if let Some(id) = &written.denial {
        return recall(state, id);
    }
    let question = match ExplainRequest::read(&written) {
        Ok(question) => question,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let Ok(_place) = state.explaining.places.acquire().await else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping");
    };
    let snapshot = state.snapshots.load();
    explain::prepare(&snapshot, &question).await;
    let grounds = Grounds {
        snapshot: &snapshot,
        common: state.explaining.common.clone(),
        listening: &state.explaining.in_force.get().listening,
        now: state.clock.now(),
        moment: state.clock.moment(),
    };
    let explanation = explain::judge(&grounds, &question).await;
    told(state, explanation)
}

fn recall(state: &ManagementState, id: &str) -> ManagementReply {
    let refusals = &state.explaining.common.refusals;
    match refusals.find(id, state.clock.moment()) {
        Some(refusal) => told(state, explain::recall(&state.snapshots.load(), &refusal)),
        None => problem(
            StatusCode::NOT_FOUND,
            "no refusal with this id is remembered: each process knows its own last 10,000 of the last hour, 16 MiB at most",
        ),
    }
}

fn told(state: &ManagementState, explanation: Explanation) -> ManagementReply {
    let by = format!(
        "the running gateway (process {}, generation {})",
        std::process::id(),
        state.snapshots.load().generation
    );
    json(StatusCode::OK, &explanation.by(by))
}
