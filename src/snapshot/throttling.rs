//! The compiled limits: those that a request of each API counts against, and the deny conditions.
//!
//! Counters outlive snapshots: they are found again by the names of policy, application and API.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use crate::limiter::counters::Counters;
use crate::limiter::key::{CounterKey, Fingerprint, KeySpace};
use crate::limiter::limit::{Follower, Limit};
use crate::limiter::shared::{self, SharedLimiter};
use crate::model::api::Api;
use crate::model::application::KeyType;
use crate::model::names::ApiSlot;
use crate::model::policy::{
    ExcessRule, KeyPart, Policies, Policy, PolicyIndex, PolicyLevel, PolicyLimits, Quota,
    QuotaUnit, Throttling, Window,
};
use crate::model::throttling::{OnCounterFailure, SharedCounting};
use crate::snapshot::BySlot;
pub use crate::snapshot::deny::{CompiledDeny, DeniedBy};
use crate::telemetry::{Metrics, PolicySeries};

/// Counts of windows from this length on survive a restart.
const KEPT_FROM: Duration = Duration::from_hours(1);

/// All limits of a generation.
#[derive(Debug)]
pub struct CompiledThrottling {
    pub counters: Arc<Counters>,
    /// The bound of the counters, from when this generation is in use.
    pub max_counters: usize,
    pub headers: bool,
    /// The count over all gateways.
    pub shared: Option<SharedLimits>,
    /// The secret of the counters' names: all gateways that share counts have one.
    pub keys: KeySpace,
    pub unauthenticated: PolicyIndex,
    pub subscriptionless: PolicyIndex,
    /// Policies of level "custom": every request counts against them.
    pub custom: Vec<PolicyIndex>,
    /// The key of one of them has the client's address.
    pub counts_addresses: bool,
    pub deny: Option<CompiledDeny>,
    policies: BySlot<CompiledPolicy>,
    apis: BySlot<ApiLimits>,
    /// Every limit, so that a request finds one by its number.
    limits: Vec<NumberedLimit>,
}

/// The number of a limit in its generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitNumber(u32);

/// A limit of a policy.
#[derive(Debug)]
pub struct NumberedLimit {
    pub limit: Arc<Limit>,
    pub policy: Arc<CompiledPolicy>,
    /// 0 for the policy's own limits, or one more than the position of their condition.
    pub position: usize,
}

/// The way of requests to the servers that count for all gateways.
#[derive(Debug)]
pub struct SharedLimits {
    pub limiter: Arc<SharedLimiter>,
    pub on_failure: OnCounterFailure,
}

/// A policy, with its limits ready to be counted.
#[derive(Debug)]
pub struct CompiledPolicy {
    pub definition: Policy,
    /// The policy's own limits, then those of its conditions.
    pub limits: Vec<CompiledLimit>,
    pub series: Arc<PolicySeries>,
    /// The number of the first of `limits`.
    first: usize,
}

#[derive(Debug)]
pub struct CompiledLimit {
    pub limit: Arc<Limit>,
    /// The value of `RateLimit-Policy`.
    pub header: HeaderValue,
    /// For each quota, the beginning of `RateLimit`: its name, up to the remaining number.
    pub left_of: Box<[String]>,
}

/// The limits of one API, by names that stay the same.
#[derive(Debug)]
pub struct ApiLimits {
    slot: ApiSlot,
    pub api: Fingerprint,
    pub operations: Vec<Fingerprint>,
    production: Option<HardLimit>,
    sandbox: Option<HardLimit>,
}

/// The most that one backend may be sent.
#[derive(Debug)]
pub struct HardLimit {
    pub policy: Arc<CompiledPolicy>,
    pub key: CounterKey,
}

/// Compiles limits: for which counters, and whether long counts are kept in `state_dir`.
#[derive(Debug)]
pub(super) struct LimitCompiler<'c> {
    pub(super) counters: &'c Arc<Counters>,
    pub(super) limiter: &'c Arc<SharedLimiter>,
    pub(super) shared: Option<&'c SharedCounting>,
    pub(super) metrics: &'c Arc<Metrics>,
    pub(super) kept: bool,
}

