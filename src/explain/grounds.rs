//! The state that a question is judged by.

use crate::authenticate::cache::Common;
use crate::explain::ports::Listening;
use crate::model::clock::{Moment, UnixSeconds};
use crate::snapshot::Snapshot;

/// The state that a question is judged by.
#[derive(Debug)]
pub struct Grounds<'g> {
    pub snapshot: &'g Snapshot,
    pub common: Common,
    pub listening: &'g [Listening],
    pub now: UnixSeconds,
    pub moment: Moment,
    pub counts: CountsKnown,
}

/// The counts that limits are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountsKnown {
    OfThisGateway,
    /// No gateway counts: files have the limits, but not their remaining amounts.
    Unknown,
}
