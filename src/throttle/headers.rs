//! `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11).

use std::cell::RefCell;
use std::fmt::Write;

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::limiter::counters::Tightest;
use crate::limiter::limit::LimitPart;
use crate::snapshot::throttling::quota_name;
use crate::throttle::exceeded::LimitExceeded;
use crate::throttle::levels::{Levels, ToldLimits};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The largest integer of a structured field (RFC 9651 section 3.3.1).
const MOST: u64 = 999_999_999_999_999;

/// The room for a hundred header values, which leave with the answers and are reused.
const ROOM: usize = 4096;

/// The longest end of a value: two numbers, and the text between them.
const LONGEST_END: usize = 48;

/// Makes the values of `RateLimit` in one piece of memory, so that an answer costs no allocation.
#[derive(Debug)]
pub struct RateLimitValues(RefCell<BytesMut>);

impl Default for RateLimitValues {
    fn default() -> Self {
        Self(RefCell::new(BytesMut::with_capacity(ROOM)))
    }
}

impl RateLimitValues {
    fn value(&self, left_of: &str, left: u64, reset: u64) -> Option<HeaderValue> {
        let mut room = self.0.try_borrow_mut().ok()?;
        let mut digits = itoa::Buffer::new();
        room.reserve(left_of.len() + LONGEST_END);
        room.extend_from_slice(left_of.as_bytes());
        room.extend_from_slice(digits.format(left.min(MOST)).as_bytes());
        room.extend_from_slice(b";t=");
        room.extend_from_slice(digits.format(reset.div_ceil(1000)).as_bytes());
        HeaderValue::from_maybe_shared(room.split().freeze()).ok()
    }
}

/// Tells the client of an answer its quotas, and the rest of the one that ends first. A backend's
/// own headers about limits are removed.
pub fn passed(levels: &mut Levels, values: &RateLimitValues, headers: &mut HeaderMap) {
    let Some(ToldLimits { policies, tightest }) = levels.tell() else { return };
    headers.insert(RATE_LIMIT_POLICY, policies.clone());
    let Some((left_of, Tightest { left, reset, .. })) = tightest else {
        headers.remove(RATE_LIMIT);
        return;
    };
    if let Some(value) = values.value(left_of, left, reset) {
        headers.insert(RATE_LIMIT, value);
    }
}

/// Tells the client of a refusal which quota has nothing left, and for how long.
pub fn refused(exceeded: &LimitExceeded, headers: &mut HeaderMap) {
    if !exceeded.headers {
        return;
    }
    let name = &exceeded.policy.definition.name;
    let name = match exceeded.part {
        LimitPart::Quota(position) => quota_name(name, position),
        LimitPart::Burst => format!("{name}.burst"),
    };
    if let Some(value) = rate_limit(&name, 0, exceeded.wait) {
        headers.insert(RATE_LIMIT, value);
    }
    let limit = exceeded.policy.limits.get(exceeded.position);
    if let Some(limit) = limit {
        headers.insert(RATE_LIMIT_POLICY, limit.header.clone());
    }
}

fn rate_limit(name: &str, left: u64, reset: u64) -> Option<HeaderValue> {
    let mut text = String::with_capacity(name.len() + 32);
    let _ = write!(text, "\"{name}\";r={};t={}", left.min(MOST), reset.div_ceil(1000));
    HeaderValue::try_from(text).ok()
}
