//! Throttling policies: the limits that operators name, and the deny conditions.

mod built_in;
mod condition;
mod deny;
mod key_template;
mod quota;

pub use built_in::built_in;
pub use condition::{AddressRange, Condition, Matcher};
pub use deny::{DenyCondition, DenyTarget};
pub use key_template::{InvalidKeyTemplate, KeyPart, KeyTemplate, VARIABLES};
pub use quota::{
    Burst, LONGEST_WINDOW, MOST_REQUESTS, MOST_UNITS, Quota, QuotaUnit, SHORTEST_WINDOW, Window,
};

use std::collections::BTreeMap;
use std::time::Duration;

use http::HeaderName;

use crate::model::identity::{Identities, Identity, ObjectId};
use crate::model::provenance::Provenance;
use crate::model::throttling::SharedCounting;

/// The policy without limits. It exists on every level but "custom".
pub const UNLIMITED: &str = "Unlimited";

/// The settings of `[throttling]`, all policies, and the deny conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Throttling {
    pub max_counters: usize,
    /// Answers carry `RateLimit` and `RateLimit-Policy`.
    pub headers: bool,
    /// The subscription policy of each client address that calls operations without a token.
    pub unauthenticated: PolicyIndex,
    /// The subscription policy of each client of APIs that need no subscription.
    pub subscriptionless: PolicyIndex,
    /// The count that all gateways share, if there is one.
    pub shared: Option<SharedCounting>,
    pub policies: Policies,
    pub deny: Vec<DenyCondition>,
}

/// A named limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub name: String,
    pub level: PolicyLevel,
    pub limits: PolicyLimits,
    pub excess: ExcessRule,
    /// Counts each user apart: of an application, or each caller of an API.
    pub per_user: bool,
    /// The time between two comparisons with other gateways, if the policy has its own.
    pub sync_interval: Option<Duration>,
    /// The response header in which a backend reports a number of units.
    pub events_header: Option<HeaderName>,
    /// For advanced policies: other limits under conditions, of which the first that holds applies.
    pub conditions: Vec<Condition>,
    /// For custom policies: each value of the key has a count of its own.
    pub key: Option<KeyTemplate>,
    /// For custom policies: the users whose requests count. If there are none, everybody's do.
    pub users: Vec<String>,
    /// `None` for a built-in policy.
    pub place: Option<Provenance>,
}

/// The figures of a policy. All of them hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyLimits {
    pub quotas: Vec<Quota>,
    pub burst: Option<Burst>,
}

/// The place of a policy in the order of a request's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PolicyLevel {
    /// The level of an API, or of an operation.
    Advanced,
    Subscription,
    Application,
    Custom,
}

/// The fate of a request beyond a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExcessRule {
    #[default]
    Refuse,
    /// The request passes a quota and is marked; a burst still refuses it.
    Mark,
    /// The request passes, is logged, and consumes nothing of this limit.
    Observe,
}

/// A policy's slot, from 1. A policy keeps it over reloads, and none is renumbered when another one
/// is removed. The default is the policy without limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct PolicyIndex(u16);

/// All policies, found by level and name, or by slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policies {
    /// The policies in the order written, without the unlimited one.
    all: Vec<IdentifiedPolicy>,
    by_name: BTreeMap<(PolicyLevel, String), usize>,
    by_slot: BTreeMap<PolicyIndex, usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct IdentifiedPolicy {
    /// Holds the slot for as long as these policies are in use.
    identity: Identity,
    index: PolicyIndex,
    policy: Policy,
}

impl PolicyLevel {
    pub const ALL: [Self; 4] =
        [Self::Advanced, Self::Subscription, Self::Application, Self::Custom];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Advanced => "advanced",
            Self::Subscription => "subscription",
            Self::Application => "application",
            Self::Custom => "custom",
        }
    }
}

impl Policy {
    /// The policy without limits, under a name.
    pub fn new(name: &str, level: PolicyLevel, limits: PolicyLimits) -> Self {
        Self {
            name: name.to_owned(),
            level,
            limits,
            excess: ExcessRule::default(),
            per_user: false,
            sync_interval: None,
            events_header: None,
            conditions: Vec::new(),
            key: None,
            users: Vec::new(),
            place: None,
        }
    }

    /// The policy's own limits, and those of its conditions.
    pub fn every_limits(&self) -> impl Iterator<Item = &PolicyLimits> {
        std::iter::once(&self.limits).chain(self.conditions.iter().map(|c| &c.limits))
    }
}

impl PolicyIndex {
    pub const UNLIMITED: Self = Self(0);

    /// Returns the slot, or `None` for the policy without limits.
    pub fn position(self) -> Option<usize> {
        usize::from(self.0).checked_sub(1)
    }