impl LimitCompiler<'_> {
    pub(super) fn compile(&self, throttling: &Throttling, apis: &[Api]) -> CompiledThrottling {
        let policies = &throttling.policies;
        let mut limits = Vec::new();
        let compiled = policies.iter().filter_map(|(index, policy)| {
            Some((index.position()?, numbered(self.policy(policy.clone()), &mut limits)))
        });
        let compiled = BySlot::placed(compiled.collect());
        let apis = apis.iter().map(|api| Arc::new(self.api(api, &mut limits))).collect();
        CompiledThrottling {
            counters: Arc::clone(self.counters),
            max_counters: throttling.max_counters,
            headers: throttling.headers,
            shared: throttling.shared.as_ref().map(|shared| SharedLimits {
                limiter: Arc::clone(self.limiter),
                on_failure: shared.on_failure,
            }),
            keys: self.keys(),
            unauthenticated: throttling.unauthenticated,
            subscriptionless: throttling.subscriptionless,
            custom: custom(policies),
            counts_addresses: policies.iter().any(|(_, policy)| has_address(policy)),
            deny: CompiledDeny::of(throttling),
            policies: compiled,
            apis: BySlot::new(apis, |limits: &ApiLimits| limits.slot.position()),
            limits,
        }
    }

    fn keys(&self) -> KeySpace {
        self.shared.map_or_else(|| self.counters.keys(), shared::key_space)
    }

    fn policy(&self, definition: Policy) -> CompiledPolicy {
        let level = definition.level.as_str();
        let limits = definition.every_limits().enumerate().map(|(position, limits)| {
            let condition = position.to_string();
            let name = [level, &definition.name, &condition];
            let mut compiled = self.limit(&name, &definition.name, limits, definition.excess);
            Arc::make_mut(&mut compiled.limit).sync_interval = definition.sync_interval;
            compiled
        });
        CompiledPolicy {
            limits: limits.collect(),
            series: self.metrics.policy(&definition.name, level),
            definition,
            first: 0,
        }
    }

    fn limit(
        &self,
        name: &[&str],
        shown: &str,
        limits: &PolicyLimits,
        excess: ExcessRule,
    ) -> CompiledLimit {
        let quotas = limits.quotas.as_slice();
        let mut limit = Limit::new(self.keys(), name, quotas, limits.burst, excess);
        if self.kept && quotas.iter().any(|quota| quota.window.length() >= KEPT_FROM) {
            limit = limit.followed_by(Follower::StateDir);
        }
        if self.shared.is_some() {
            limit = limit.followed_by(Follower::Shared);
        }
        let position = (0_u8..).zip(quotas);
        let left_of = position.map(|(position, _)| left_of(&quota_name(shown, position)));
        CompiledLimit { limit, header: policy_header(shown, limits), left_of: left_of.collect() }
    }

    fn api(&self, api: &Api, all: &mut Vec<NumberedLimit>) -> ApiLimits {
        let (name, version) = (api.name.as_str().as_bytes(), api.version.as_str().as_bytes());
        let operations = api.operations.iter().map(|operation| {
            let (method, path) = (operation.method.as_str(), operation.template.as_str());
            let kind = b"operation".as_slice();
            self.keys().fingerprint([kind, name, version, method.as_bytes(), path.as_bytes()])
        });
        let fingerprint = self.keys().fingerprint([b"api".as_slice(), name, version]);
        let mut hard = |backend: Option<Option<Quota>>, key_type: KeyType| {
            let quota = backend.flatten()?;
            let limits = PolicyLimits { quotas: vec![quota], burst: None };
            let shown = format!("{}:{} {}", api.name, api.version, key_type.label());
            let parts = ["hard_limit", api.name.as_str(), api.version.as_str(), key_type.label()];
            let mut limit = self.limit(&parts, &shown, &limits, ExcessRule::Refuse);
            limit.limit = limit.limit.untold();
            let key = limit.limit.base().beside(fingerprint);
            let policy = CompiledPolicy {
                definition: Policy::new(&shown, PolicyLevel::Advanced, limits),
                limits: vec![limit],
                series: self.metrics.policy(&shown, "hard_limit"),
                first: 0,
            };
            Some(HardLimit { policy: numbered(policy, all), key })
        };
        ApiLimits {
            slot: api.slot(),
            api: fingerprint,
            operations: operations.collect(),
            production: hard(api.production.as_ref().map(|b| b.hard_limit), KeyType::Production),
            sandbox: hard(api.sandbox.as_ref().map(|b| b.hard_limit), KeyType::Sandbox),
        }
    }
}

