//! `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11).

use std::fmt::Write;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::limiter::limit::LimitPart;
use crate::snapshot::throttling::quota_name;
use crate::throttle::exceeded::LimitExceeded;
use crate::throttle::levels::Levels;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The largest integer of a structured field (RFC 9651 section 3.3.1).
const MOST: u64 = 999_999_999_999_999;

/// Tells the client of an answer which quotas it has, and what is left of the one that ends first.
/// What a backend said of its own limits goes.
pub fn passed(levels: &Levels, headers: &mut HeaderMap) {
    let Some((tightest, limits)) = levels.told() else { return };
    let mut first = true;
    for limit in limits {
        if first {
            headers.insert(RATE_LIMIT_POLICY, limit.header.clone());
        } else {
            headers.append(RATE_LIMIT_POLICY, limit.header.clone());
        }
        first = false;
    }
    if let Some((name, tightest)) = tightest {
        let (left, reset) = (tightest.left.left, tightest.left.reset);
        if let Some(value) = rate_limit(&quota_name(name, tightest.position), left, reset) {
            headers.insert(RATE_LIMIT, value);
        }
    } else if !first {
        headers.remove(RATE_LIMIT);
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
