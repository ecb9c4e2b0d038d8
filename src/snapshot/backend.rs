//! Targets of a backend and whose turn it is.
//!
//! Decides the order of turns from the weights. Never connects: pools belong to the workers, which find theirs by
//! [`TargetSlot`].

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use rustls::pki_types::ServerName;

use crate::model::backend::{Backend, Target};

/// The number of a target over the life of the process: equal targets with equal trust have one number in every
/// snapshot, so that a reload leaves their connections alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetSlot(pub u32);

/// The targets of a backend, ready to be asked.
#[derive(Debug)]
pub struct BackendGroup {
    pub targets: Vec<Arc<CompiledTarget>>,
    /// Positions in `targets`, each as often as its weight says, evenly mixed.
    turns: Box<[u16]>,
    pub connect_timeout: Duration,
    pub response_timeout: Duration,
}

/// One target with everything that does not change from request to request.
#[derive(Debug)]
pub struct CompiledTarget {
    pub slot: TargetSlot,
    pub definition: Target,
    /// `host:port` for the `Host` header.
    pub authority: HeaderValue,
    /// For logs: `http://host:port`.
    pub label: Box<str>,
    pub tls: Option<TargetTls>,
    /// The most idle connections that one worker keeps.
    pub idle_per_worker: usize,
}

#[derive(Debug, Clone)]
pub struct TargetTls {
    pub config: Arc<rustls::ClientConfig>,
    pub server_name: ServerName<'static>,
}

/// The sum of turns is cut to this by scaling weights down, so that no operator's weights cost memory.
const MOST_TURNS: u32 = 4096;

impl BackendGroup {
    pub fn new(backend: &Backend, targets: Vec<Arc<CompiledTarget>>) -> Self {
        let weights: Vec<u32> = backend.targets.iter().map(|target| target.weight).collect();
        Self { targets, turns: turns(&weights), connect_timeout: backend.connect_timeout, response_timeout: backend.response_timeout }
    }

    /// The target of the `count`th turn. Each worker counts for itself.
    pub fn target(&self, count: usize) -> Option<&Arc<CompiledTarget>> {
        let position = self.turns.get(count.checked_rem(self.turns.len())?)?;
        self.targets.get(usize::from(*position))
    }
}

/// Smooth weighted round robin: over one round each position stands as often as its weight, spread evenly.
fn turns(weights: &[u32]) -> Box<[u16]> {
    let divisor = weights.iter().copied().fold(0, greatest_common_divisor).max(1);
    let mut weights: Vec<i64> = weights.iter().map(|weight| i64::from(weight.checked_div(divisor).unwrap_or(1))).collect();
    let mut total: i64 = weights.iter().sum();
    if total > i64::from(MOST_TURNS) {
        for weight in &mut weights {
            *weight = weight.saturating_mul(i64::from(MOST_TURNS)).checked_div(total).unwrap_or(1).max(1);
        }
        total = weights.iter().sum();
    }
    let mut credit = vec![0_i64; weights.len()];
    let mut turns = Vec::with_capacity(usize::try_from(total).unwrap_or_default());
    for _ in 0..total {
        let mut best = 0;
        for (position, (credit, weight)) in credit.iter_mut().zip(&weights).enumerate() {
            *credit += weight;
            if position == 0 {
                best = *credit;
            } else {
                best = best.max(*credit);
            }
        }
        let Some(chosen) = credit.iter().position(|credit| *credit == best) else { break };
        if let Some(credit) = credit.get_mut(chosen) {
            *credit -= total;
        }
        turns.push(u16::try_from(chosen).unwrap_or_default());
    }
    turns.into()
}

fn greatest_common_divisor(left: u32, right: u32) -> u32 {
    match left.checked_rem(right) {
        None => left,
        Some(remainder) => greatest_common_divisor(right, remainder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_weights_take_turns() {
        assert_eq!(&*turns(&[1, 1, 1]), &[0, 1, 2]);
        assert_eq!(&*turns(&[7, 7]), &[0, 1]);
    }

    #[test]
    fn weights_are_mixed_and_kept() {
        assert_eq!(&*turns(&[5, 1, 1]), &[0, 0, 1, 0, 2, 0, 0]);
        let many = turns(&[1000, 999]);
        assert_eq!(many.iter().filter(|position| **position == 0).count(), 1000);
    }

    #[test]
    fn huge_weights_are_scaled() {
        let turns = turns(&[1_000_000, 1]);
        assert!(turns.len() <= MOST_TURNS as usize + 1);
        assert!(turns.contains(&1), "a small weight still has its turn");
    }
}
