//! The numbers of one policy, ready to be counted.

use std::sync::Arc;

use crate::limiter::burst::{BurstRule, milliseconds};
use crate::limiter::key::{CounterKey, KeySpace};
pub use crate::model::policy::ExcessRule;
use crate::model::policy::{Burst, Quota, QuotaUnit, Window};

/// The quotas and the burst of one policy. One counter holds the counts of all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    pub quotas: Box<[Quota]>,
    pub burst: Option<Burst>,
    pub excess: ExcessRule,
    /// Clients are told what is left of it.
    pub is_told: bool,
    /// The followers of this limit's counters, which learn of each change.
    pub followers: Followers,
    /// The time between two comparisons with other gateways, if the policy has its own.
    pub sync_interval: Option<std::time::Duration>,
    /// The start of the counters' names of this limit. [`CounterKey::of`] adds the facts that it
    /// counts apart.
    base: CounterKey,
    /// The counter that callers share if the table is full.
    overflow: CounterKey,
    /// The quotas and the burst again, ready to be counted by.
    pub(super) rules: Box<[QuotaRule]>,
    pub(super) bucket: Option<BurstRule>,
    is_metered: bool,
}

/// The figures of a quota, ready to be counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QuotaRule {
    pub(super) most: u64,
    /// The length of the window in milliseconds.
    pub(super) length: u64,
    pub(super) window: Window,
    pub(super) unit: QuotaUnit,
}

/// A set of [`Follower`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Followers(u8);

/// A follower, which learns of the counters that have changed since the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follower {
    /// The file that survives a restart.
    StateDir,
    /// The count over all gateways.
    Shared,
}

/// A quota of a limit, or its burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitPart {
    /// A quota, by its position.
    Quota(u8),
    Burst,
}

impl Limit {
    /// `name` is the policy's, with its level: counters of the same name and the same windows
    /// survive a reload, even if the figures change.
    pub fn new(
        keys: KeySpace,
        name: &[&str],
        quotas: impl Into<Box<[Quota]>>,
        burst: Option<Burst>,
        excess: ExcessRule,
    ) -> Arc<Self> {
        let quotas = quotas.into();
        let shape = shape(&quotas, burst);
        let parts = || name.iter().map(|part| part.as_bytes()).chain([shape.as_bytes()]);
        Arc::new(Self {
            excess,
            is_told: true,
            followers: Followers::default(),
            sync_interval: None,
            base: keys.fingerprint(parts()).counter(),
            overflow: keys.fingerprint(parts().chain([b"overflow".as_slice()])).counter(),
            rules: quotas.iter().map(QuotaRule::new).collect(),
            bucket: burst.map(BurstRule::new),
            is_metered: quotas.iter().any(|quota| quota.unit != QuotaUnit::Requests),
            quotas,
            burst,
        })
    }

    /// Tells whether something is counted that is known only after the request.
    pub fn is_metered(&self) -> bool {
        self.is_metered
    }

    /// A limit that no client learns of.
    #[must_use]
    pub fn untold(mut self: Arc<Self>) -> Arc<Self> {
        Arc::make_mut(&mut self).is_told = false;
        self
    }

    #[must_use]
    pub fn followed_by(mut self: Arc<Self>, follower: Follower) -> Arc<Self> {
        Arc::make_mut(&mut self).followers.insert(follower);
        self
    }

    pub fn base(&self) -> CounterKey {
        self.base
    }

    pub(super) fn overflow(&self) -> CounterKey {
        self.overflow
    }
}

impl QuotaRule {
    fn new(quota: &Quota) -> Self {
        let Quota { unit, most, window } = *quota;
        Self { most: most.get(), length: milliseconds(window.length()), window, unit }
    }
}

impl Followers {
    pub fn insert(&mut self, follower: Follower) {
        self.0 |= follower.bit();
    }

    pub(super) fn remove(&mut self, follower: Follower) -> bool {
        let had = self.has(follower);
        self.0 &= !follower.bit();
        had
    }

    pub fn has(self, follower: Follower) -> bool {
        self.0 & follower.bit() != 0
    }

    /// Returns the followers of `self` that are not in `others`.
    pub(super) fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Follower {
    pub const ALL: [Self; 2] = [Self::StateDir, Self::Shared];

    fn bit(self) -> u8 {
        1 << self.position()
    }

    pub(super) fn position(self) -> usize {
        match self {
            Self::StateDir => 0,
            Self::Shared => 1,
        }
    }
}

/// The windows as text: counters of other windows are other counters.
fn shape(quotas: &[Quota], burst: Option<Burst>) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for quota in quotas {
        let _ = match quota.window {
            Window::Sliding(length) => {
                write!(text, "{}/{}ms ", quota.unit.label(), length.as_millis())
            }
            Window::Day => write!(text, "{}/day ", quota.unit.label()),
            Window::Month => write!(text, "{}/month ", quota.unit.label()),
        };
    }
    if let Some(burst) = burst {
        let _ = write!(text, "burst/{}ms", burst.per.as_millis());
    }
    text
}
