//! One level of a request: a limit, and the name that it counts under.

use crate::limiter::counters::PlaceHint;
use crate::limiter::key::CounterKey;
use crate::snapshot::throttling::LimitNumber;

/// One limit that a request counts against.
#[derive(Debug, Clone)]
pub struct Level {
    pub kind: LevelKind,
    pub limit: LimitNumber,
    pub key: CounterKey,
    /// It counts an amount that is known only after the request.
    pub is_metered: bool,
    /// The place of its counter among those of the request.
    pub place: PlaceHint,
}

/// The level that a policy was chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelKind {
    Api,
    Operation,
    Subscription,
    Application,
    Custom,
    HardLimit,
}

impl Level {
    /// Clients learn of their own limits, and not of a backend's capacity.
    pub fn is_told(&self) -> bool {
        self.kind != LevelKind::HardLimit
    }
}

impl LevelKind {
    pub fn label(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Operation => "operation",
            Self::Subscription => "subscription",
            Self::Application => "application",
            Self::Custom => "custom",
            Self::HardLimit => "hard_limit",
        }
    }
}
