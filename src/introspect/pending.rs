//! Outcomes that are waited for.

use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::introspect::outcome::IntrospectionOutcome;

/// An outcome that is in progress.
#[derive(Debug, Clone)]
pub struct PendingAnswer(pub(super) watch::Receiver<Option<IntrospectionOutcome>>);

/// A question about the token of a stream, for which no request waits.
#[derive(Debug)]
pub struct Recheck {
    pub(super) pending: PendingAnswer,
    pub(super) _place: OwnedSemaphorePermit,
}

impl PendingAnswer {
    pub(super) fn settled(outcome: IntrospectionOutcome) -> Self {
        Self(watch::channel(Some(outcome)).1)
    }

    /// Waits. Dropping the future stops the waiting only.
    pub async fn outcome(mut self) -> IntrospectionOutcome {
        let outcome = self.0.wait_for(Option::is_some).await;
        let outcome = outcome.ok().and_then(|outcome| outcome.clone());
        outcome.unwrap_or_else(given_up)
    }
}

impl Recheck {
    /// Returns the outcome; `None` while the question is in progress.
    pub fn outcome(&self) -> Option<IntrospectionOutcome> {
        let receiver = &self.pending.0;
        let outcome = receiver.borrow().clone();
        // no answer will come: the task that asked has ended
        outcome.or_else(|| receiver.has_changed().is_err().then(given_up))
    }
}

fn given_up() -> IntrospectionOutcome {
    IntrospectionOutcome::Unavailable("the question was given up".into())
}
