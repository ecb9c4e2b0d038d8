//! Throttling policies: the limits that operators name, and who is not served at all.

mod built_in;
mod condition;
mod deny;
mod key_template;
mod quota;

pub use built_in::built_in;
pub use condition::{AddressRange, Condition, Matcher};
pub use deny::{DenyCondition, DenyTarget};
pub use key_template::{InvalidTemplate, KeyPart, KeyTemplate, VARIABLES};
pub use quota::{
    Burst, LONGEST_WINDOW, MOST_REQUESTS, MOST_UNITS, Quota, QuotaUnit, SHORTEST_WINDOW, Window,
};

use std::collections::BTreeMap;
use std::time::Duration;

use http::HeaderName;

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
    /// One count over all gateways.
    pub shared: Option<SharedCounting>,
    pub policies: Policies,
    pub deny: Vec<DenyCondition>,
}

/// A named limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub name: String,
    pub level: PolicyLevel,
    pub limits: Limits,
    pub excess: ExcessRule,
    /// Counts each user apart: of an application, or each caller of an API.
    pub per_user: bool,
    /// The time between two comparisons with other gateways, where the policy has its own.
    pub sync_interval: Option<Duration>,
    /// The response header in which a backend reports a number.
    pub events_header: Option<HeaderName>,
    /// Advanced policies: other limits under conditions, the first that holds.
    pub conditions: Vec<Condition>,
    /// Custom policies: one count for each value.
    pub key: Option<KeyTemplate>,
    /// `None`: built in.
    pub place: Option<Provenance>,
}

/// The figures of a policy. All of them hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    pub quotas: Vec<Quota>,
    pub burst: Option<Burst>,
}

/// The place of a policy in the order of a request's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PolicyLevel {
    /// Of an API, or of an operation.
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
    /// It passes a quota and is marked; a burst still refuses.
    Mark,
    /// It passes, is noted, and consumes nothing of this limit.
    Observe,
}

/// A policy's position in [`Policies`]; the default is the one without limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PolicyIndex(u16);

/// All policies, found by level and name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policies {
    /// Without the unlimited one: position 0 has the index 1.
    all: Vec<Policy>,
    by_name: BTreeMap<(PolicyLevel, String), PolicyIndex>,
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
    pub fn new(name: &str, level: PolicyLevel, limits: Limits) -> Self {
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
            place: None,
        }
    }

    /// The policy's own limits, and those of its conditions.
    pub fn every_limits(&self) -> impl Iterator<Item = &Limits> {
        std::iter::once(&self.limits).chain(self.conditions.iter().map(|c| &c.limits))
    }
}

impl PolicyIndex {
    pub const UNLIMITED: Self = Self(0);

    pub fn position(self) -> Option<usize> {
        usize::from(self.0).checked_sub(1)
    }
}

impl Policies {
    /// Adds a policy. One that is written replaces the built-in one of its name; `false`: there is
    /// no room for more.
    pub fn add(&mut self, policy: Policy) -> bool {
        let key = (policy.level, policy.name.clone());
        if let Some(place) = self.by_name.get(&key).and_then(|index| index.position()) {
            if let Some(old) = self.all.get_mut(place) {
                *old = policy;
            }
            return true;
        }
        let Ok(index) = u16::try_from(self.all.len() + 1) else { return false };
        self.by_name.insert(key, PolicyIndex(index));
        self.all.push(policy);
        true
    }

    pub fn find(&self, level: PolicyLevel, name: &str) -> Option<PolicyIndex> {
        if name == UNLIMITED && level != PolicyLevel::Custom {
            return Some(PolicyIndex::UNLIMITED);
        }
        self.by_name.get(&(level, name.to_owned())).copied()
    }

    /// `None`: no limits.
    pub fn get(&self, index: PolicyIndex) -> Option<&Policy> {
        self.all.get(index.position()?)
    }

    pub fn name(&self, index: PolicyIndex) -> &str {
        self.get(index).map_or(UNLIMITED, |policy| policy.name.as_str())
    }

    /// Every policy with its index, but for the unlimited one.
    pub fn iter(&self) -> impl Iterator<Item = (PolicyIndex, &Policy)> {
        (1_u16..).map(PolicyIndex).zip(&self.all)
    }

    pub fn names(&self, level: PolicyLevel) -> impl Iterator<Item = &str> {
        let named = self.all.iter().filter(move |policy| policy.level == level);
        named.map(|policy| policy.name.as_str()).chain([UNLIMITED])
    }
}
