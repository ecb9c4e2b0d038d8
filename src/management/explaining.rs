//! `POST /explain`: the running gateway tells how it would decide on a request, or why it refused one.

use std::sync::Arc;

use http::StatusCode;
use tokio::sync::Semaphore;

use crate::authenticate::cache::Common;
use crate::explain::question::{ExplainRequest, WrittenQuestion};
use crate::explain::{self, Explanation, Grounds};
use crate::management::answer::{Answer, ManagementState, json, problem};
use crate::management::in_force::InForce;

/// Explanations at a time; servers may be asked for each.
const MOST_AT_A_TIME: usize = 4;

/// What explanations are made from.
#[derive(Debug)]
pub struct Explaining {
    pub common: Common,
    pub in_force: Arc<InForce>,
    pub places: Semaphore,
}

impl Explaining {
    pub fn new(common: Common, in_force: Arc<InForce>) -> Self {
        Self { common, in_force, places: Semaphore::new(MOST_AT_A_TIME) }
    }
}

impl ManagementState {
    /// Answers a question; whoever asks may.
    pub(super) async fn explain(&self, body: &[u8]) -> Answer {
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
            return self.recall(id);
        }
        let question = match ExplainRequest::read(&written) {
            Ok(question) => question,
            Err(error) => return problem(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        let Ok(_place) = self.explaining.places.acquire().await else {
            return problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping");
        };
        let snapshot = self.snapshots.load();
        explain::prepare(&snapshot, &question).await;
        let grounds = Grounds {
            snapshot: &snapshot,
            common: self.explaining.common.clone(),
            listening: &self.explaining.in_force.get().listening,
            now: self.clock.now(),
            moment: self.clock.moment(),
        };
        let explanation = explain::judge(&grounds, &question).await;
        self.told(explanation)
    }

    fn recall(&self, id: &str) -> Answer {
        let refusals = &self.explaining.common.refusals;
        match refusals.find(id, self.clock.moment()) {
            Some(refusal) => {
                self.told(explain::remembered::recall(&self.snapshots.load(), &refusal))
            }
            None => problem(
                StatusCode::NOT_FOUND,
                "no refusal with this id is remembered: each process knows its own last 10,000 of the last hour, 16 MiB at most",
            ),
        }
    }

    fn told(&self, explanation: Explanation) -> Answer {
        let by = format!(
            "the running gateway (process {}, generation {})",
            std::process::id(),
            self.snapshots.load().generation
        );
        json(StatusCode::OK, &explanation.by(by))
    }
}
