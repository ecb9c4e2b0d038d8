//! Which target is asked: whose turn it is among those that are usable.
//!
//! Decides on the rules of the group and on what is known of its targets; asks nobody, waits for nothing.

use std::hash::BuildHasher;
use std::sync::Arc;

use crate::model::backend::Balance;
use crate::snapshot::backend::{BackendGroup, CompiledTarget};
use crate::snapshot::standing::Standing;

/// What a choice depends on beside the group.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'c> {
    /// This worker's count of requests to the group.
    pub turn: usize,
    /// What consistent hashing goes by.
    pub key: &'c [u8],
    /// In milliseconds: [`crate::snapshot::standing::moment`].
    pub now: u64,
    /// Asked already for this request.
    pub tried: &'c [Tried],
}

/// A target's identity within one request.
pub type Tried = *const CompiledTarget;

/// The target to ask; `None` only for a group without targets.
pub fn choose<'g>(group: &'g BackendGroup, choice: Choice<'_>) -> Option<&'g Arc<CompiledTarget>> {
    if let ([only], []) = (group.targets.as_slice(), group.failover.as_slice()) {
        return Some(only);
    }
    let usable =
        group.targets.iter().filter(|target| target.standing.is_usable(choice.now)).count();
    if usable == 0
        && let Some(found) =
            among(group, &group.failover, &group.failover_turns, choice, |standing| {
                standing.is_usable(choice.now)
            })
    {
        return Some(found);
    }
    let share = usable.saturating_mul(1000).checked_div(group.targets.len()).unwrap_or_default();
    if share >= usize::from(group.panic_threshold).max(1)
        && let Some(found) = among(group, &group.targets, &group.turns, choice, |standing| {
            standing.is_usable(choice.now)
        })
    {
        return Some(found);
    }
    // too many are out to believe it, or none is left: everyone may be asked
    among(group, &group.targets, &group.turns, choice, |_| true).or_else(|| group.targets.first())
}

/// The best of one list: not tried and not refusing, then not tried, then any that is allowed.
fn among<'g>(
    group: &'g BackendGroup,
    targets: &'g [Arc<CompiledTarget>],
    turns: &[u16],
    choice: Choice<'_>,
    allowed: impl Fn(&Standing) -> bool,
) -> Option<&'g Arc<CompiledTarget>> {
    let untried = |target: &Arc<CompiledTarget>| !choice.tried.contains(&Arc::as_ptr(target));
    let fresh = |target: &Arc<CompiledTarget>| {
        allowed(&target.standing) && untried(target) && !target.standing.refuses(choice.now)
    };
    let second = |target: &Arc<CompiledTarget>| allowed(&target.standing) && untried(target);
    pick(group, targets, turns, choice, fresh)
        .or_else(|| pick(group, targets, turns, choice, second))
        .or_else(|| pick(group, targets, turns, choice, |target| allowed(&target.standing)))
}

fn pick<'g>(
    group: &'g BackendGroup,
    targets: &'g [Arc<CompiledTarget>],
    turns: &[u16],
    choice: Choice<'_>,
    suits: impl Fn(&Arc<CompiledTarget>) -> bool,
) -> Option<&'g Arc<CompiledTarget>> {
    match &group.balance {
        Balance::RoundRobin => next(group, targets, turns, choice, &suits),
        Balance::LeastRequests => {
            let first = next(
                group,
                targets,
                turns,
                Choice { turn: scatter(choice.turn), ..choice },
                &suits,
            )?;
            let other = |target: &Arc<CompiledTarget>| suits(target) && !Arc::ptr_eq(target, first);
            let second = next(
                group,
                targets,
                turns,
                Choice { turn: scatter(choice.turn.wrapping_add(0x5bd1)), ..choice },
                &other,
            );
            Some(second.filter(|second| load(second) < load(first)).unwrap_or(first))
        }
        Balance::ConsistentHash(_) => {
            targets.iter().filter(|target| suits(target)).max_by(|one, two| {
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
    targets: &'g [Arc<CompiledTarget>],
    turns: &[u16],
    choice: Choice<'_>,
    suits: &impl Fn(&Arc<CompiledTarget>) -> bool,
) -> Option<&'g Arc<CompiledTarget>> {
    let in_turn = |offset: usize| {
        let position = turns.get(choice.turn.wrapping_add(offset).checked_rem(turns.len())?)?;
        targets.get(usize::from(*position))
    };
    let mut cold = None;
    for target in (0..turns.len()).filter_map(in_turn).filter(|target| suits(target)) {
        let warmth = target.standing.warmth(group.slow_start, choice.now);
        if warmth >= 1000 || (scatter(choice.turn) % 1000) < usize::try_from(warmth).unwrap_or(1000)
        {
            return Some(target);
        }
        cold = cold.or(Some(target));
    }
    cold
}

/// Requests in flight for each unit of weight, in fixed point.
fn load(target: &CompiledTarget) -> usize {
    let weight = usize::try_from(target.definition.weight).unwrap_or(1).max(1);
    target
        .standing
        .in_flight()
        .saturating_add(1)
        .saturating_mul(1000)
        .checked_div(weight)
        .unwrap_or(usize::MAX)
}

/// Weighted rendezvous hashing: when a target leaves, only its own keys move.
#[expect(clippy::cast_precision_loss, reason = "a hash becomes a number between 0 and 1")]
fn affinity(group: &BackendGroup, target: &CompiledTarget, key: &[u8]) -> f64 {
    let hash = group.hasher.hash_one((key, &*target.label, target.definition.base_path.as_str()));
    let unit = ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    f64::from(target.definition.weight) / -unit.ln()
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
