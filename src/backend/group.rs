//! The targets of a backend and their addresses, with the order of turns that their weights make.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::uri::Authority;
use rustls::pki_types::ServerName;

use crate::backend::target_health::{TargetHealth, TargetHealths};
use crate::backend::target_slot::TargetSlot;
use crate::dial;
use crate::model::backend::{
    Addressing, Backend, Balance, EjectRule, HealthRule, Http2, Retries, Target,
};
use crate::model::network::NetworkRule;

/// The targets of a backend, prepared for requests.
#[derive(Debug)]
pub struct BackendGroup {
    pub targets: Vec<Arc<CompiledTarget>>,
    pub failover: Vec<Arc<CompiledTarget>>,
    /// The addresses of all targets, where each is written as one. Else each worker resolves the
    /// names.
    pub written: Option<Arc<TargetAddresses>>,
    pub balance: Balance,
    /// The same in every gateway, so that all agree on the target of a key.
    pub hasher: foldhash::quality::FixedState,
    pub connect_timeout: Duration,
    pub response_timeout: Duration,
    pub response_stall_timeout: Option<Duration>,
    pub request_timeout: Option<Duration>,
    pub retries: Retries,
    pub health: Option<HealthRule>,
    pub eject: Option<EjectRule>,
    /// The threshold, in thousandths.
    pub panic_threshold: u16,
    pub slow_start: Duration,
    pub addressing: Addressing,
}

/// One address of a target. Choosing, health and ejection apply to it.
#[derive(Debug)]
pub struct TargetAddress {
    pub target: Arc<CompiledTarget>,
    /// `None` while the target's name has no known address.
    pub address: Option<SocketAddr>,
    pub health: Arc<TargetHealth>,
    /// Its share of the target's weight, on a scale of the list.
    pub weight: u32,
}

/// Endpoints and their turns.
#[derive(Debug, Default)]
pub struct EndpointList {
    pub endpoints: Vec<TargetAddress>,
    /// Positions in `endpoints`, each as often as its weight, evenly mixed.
    pub turns: Box<[u16]>,
}

/// The addresses of a backend's targets.
#[derive(Debug, Default)]
pub struct TargetAddresses {
    pub main: EndpointList,
    pub failover: EndpointList,
    /// The worker's count of changed names when it resolved these.
    pub changes: u64,
}

