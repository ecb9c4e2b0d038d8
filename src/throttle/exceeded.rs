//! A limit that has no room for a request, and when it will have some.

use std::sync::Arc;

use jiff::Timestamp;

use crate::limiter::limit::LimitPart;
use crate::model::reason::Reason;
use crate::snapshot::LevelKind;
use crate::snapshot::throttling::CompiledPolicy;

/// A limit that has no room for a request.
#[derive(Debug, Clone)]
pub struct LimitExceeded {
    pub kind: LevelKind,
    pub part: LimitPart,
    pub policy: Arc<CompiledPolicy>,
    /// The limit of the policy that refuses.
    pub position: usize,
    /// Milliseconds until the request may come again.
    pub wait: u64,
    /// The time of the refusal, in milliseconds since 1970.
    pub at: u64,
    /// Answers tell clients of their limits.
    pub headers: bool,
}

impl LimitExceeded {
    pub fn reason(&self) -> Reason {
        match (self.kind, self.part) {
            (LevelKind::Api, _) => Reason::ApiQuota,
            (LevelKind::Operation, _) => Reason::OperationQuota,
            (LevelKind::Subscription, LimitPart::Quota(_)) => Reason::SubscriptionQuota,
            (LevelKind::Subscription, LimitPart::Burst) => Reason::SubscriptionBurst,
            (LevelKind::Application, LimitPart::Quota(_)) => Reason::ApplicationQuota,
            (LevelKind::Application, LimitPart::Burst) => Reason::ApplicationBurst,
            (LevelKind::Custom, _) => Reason::CustomQuota,
            (LevelKind::HardLimit, _) => Reason::HardLimit,
        }
    }

    /// Returns the time from which the request is accepted again, in WSO2's format: `2026-Nov-27
    /// 21:30:00+0000 UTC`.
    pub fn next_access(&self) -> String {
        let second = self.at.saturating_add(self.wait).div_ceil(1000);
        let second = i64::try_from(second).unwrap_or(i64::MAX);
        let timestamp = Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
        timestamp.strftime("%Y-%b-%d %H:%M:%S+0000 UTC").to_string()
    }

    /// Seconds until the request may come again, rounded up.
    pub fn retry_after(&self) -> u64 {
        self.wait.div_ceil(1000).max(1)
    }
}

impl std::fmt::Display for LimitExceeded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let part = match self.part {
            LimitPart::Burst => "burst",
            LimitPart::Quota(_) => "quota",
        };
        let (kind, name) = (self.kind.label(), &self.policy.definition.name);
        let wait = self.retry_after();
        write!(formatter, "the {part} of {kind} policy {name:?} is used up for {wait} s")
    }
}

impl std::error::Error for LimitExceeded {}
