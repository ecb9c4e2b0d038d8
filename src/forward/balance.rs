//! Chooses the endpoint to ask: the next in turn among the usable ones. Decides by the rules of the
//! group and the known state of its targets; it sends nothing and waits for nothing.

use std::hash::BuildHasher;
use std::sync::Arc;

use crate::backend::target_health::TargetHealth;
use crate::backend::{BackendGroup, EndpointList, TargetAddress, TargetAddresses};
use crate::model::backend::Balance;

/// The facts that a choice depends on, besides the group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice<'c> {
    /// This worker's count of requests to the group.
    pub turn: usize,
    /// The key for consistent hashing.
    pub key: &'c [u8],
    /// The time in milliseconds: [`crate::backend::target_health::monotonic_millis`].
    pub now: u64,
    /// The endpoints that this request has tried.
    pub tried: &'c [Tried],
}

/// An endpoint's identity within one request.
pub(super) type Tried = *const TargetHealth;

/// Returns the endpoint to ask; `None` only for a group without targets.
pub(super) fn choose<'g>(
    group: &BackendGroup,
    endpoints: &'g TargetAddresses,
    choice: Choice<'_>,
) -> Option<&'g TargetAddress> {
    let TargetAddresses { main, failover, .. } = endpoints;
    if let ([only], []) = (main.endpoints.as_slice(), failover.endpoints.as_slice()) {
        return Some(only);
    }
    let healthy = |endpoint: &TargetAddress| endpoint.health.is_usable(choice.now);
    let usable = main.endpoints.iter().filter(|endpoint| healthy(endpoint)).count();
    if usable == 0
        && let Some(found) = among(group, failover, choice, healthy)
    {
        return Some(found);
    }
    let share = usable.saturating_mul(1000).checked_div(main.endpoints.len()).unwrap_or_default();
    if share >= usize::from(group.panic_threshold).max(1)
        && let Some(found) = among(group, main, choice, healthy)
    {
        return Some(found);
    }
    // too many are unusable to believe it, or none is left, so health is ignored
    among(group, main, choice, |_| true).or_else(|| main.endpoints.first())
}

/// The best of one list: not tried and not refusing, then not tried, then any that is allowed.
fn among<'g>(
    group: &BackendGroup,
    list: &'g EndpointList,
    choice: Choice<'_>,
    allowed: impl Fn(&TargetAddress) -> bool,
) -> Option<&'g TargetAddress> {
    let untried = |endpoint: &TargetAddress| !choice.tried.contains(&Arc::as_ptr(&endpoint.health));
    let fresh = |endpoint: &TargetAddress| {
        allowed(endpoint) && untried(endpoint) && !endpoint.health.refuses(choice.now)
    };
    let second = |endpoint: &TargetAddress| allowed(endpoint) && untried(endpoint);
    pick(group, list, choice, fresh)
        .or_else(|| pick(group, list, choice, second))
        .or_else(|| pick(group, list, choice, allowed))
}

fn pick<'g>(
    group: &BackendGroup,
    list: &'g EndpointList,
    choice: Choice<'_>,
    suits: impl Fn(&TargetAddress) -> bool,
) -> Option<&'g TargetAddress> {
    match &group.balance {
        Balance::RoundRobin => next(group, list, choice, &suits),
        Balance::LeastRequests => {
            let scattered = Choice { turn: scatter(choice.turn), ..choice };
            let first = next(group, list, scattered, &suits)?;
            let other =
                |endpoint: &TargetAddress| suits(endpoint) && !std::ptr::eq(endpoint, first);
            let turn = scatter(choice.turn.wrapping_add(0x5bd1));
            let second = next(group, list, Choice { turn, ..choice }, &other);
            Some(second.filter(|second| load(second) < load(first)).unwrap_or(first))
        }
        Balance::ConsistentHash(_) => {
            list.endpoints.iter().filter(|endpoint| suits(endpoint)).max_by(|one, two| {
                let (one, two) =
                    (affinity(group, one, choice.key), affinity(group, two, choice.key));
                one.total_cmp(&two)
            })
        }
    }
}

/// The first in order of turns that suits; one that is warming up passes some of its turns on.
fn next<'g>(
    group: &BackendGroup,
    list: &'g EndpointList,
    choice: Choice<'_>,
    suits: &impl Fn(&TargetAddress) -> bool,
) -> Option<&'g TargetAddress> {
    let turns = &list.turns;
    let in_turn = |offset: usize| {
        let position = turns.get(choice.turn.wrapping_add(offset).checked_rem(turns.len())?)?;
        list.endpoints.get(usize::from(*position))
    };
    let mut cold = None;
    for endpoint in (0..turns.len()).filter_map(in_turn).filter(|endpoint| suits(endpoint)) {
        let warmth = endpoint.health.warmth(group.slow_start, choice.now);
        if warmth >= 1000 || (scatter(choice.turn) % 1000) < usize::try_from(warmth).unwrap_or(1000)
        {
            return Some(endpoint);
        }
        cold = cold.or(Some(endpoint));
    }
    cold
}

/// Requests in flight for each unit of weight, in fixed point.
fn load(endpoint: &TargetAddress) -> u64 {
    let in_flight = endpoint.health.in_flight() as u64;
    in_flight
        .saturating_add(1)
        .saturating_mul(u64::from(u32::MAX))
        .checked_div(u64::from(endpoint.weight))
        .unwrap_or(u64::MAX)
}

/// Weighted rendezvous hashing: when an endpoint leaves, only its own keys move.
#[expect(clippy::cast_precision_loss, reason = "a hash becomes a number between 0 and 1")]
fn affinity(group: &BackendGroup, endpoint: &TargetAddress, key: &[u8]) -> f64 {
    let target = &endpoint.target;
    // of a name, each address has keys of its own
    let address = endpoint.address.filter(|_| target.address.is_none());
    let hash = match address {
        None => group.hasher.hash_one((key, &*target.label, target.definition.base_path.as_str())),
        Some(address) => group.hasher.hash_one((
            key,
            &*target.label,
            target.definition.base_path.as_str(),
            address,
        )),
    };
    let unit = ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    f64::from(endpoint.weight) / -unit.ln()
}

/// Spreads consecutive numbers.
fn scatter(number: usize) -> usize {
    let mixed =
        (number as u64).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap_or_default()
}

#[cfg(test)]
mod tests;
