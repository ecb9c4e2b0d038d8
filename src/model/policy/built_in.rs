//! WSO2's policies, with their names and figures; those for asynchronous APIs are left out.

use std::num::NonZeroU64;
use std::time::Duration;

use http::HeaderName;

use crate::model::policy::{Policy, PolicyLevel, PolicyLimits, Quota, QuotaUnit, Window};

/// The header in which a backend reports the tokens of an AI model, for the built-in AI policies.
const TOKENS_HEADER: &str = "x-ai-total-tokens";

/// Requests a minute, by level.
const REQUESTS: [(PolicyLevel, &str, u64); 11] = [
    (PolicyLevel::Application, "50PerMin", 50),
    (PolicyLevel::Application, "20PerMin", 20),
    (PolicyLevel::Application, "10PerMin", 10),
    (PolicyLevel::Subscription, "Gold", 5000),
    (PolicyLevel::Subscription, "Silver", 2000),
    (PolicyLevel::Subscription, "Bronze", 1000),
    (PolicyLevel::Subscription, "Unauthenticated", 500),
    (PolicyLevel::Subscription, "DefaultSubscriptionless", 100_000),
    (PolicyLevel::Advanced, "50KPerMin", 50_000),
    (PolicyLevel::Advanced, "20KPerMin", 20_000),
    (PolicyLevel::Advanced, "10KPerMin", 10_000),
];

/// Tokens and requests a minute.
const AI: [(&str, u64, u64); 3] =
    [("AIGold", 50_000, 500), ("AISilver", 10_000, 100), ("AIBronze", 1000, 10)];

/// The policies that exist without being written.
pub fn built_in() -> impl Iterator<Item = Policy> {
    let plain = REQUESTS.iter().map(|(level, name, requests)| {
        let quotas = a_minute(QuotaUnit::Requests, *requests).into_iter().collect();
        Policy::new(name, *level, PolicyLimits { quotas, burst: None })
    });
    let metered = AI.iter().map(|(name, tokens, requests)| {
        let quotas = [(QuotaUnit::Requests, *requests), (QuotaUnit::Events, *tokens)];
        let quotas = quotas.into_iter().filter_map(|(unit, most)| a_minute(unit, most)).collect();
        let limits = PolicyLimits { quotas, burst: None };
        let events_header = Some(HeaderName::from_static(TOKENS_HEADER));
        Policy { events_header, ..Policy::new(name, PolicyLevel::Subscription, limits) }
    });
    plain.chain(metered)
}

fn a_minute(unit: QuotaUnit, most: u64) -> Option<Quota> {
    let window = Window::Sliding(Duration::from_mins(1));
    Some(Quota { unit, most: NonZeroU64::new(most)?, window })
}
