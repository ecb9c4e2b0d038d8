//! The limits that refuse a call.

use crate::limiter::concurrency::Full;
use crate::model::reason::Reason;
use crate::snapshot::throttling::DeniedBy;
use crate::throttle::exceeded::LimitExceeded;

/// The limit that refuses a call.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Throttled {
    #[error(transparent)]
    ConcurrencyLimit(#[from] Full),
    #[error("a deny condition is about the {}", .0.label())]
    Denied(DeniedBy),
    #[error("the shared counters do not answer, and on_counter_failure says to refuse")]
    CountersUnavailable,
    #[error(transparent)]
    Limit(Box<LimitExceeded>),
}

impl Throttled {
    pub fn reason(&self) -> Reason {
        match self {
            Self::ConcurrencyLimit(Full) => Reason::ConcurrencyLimit,
            Self::Denied(_) => Reason::Denied,
            Self::CountersUnavailable => Reason::CountersUnavailable,
            Self::Limit(exceeded) => exceeded.reason(),
        }
    }
}

impl From<LimitExceeded> for Throttled {
    fn from(exceeded: LimitExceeded) -> Self {
        Self::Limit(Box::new(exceeded))
    }
}
