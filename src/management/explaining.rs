//! Answers `POST /explain`: how the running gateway decides on a request, or why it refused one.

use http::StatusCode;

use crate::explain::{self, CountsKnown, ExplainRequest, Explanation, Grounds, WrittenQuestion};
use crate::management::reply::{ManagementReply, json, problem};
use crate::management::state::ManagementState;

/// Answers a question.
pub(super) async fn explain(state: &ManagementState, body: &[u8]) -> ManagementReply {
    // the body may hold a token, so the parser's message, which quotes it, is not repeated
    let written: WrittenQuestion = match serde_json::from_slice(body) {
        Ok(written) => written,
        Err(error) => {
            let detail = format!(
                "the body is not a question (line {}, column {}); send {{\"request\": \"GET \
                 https://...\", \"token\": \"...\"}} and, if needed, dpop, client_certificate \
                 (PEM), headers, client and at; or send {{\"denial\": \"ID\"}}",
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
        counts: CountsKnown::OfThisGateway,
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
            "no refusal with this id is known; each process remembers its last 10,000 refusals for \
             an hour, at most 16 MiB of them",
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
