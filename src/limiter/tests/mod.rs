//! Counters against naive models, with a clock that the tests set.

mod bounds;
mod cells;
mod levels;
mod windows;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use crate::limiter::counters::{CounterClaim, Counters};
use crate::limiter::key::{CounterKey, KeySpace};
use crate::limiter::limit::{ExcessRule, Limit};
use crate::limiter::time::{CountingTime, TimeScale};
use crate::model::policy::{Burst, Quota, QuotaUnit, Window};

/// 2026-11-27T00:00:00Z.
const MIDNIGHT: u64 = 1_795_737_600_000;

fn keys() -> KeySpace {
    KeySpace::from_bytes([7; 32])
}

fn counters(most: usize) -> Counters {
    Counters::new(most, keys(), TimeScale::default())
}

fn at(milliseconds: u64) -> CountingTime {
    CountingTime { steady: milliseconds, wall: milliseconds }
}

fn quota(most: u64, window: Window) -> Quota {
    Quota { unit: QuotaUnit::Requests, most: NonZeroU64::new(most).unwrap(), window }
}

fn seconds(length: u64) -> Window {
    Window::Sliding(Duration::from_secs(length))
}

fn burst(requests: u64, per: Duration) -> Burst {
    Burst { requests: NonZeroU64::new(requests).unwrap(), per }
}

fn limit(name: &str, quotas: &[Quota], burst: Option<Burst>) -> Arc<Limit> {
    Limit::new(keys(), &["test", name], quotas, burst, ExcessRule::Refuse)
}

fn key(limit: &Limit, caller: &str) -> CounterKey {
    limit.base().of(keys().fingerprint([caller.as_bytes()]))
}

fn claim<'l>(limit: &'l Arc<Limit>, caller: &str) -> CounterClaim<'l> {
    CounterClaim { limit, key: key(limit, caller) }
}