/// The constant facts of one target.
#[derive(Debug)]
pub struct CompiledTarget {
    pub slot: TargetSlot,
    pub definition: Target,
    /// `host:port` for the `Host` header.
    pub authority: HeaderValue,
    /// The same, as HTTP/2 has it in the request's URI.
    pub uri_authority: Authority,
    /// The address, if the host is written as an IP address in a network that may be called.
    pub address: Option<SocketAddr>,
    /// The networks that may be called; `None` allows all.
    pub networks: Option<NetworkRule>,
    pub http2: Http2,
    /// The time between pings on an HTTP/2 connection while an exchange waits.
    pub ping_interval: Option<Duration>,
    pub healths: Arc<TargetHealths>,
    /// The name in logs: `http://host:port`.
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

/// The sum of turns is cut to this by scaling weights down, so that no operator's weights cost
/// memory.
const MOST_TURNS: u32 = 4096;

impl BackendGroup {
    pub fn new(
        backend: &Backend,
        targets: Vec<Arc<CompiledTarget>>,
        failover: Vec<Arc<CompiledTarget>>,
    ) -> Self {
        let all_written = targets.iter().chain(&failover).all(|target| target.address.is_some());
        let written = all_written.then(|| {
            Arc::new(TargetAddresses {
                main: EndpointList::new(&targets, 0, |_| Vec::new()),
                failover: EndpointList::new(&failover, 0, |_| Vec::new()),
                changes: 0,
            })
        });
        Self {
            targets,
            failover,
            written,
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

    /// Returns all targets, those of the failover list last.
    pub fn all(&self) -> impl Iterator<Item = &Arc<CompiledTarget>> {
        self.targets.iter().chain(&self.failover)
    }

    /// Tells whether the balancing depends on requests in flight.
    pub fn counts_in_flight(&self) -> bool {
        self.balance == Balance::LeastRequests
    }

    /// The endpoints of the group, for names as `resolve` knows them at the moment.
    pub fn resolved(
        &self,
        now: u64,
        changes: u64,
        resolve: impl Fn(&CompiledTarget) -> Vec<SocketAddr>,
    ) -> TargetAddresses {
        TargetAddresses {
            main: EndpointList::new(&self.targets, now, &resolve),
            failover: EndpointList::new(&self.failover, now, &resolve),
            changes,
        }
    }

    /// Takes an endpoint out for its failures, unless too many are out.
    pub fn eject(&self, endpoints: &TargetAddresses, endpoint: &TargetAddress, now: u64) -> bool {
        let Some(rule) = &self.eject else { return false };
        let same = |own: &TargetAddress| Arc::ptr_eq(&own.health, &endpoint.health);
        let list = if endpoints.main.endpoints.iter().any(same) {
            &endpoints.main.endpoints
        } else {
            &endpoints.failover.endpoints
        };
        let out = list.iter().filter(|endpoint| endpoint.health.is_ejected(now)).count();
        let most = list
            .len()
            .saturating_mul(usize::from(rule.max_ejected))
            .checked_div(1000)
            .unwrap_or_default();
        out < most && endpoint.health.eject(rule, now)
    }
}

impl TargetAddresses {
    /// The endpoint at this address of a target.
    pub fn find(&self, target: &CompiledTarget, address: SocketAddr) -> Option<&TargetAddress> {
        self.of(target).find(|endpoint| endpoint.address == Some(address))
    }

    /// Tells whether there is only one target.
    pub fn is_single(&self) -> bool {
        self.main.endpoints.len() == 1 && self.failover.endpoints.is_empty()
    }

    /// Returns the other addresses of an endpoint's target that may be tried, families in turns.
    /// Those that lately accepted no connection come last.
    pub fn others(&self, endpoint: &TargetAddress, now: u64) -> Vec<SocketAddr> {
        let others = self
            .of(&endpoint.target)
            .filter(|other| other.address != endpoint.address && other.health.is_usable(now));
        let (last, first): (Vec<_>, Vec<_>) = others.partition(|other| other.health.refuses(now));
        let addresses = endpoint.address.into_iter();
        let ordered: Vec<SocketAddr> =
            addresses.chain(first.iter().filter_map(|other| other.address)).collect();
        let ordered = dial::in_order(&ordered);
        let ordered = ordered.into_iter().skip(usize::from(endpoint.address.is_some()));
        ordered.chain(last.iter().filter_map(|other| other.address)).collect()
    }

    /// The endpoints of a target.
    pub fn of(&self, target: &CompiledTarget) -> impl Iterator<Item = &TargetAddress> {
        let all = self.main.endpoints.iter().chain(&self.failover.endpoints);
        all.filter(move |endpoint| std::ptr::eq(&raw const *endpoint.target, target))
    }
}

impl CompiledTarget {
    /// Tells whether the gateway may connect to this address for the target.
    pub fn permits(&self, address: SocketAddr) -> bool {
        self.networks.as_ref().is_none_or(|networks| networks.permits(address.ip()))
    }

    /// Tells whether all its addresses are in networks that may not be called. For a name, the last
    /// answer counts.
    pub fn is_denied(&self) -> bool {
        let Some(networks) = &self.networks else { return false };
        let literal = self.definition.host.parse::<IpAddr>();
        literal.is_ok_and(|address| !networks.permits(address)) || self.healths.is_denied()
    }

    /// Names the target for people, and adds if the gateway may not connect to it.
    pub fn shown(&self) -> String {
        let denied = self.is_denied();
        let note = if denied { " (in a network that may not be called)" } else { "" };
        format!("{}{note}", self.label)
    }

    /// Returns its addresses with the health of each. A target that is written as an address, or
    /// has none, stands for itself.
    pub fn endpoints(
        self: &Arc<Self>,
        addresses: &[SocketAddr],
        now: u64,
    ) -> Vec<(Option<SocketAddr>, Arc<TargetHealth>)> {
        if self.address.is_some() || addresses.is_empty() {
            return vec![(self.address, Arc::clone(self.healths.own()))];
        }
        let healths = self.healths.of(addresses, now);
        addresses.iter().copied().map(Some).zip(healths).collect()
    }
}

/// The common scale of weights grows no further: more addresses than this share roughly.
const MOST_SHARES: u64 = 1 << 16;

impl EndpointList {
    /// Divides each target's weight among its addresses. One that is named several times (by SRV
    /// records) counts so often.
    fn new(
        targets: &[Arc<CompiledTarget>],
        now: u64,
        resolve: impl Fn(&CompiledTarget) -> Vec<SocketAddr>,
    ) -> Self {
        let resolved: Vec<Vec<SocketAddr>> = targets.iter().map(|target| resolve(target)).collect();
        let scale = resolved.iter().fold(1, |scale, addresses| {
            least_common_multiple(scale, addresses.len().max(1) as u64).min(MOST_SHARES)
        });
        let mut endpoints = Vec::new();
        for (target, addresses) in targets.iter().zip(&resolved) {
            let mut distinct = addresses.clone();
            distinct.sort_unstable();
            distinct.dedup();
            let share = scale.checked_div(addresses.len().max(1) as u64).unwrap_or(1).max(1);
            for (address, health) in target.endpoints(&distinct, now) {
                let times = addresses.iter().filter(|other| Some(**other) == address).count();
                let weight = u64::from(target.definition.weight)
                    .saturating_mul(share)
                    .saturating_mul(times.max(1) as u64);
                endpoints.push(TargetAddress {
                    target: Arc::clone(target),
                    address,
                    health,
                    weight: u32::try_from(weight).unwrap_or(u32::MAX),
                });
            }
        }
        let weights: Vec<u32> = endpoints.iter().map(|endpoint| endpoint.weight).collect();
        Self { endpoints, turns: turns(&weights) }
    }
}

fn least_common_multiple(left: u64, right: u64) -> u64 {
    let (mut divisor, mut rest) = (left, right);
    while let Some(remainder) = divisor.checked_rem(rest) {
        (divisor, rest) = (rest, remainder);
    }
    left.checked_div(divisor).unwrap_or(1).saturating_mul(right)
}

/// Smooth weighted round robin: over one round each position stands as often as its weight, spread
/// evenly.
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
