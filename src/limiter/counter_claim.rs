//! A request's question to the table of counters, and the answers.

use std::sync::Arc;

use crate::limiter::key::CounterKey;
use crate::limiter::limit::{Limit, LimitPart};
use crate::limiter::lock_order::PlaceHint;

/// A counter that a request wants to be counted in.
#[derive(Debug, Clone, Copy)]
pub struct CounterClaim<'l> {
    pub limit: &'l Arc<Limit>,
    pub key: CounterKey,
}

/// A claim, and the place where its counter was found the last time.
#[derive(Debug, Clone, Copy)]
pub struct PlacedClaim<'l> {
    pub claim: CounterClaim<'l>,
    pub hint: &'l PlaceHint,
}

/// The answer for a request that may pass. All claims are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Passed {
    /// The quota with the smallest share left, of all claims that clients are told of.
    pub tightest: Option<Tightest>,
    /// The first claim that is beyond its limit and lets the request through (`ExcessRule::Mark`,
    /// `Observe`).
    pub noted: Option<Noted>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tightest {
    /// The position among the claims.
    pub claim: usize,
    /// The position of the quota in its limit.
    pub position: u8,
    pub left: u64,
    /// Milliseconds until the part that was used first is available again.
    pub reset: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    pub claim: usize,
    pub part: LimitPart,
}

/// The answer for a request that must wait. Nothing was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// The first claim that refuses.
    pub claim: usize,
    pub part: LimitPart,
    /// Milliseconds until all claims have room, if no other request takes it.
    pub wait: u64,
}