impl CompiledThrottling {
    /// Returns every policy that has limits.
    pub fn policies(&self) -> impl Iterator<Item = &CompiledPolicy> {
        self.policies.iter().map(|policy| &**policy)
    }

    /// Sets the bound of the counters: this generation is in use now.
    pub(super) fn take_effect(&self) {
        self.counters.set_most(self.max_counters);
    }

    /// Returns `None` for no limits.
    pub fn policy(&self, index: PolicyIndex) -> Option<&Arc<CompiledPolicy>> {
        self.policies.at(index.position()?)
    }

    pub fn api(&self, slot: ApiSlot) -> Option<&ApiLimits> {
        self.apis.at(slot.position()).map(|limits| &**limits)
    }

    pub fn limit(&self, number: LimitNumber) -> Option<&NumberedLimit> {
        self.limits.get(number.0 as usize)
    }

    /// Returns every limit.
    pub fn every_limit(&self) -> impl Iterator<Item = &Arc<Limit>> {
        self.limits.iter().map(|numbered| &numbered.limit)
    }
}

impl LimitNumber {
    pub fn get(self) -> u32 {
        self.0
    }
}

impl NumberedLimit {
    /// Returns the limit with its headers for clients.
    pub fn compiled(&self) -> Option<&CompiledLimit> {
        self.policy.limits.get(self.position)
    }
}

impl ApiLimits {
    pub fn hard_limit(&self, key_type: KeyType) -> Option<&HardLimit> {
        match key_type {
            KeyType::Production => self.production.as_ref(),
            KeyType::Sandbox => self.sandbox.as_ref(),
        }
    }
}

impl CompiledPolicy {
    /// The number of a limit: at 0 the policy's own, then those of its conditions.
    pub fn number(&self, position: usize) -> Option<LimitNumber> {
        self.limits.get(position)?;
        u32::try_from(self.first + position).ok().map(LimitNumber)
    }
}

/// Numbers the limits of a policy, after those that are there already.
fn numbered(mut policy: CompiledPolicy, all: &mut Vec<NumberedLimit>) -> Arc<CompiledPolicy> {
    policy.first = all.len();
    let policy = Arc::new(policy);
    all.extend(policy.limits.iter().enumerate().map(|(position, compiled)| NumberedLimit {
        limit: Arc::clone(&compiled.limit),
        policy: Arc::clone(&policy),
        position,
    }));
    policy
}

fn custom(policies: &Policies) -> Vec<PolicyIndex> {
    let custom = policies.iter().filter(|(_, policy)| policy.level == PolicyLevel::Custom);
    custom.map(|(index, _)| index).collect()
}

fn has_address(policy: &Policy) -> bool {
    policy.key.as_ref().is_some_and(|template| template.parts().contains(&KeyPart::Address))
}

/// Returns the names of a policy's quotas in `RateLimit` and `RateLimit-Policy`: the policy's own,
/// then numbered ones.
pub fn quota_name(policy: &str, position: u8) -> String {
    match position {
        0 => policy.to_owned(),
        more => format!("{policy}.{}", more + 1),
    }
}

/// The first part of `RateLimit`, which is the same for all requests.
fn left_of(name: &str) -> String {
    format!("\"{name}\";r=")
}

/// The members of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11): quota, unit and
/// window of each quota.
fn policy_header(name: &str, limits: &PolicyLimits) -> HeaderValue {
    let mut text = String::new();
    for (position, quota) in (0_u8..).zip(&limits.quotas) {
        let unit = match quota.unit {
            QuotaUnit::Requests => "",
            QuotaUnit::Bandwidth => ";qu=\"content-bytes\"",
            QuotaUnit::Events => ";qu=\"events\"",
        };
        let comma = if text.is_empty() { "" } else { ", " };
        let (name, seconds) = (quota_name(name, position), window_seconds(quota.window));
        let _ = write!(text, "{comma}\"{name}\";q={}{unit};w={seconds}", quota.most);
    }
    if let Some(burst) = limits.burst {
        let comma = if text.is_empty() { "" } else { ", " };
        let seconds = burst.per.as_millis().div_ceil(1000);
        let _ = write!(text, "{comma}\"{name}.burst\";q={};w={seconds}", burst.requests);
    }
    // names are of printable ASCII without quotes, so this is a value
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn window_seconds(window: Window) -> u64 {
    window.length().as_secs()
}
