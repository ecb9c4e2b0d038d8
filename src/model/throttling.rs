//! One count over all gateways: its servers, and the moments at which they are asked.

use std::time::Duration;

use crate::model::redis::RedisServers;

/// The shared counters of `[throttling]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedCounting {
    pub servers: RedisServers,
    pub mode: CounterMode,
    pub sync_interval: Duration,
    pub on_failure: OnCounterFailure,
}

/// The moment at which the servers are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CounterMode {
    /// Every `sync_interval`, so no request waits.
    #[default]
    Batched,
    /// On each request.
    Exact,
}

/// The answer to requests while the servers do not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnCounterFailure {
    /// The gateway counts alone.
    #[default]
    Local,
    /// Requests with a limit are refused.
    Refuse,
}
