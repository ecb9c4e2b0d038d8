//! Targets of a backend and whose turn it is.
//!
//! Decides the order of turns from the weights. Never connects: pools belong to the workers, which find theirs by
//! [`TargetSlot`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::uri::Authority;
use rustls::pki_types::ServerName;

use crate::model::backend::{
    Addressing, Backend, Balance, EjectRule, HealthRule, Http2, Retries, Target,
};
use crate::snapshot::standing::Standing;

/// The number of a target over the life of the process: equal targets with equal trust have one number in every
/// snapshot, so that a reload leaves their connections alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetSlot(pub u32);

/// The targets of a backend, ready to be asked.
#[derive(Debug)]
pub struct BackendGroup {
    pub targets: Vec<Arc<CompiledTarget>>,
    /// Positions in `targets`, each as often as its weight says, evenly mixed.
    pub turns: Box<[u16]>,
    pub failover: Vec<Arc<CompiledTarget>>,
    pub failover_turns: Box<[u16]>,
    pub balance: Balance,
    /// The same in every gateway, so that they agree on whose key is whose.
    pub hasher: foldhash::quality::FixedState,
    pub connect_timeout: Duration,
    pub response_timeout: Duration,
    pub response_stall_timeout: Option<Duration>,
    pub request_timeout: Option<Duration>,
    pub retries: Retries,
    pub health: Option<HealthRule>,
    pub eject: Option<EjectRule>,
    /// In thousandths.
    pub panic_threshold: u16,
    pub slow_start: Duration,
    pub addressing: Addressing,
}

/// One target with everything that does not change from request to request.
#[derive(Debug)]
pub struct CompiledTarget {
    pub slot: TargetSlot,
    pub definition: Target,
    /// `host:port` for the `Host` header.
    pub authority: HeaderValue,
    /// The same, as HTTP/2 has it in the request's URI.
    pub uri_authority: Authority,
    /// Where the host is written as an IP address.
    pub address: Option<SocketAddr>,
    pub http2: Http2,
    /// How often an HTTP/2 connection is pinged while something waits.
    pub ping_interval: Option<Duration>,
    pub standing: Arc<Standing>,
    /// For logs: `http://host:port`.
    pub label: Box<str>,
    pub tls: Option<TargetTls>,
    /// The most idle connections that one worker keeps.
    pub idle_per_worker: usize,
}

/// A target with its active checks.
#[derive(Debug, Clone)]
pub struct CheckedTarget {
    pub target: Arc<CompiledTarget>,
    pub rule: Arc<HealthRule>,
}

#[derive(Debug, Clone)]
pub struct TargetTls {
    pub config: Arc<rustls::ClientConfig>,
    pub server_name: ServerName<'static>,
}

/// The sum of turns is cut to this by scaling weights down, so that no operator's weights cost memory.
const MOST_TURNS: u32 = 4096;

impl BackendGroup {
    pub fn new(
        backend: &Backend,
        targets: Vec<Arc<CompiledTarget>>,
        failover: Vec<Arc<CompiledTarget>>,
    ) -> Self {
        let weights =
            |targets: &[Target]| targets.iter().map(|target| target.weight).collect::<Vec<_>>();
        Self {
            targets,
            turns: turns(&weights(&backend.targets)),
            failover,
            failover_turns: turns(&weights(&backend.failover)),
            balance: backend.balance.clone(),
            hasher: foldhash::quality::FixedState::default(),
            connect_timeout: backend.connect_timeout,
            response_timeout: backend.response_timeout,
            response_stall_timeout: backend.response_stall_timeout,
            request_timeout: backend.request_timeout,
            retries: backend.retries,
            health: backend.health.clone(),
            eject: backend.eject,
            panic_threshold: backend.panic_threshold,
            slow_start: backend.slow_start,
            addressing: backend.addressing,
        }
    }

    /// All targets, those of the failover list last.
    pub fn all(&self) -> impl Iterator<Item = &Arc<CompiledTarget>> {
        self.targets.iter().chain(&self.failover)
    }

    /// Whether it matters how busy the targets are.
    pub fn counts_in_flight(&self) -> bool {
        self.balance == Balance::LeastRequests
    }

    /// Takes a target out for its failures, unless too many are out.
    pub fn eject(&self, target: &CompiledTarget, now: u64) -> bool {
        let Some(rule) = &self.eject else { return false };
        let list = if self.targets.iter().any(|own| std::ptr::eq(&raw const **own, target)) {
            &self.targets
        } else {
            &self.failover
        };
        let out = list.iter().filter(|target| target.standing.is_ejected(now)).count();
        let most = list
            .len()
            .saturating_mul(usize::from(rule.max_ejected))
            .checked_div(1000)
            .unwrap_or_default();
        out < most && target.standing.eject(rule, now)
    }
}

/// Smooth weighted round robin: over one round each position stands as often as its weight, spread evenly.
pub fn turns(weights: &[u32]) -> Box<[u16]> {
    let divisor = weights.iter().copied().fold(0, greatest_common_divisor).max(1);
    let mut weights: Vec<i64> =
        weights.iter().map(|weight| i64::from(weight.checked_div(divisor).unwrap_or(1))).collect();
    let mut total: i64 = weights.iter().sum();
    if total > i64::from(MOST_TURNS) {
        for weight in &mut weights {
            *weight =
                weight.saturating_mul(i64::from(MOST_TURNS)).checked_div(total).unwrap_or(1).max(1);
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
