//! The request to reload, whether it came from `POST /reload`, `portcullis reload`, a signal or a
//! changed file.

use tokio::sync::oneshot;

/// A request to read the configuration again.
#[derive(Debug)]
pub struct ReloadRequest {
    pub removals: Removals,
    /// Receives the outcome. The requester may be gone by then.
    pub outcome: oneshot::Sender<ReloadOutcome>,
}

/// The answer to a reload that removes more than `gateway.reload_max_removed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Removals {
    #[default]
    Guarded,
    /// The operator confirmed the removals.
    Confirmed,
}

/// The outcome of a reload.
#[derive(Debug)]
pub enum ReloadOutcome {
    Applied {
        generation: u64,
    },
    /// The files have errors, and nothing changed. Holds the report as `check` prints it.
    Refused {
        report: String,
    },
}

impl ReloadRequest {
    /// Returns a request and the receiver of its outcome.
    pub fn new(removals: Removals) -> (Self, oneshot::Receiver<ReloadOutcome>) {
        let (outcome, receiver) = oneshot::channel();
        (Self { removals, outcome }, receiver)
    }
}
