//! One level of a request: a limit, and the name that it counts under.

use std::net::IpAddr;

use http::HeaderMap;

use crate::limiter::key::CounterKey;
use crate::snapshot::throttling::LimitNumber;

/// Levels that need no allocation.
pub(super) const INLINE: usize = 6;

/// The parts of a request that limits may depend on.
#[derive(Debug, Clone, Copy)]
pub struct CallFacts<'r> {
    pub headers: &'r HeaderMap,
    pub query: Option<&'r str>,
    pub client: IpAddr,
}

/// One limit that a request counts against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    pub(super) kind: LevelKind,
    pub(super) limit: LimitNumber,
    pub(super) key: CounterKey,
    /// The number that the backend reported.
    pub(super) events: u64,
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
    pub(super) fn is_told(&self) -> bool {
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
