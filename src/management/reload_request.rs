//! The request to reload, whether it came from `POST /reload`, `portcullis reload`, a signal or a
//! changed file.

use std::path::PathBuf;

use tokio::sync::oneshot;

/// A request to read the configuration again.
#[derive(Debug)]
pub struct ReloadRequest {
    pub wanted: ReloadWanted,
    /// Receives the outcome. The requester may be gone by then.
    pub outcome: oneshot::Sender<ReloadOutcome>,
}

/// The extent of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReloadWanted {
    /// The files are put into effect.
    Apply(Removals),
    /// This file is compared with the configuration in force, and nothing changes.
    Plan(PathBuf),
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
    /// The differences between the file and the configuration in force.
    Planned {
        plan: serde_json::Value,
    },
    /// The files have errors, and nothing changed. Holds the report as `check` prints it.
    Refused {
        report: String,
    },
}

impl ReloadRequest {
    /// Returns a request and the receiver of its outcome.
    pub fn new(removals: Removals) -> (Self, oneshot::Receiver<ReloadOutcome>) {
        Self::of(ReloadWanted::Apply(removals))
    }

    /// Returns a request that compares a file with the configuration in force.
    pub(super) fn plan(file: PathBuf) -> (Self, oneshot::Receiver<ReloadOutcome>) {
        Self::of(ReloadWanted::Plan(file))
    }

    fn of(wanted: ReloadWanted) -> (Self, oneshot::Receiver<ReloadOutcome>) {
        let (outcome, receiver) = oneshot::channel();
        (Self { wanted, outcome }, receiver)
    }
}
