//! The scripts that Redis runs: each call is one indivisible step.

use redis::{Cmd, Value, cmd};

/// A script, by its name in [`Scripts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    /// Adds the counts of this gateway to one counter.
    Merge,
    /// Counts one request in all of its counters, or in none.
    Admit,
}

/// The digests by which one server knows the scripts.
#[derive(Debug, Clone, Default)]
pub(super) struct Scripts {
    merge: String,
    admit: String,
}

impl Script {
    pub(super) const ALL: [Self; 2] = [Self::Merge, Self::Admit];

    fn text(self) -> &'static str {
        match self {
            Self::Merge => include_str!("scripts/merge.lua"),
            Self::Admit => include_str!("scripts/admit.lua"),
        }
    }

    /// The command that hands the script over; its answer is the digest.
    pub(super) fn load(self) -> Cmd {
        let mut load = cmd("SCRIPT");
        load.arg("LOAD").arg(self.text());
        load
    }
}

impl Scripts {
    pub(super) fn new([merge, admit]: [String; 2]) -> Self {
        Self { merge, admit }
    }

    pub(super) fn digest(&self, script: Script) -> &str {
        match script {
            Script::Merge => &self.merge,
            Script::Admit => &self.admit,
        }
    }
}

/// Reads a number. Scripts return it as a number, or as text if it is large.
pub(super) fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::BulkString(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
}
