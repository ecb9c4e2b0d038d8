//! Reloads that somebody asks for: by `POST /reload`, by `portcullis reload`, by a signal or by a changed file.

use tokio::sync::oneshot;

/// A request to read the configuration again.
#[derive(Debug)]
pub struct ReloadRequest {
    pub removals: Removals,
    /// Receives the outcome; whoever asked may have left by then.
    pub outcome: oneshot::Sender<ReloadOutcome>,
}

/// Whether a reload may take away more than `gateway.reload_max_removed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Removals {
    #[default]
    Guarded,
    /// The operator has said that the removals are meant.
    Confirmed,
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

impl ReloadRequest {
    /// A request with the receiver of its outcome.
    pub fn new(removals: Removals) -> (Self, oneshot::Receiver<ReloadOutcome>) {
        let (outcome, receiver) = oneshot::channel();
        (Self { removals, outcome }, receiver)
    }
}