    fn of(identity: &Identity) -> Option<Self> {
        u16::try_from(identity.slot()).ok()?.checked_add(1).map(Self)
    }
}

impl Policies {
    /// Adds a policy. One that is written replaces the built-in one of its name; `false`: there is
    /// no room for more.
    pub fn add(&mut self, policy: Policy, identities: &Identities) -> bool {
        let key = (policy.level, policy.name.clone());
        if let Some(known) = self.by_name.get(&key).and_then(|at| self.all.get_mut(*at)) {
            known.policy = policy;
            return true;
        }
        let identity = identities.policy(&format!("{}:{}", policy.level.as_str(), policy.name));
        let Some(index) = PolicyIndex::of(&identity) else { return false };
        self.by_name.insert(key, self.all.len());
        self.by_slot.insert(index, self.all.len());
        self.all.push(IdentifiedPolicy { identity, index, policy });
        true
    }

    pub fn find(&self, level: PolicyLevel, name: &str) -> Option<PolicyIndex> {
        if name == UNLIMITED && level != PolicyLevel::Custom {
            return Some(PolicyIndex::UNLIMITED);
        }
        let at = self.by_name.get(&(level, name.to_owned()))?;
        self.all.get(*at).map(|known| known.index)
    }

    /// Returns `None` for the policy without limits.
    pub fn get(&self, index: PolicyIndex) -> Option<&Policy> {
        self.known(index).map(|known| &known.policy)
    }

    /// Returns the id that a policy has in every process, or `None` for the one without limits.
    pub fn id(&self, index: PolicyIndex) -> Option<ObjectId> {
        self.known(index).map(|known| known.identity.id())
    }

    pub fn name(&self, index: PolicyIndex) -> &str {
        self.get(index).map_or(UNLIMITED, |policy| policy.name.as_str())
    }

    /// Returns every policy with its index, except the unlimited one.
    pub fn iter(&self) -> impl Iterator<Item = (PolicyIndex, &Policy)> {
        self.all.iter().map(|known| (known.index, &known.policy))
    }

    pub fn names(&self, level: PolicyLevel) -> impl Iterator<Item = &str> {
        let named = self.all.iter().map(|known| &known.policy);
        let named = named.filter(move |policy| policy.level == level);
        named.map(|policy| policy.name.as_str()).chain([UNLIMITED])
    }

    fn known(&self, index: PolicyIndex) -> Option<&IdentifiedPolicy> {
        self.all.get(*self.by_slot.get(&index)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policies(names: &[&str], identities: &Identities) -> Policies {
        let mut policies = Policies::default();
        for name in names {
            let policy = Policy::new(name, PolicyLevel::Subscription, PolicyLimits::default());
            assert!(policies.add(policy, identities));
        }
        policies
    }

    fn slot(policies: &Policies, name: &str) -> usize {
        policies.find(PolicyLevel::Subscription, name).and_then(PolicyIndex::position).unwrap()
    }

    #[test]
    fn a_policy_keeps_its_slot_while_others_come_and_go() {
        let identities = Identities::default();
        let first = policies(&["a", "b", "c"], &identities);
        assert_eq!(["a", "b", "c"].map(|name| slot(&first, name)), [0, 1, 2]);
        let second = policies(&["new", "c", "a"], &identities);
        assert_eq!(["new", "c", "a"].map(|name| slot(&second, name)), [3, 2, 0]);
        assert_eq!(second.name(PolicyIndex(2)), UNLIMITED, "\"b\" is none of these");
        // "b" is not in use any more
        drop(first);
        let third = policies(&["later", "c"], &identities);
        assert_eq!(["later", "c"].map(|name| slot(&third, name)), [1, 2]);
        assert_eq!(third, policies(&["later", "c"], &identities));
        assert_ne!(third, policies(&["c", "later"], &identities), "custom ones have an order");
    }

    #[test]
    fn an_id_is_derived_from_level_and_name() {
        let identities = Identities::default();
        let mut both = policies(&["Gold"], &identities);
        let other = Policy::new("Gold", PolicyLevel::Application, PolicyLimits::default());
        assert!(both.add(other, &identities));
        let id = |level| both.id(both.find(level, "Gold").unwrap()).unwrap();
        assert_ne!(id(PolicyLevel::Subscription), id(PolicyLevel::Application));
        // people keep ids, so the next version of the gateway must derive the same ones
        assert_eq!(
            id(PolicyLevel::Subscription).to_string(),
            "b35c7b1d-d796-5181-98f3-ec535cecca08"
        );
        assert_eq!(both.id(PolicyIndex::UNLIMITED), None);
    }
}
