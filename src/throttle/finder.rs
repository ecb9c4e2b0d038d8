//! Finds the levels of one request.

use smallvec::SmallVec;

use crate::authenticate::Principal;
use crate::authorize::Grant;
use crate::limiter::key::CounterKey;
use crate::model::policy::PolicyIndex;
use crate::snapshot::throttling::CompiledThrottling;
use crate::throttle::condition;
use crate::throttle::level::{CallFacts, INLINE, Level, LevelKind, LimitPlace};
use crate::throttle::subject::Subjects;

/// Collects the levels of one request.
pub(super) struct Finder<'r> {
    pub(super) throttling: &'r CompiledThrottling,
    pub(super) subjects: Subjects<'r>,
    pub(super) levels: &'r mut SmallVec<[Level; INLINE]>,
}

impl Finder<'_> {
    pub(super) fn find(&mut self, grant: &Grant<'_>, facts: &CallFacts<'_>) {
        self.api_or_operation(grant, facts);
        self.subscription(grant);
        if let Some(application) = grant.application() {
            self.application(application.policy);
        }
        for index in &self.throttling.custom {
            let Some(policy) = self.throttling.policy(*index) else { continue };
            let Some(template) = &policy.definition.key else { continue };
            let value = self.subjects.template(template);
            self.push(LevelKind::Custom, *index, 0, |base| base.of(value));
        }
        let api = grant.routed().api().slot;
        let hard = self.throttling.api(api).and_then(|api| api.hard_limit(grant.key_type()));
        if let Some(hard) = hard {
            self.levels.push(Level {
                kind: LevelKind::HardLimit,
                limit: LimitPlace::HardLimit(api, grant.key_type()),
                key: hard.key,
                events: 0,
            });
        }
    }

    /// A policy of the API that has limits replaces those of its operations.
    fn api_or_operation(&mut self, grant: &Grant<'_>, facts: &CallFacts<'_>) {
        let routed = grant.routed();
        let Some(names) = self.throttling.api(routed.api().slot) else { return };
        let of_api = routed.api().definition.policies.api;
        let (kind, index, name) = if of_api == PolicyIndex::UNLIMITED {
            let Some(name) = names.operations.get(routed.position()) else { return };
            (LevelKind::Operation, routed.operation().policy, *name)
        } else {
            (LevelKind::Api, of_api, names.api)
        };
        if index == PolicyIndex::UNLIMITED {
            return;
        }
        let Some(policy) = self.throttling.policy(index) else { return };
        let claims = grant.principal().map(Principal::claims);
        let position = condition::first(&policy.definition.conditions, facts, claims);
        let apart = policy.definition.per_user || grant.principal().is_none();
        let caller = apart.then(|| self.subjects.caller());
        self.push(kind, index, position, |base| {
            let all = base.of(name);
            caller.map_or(all, |caller| all.of(caller))
        });
    }

    fn subscription(&mut self, grant: &Grant<'_>) {
        let Some(api) = self.throttling.api(grant.routed().api().slot).map(|names| names.api)
        else {
            return;
        };
        let (index, is_subscribed) = match (grant.principal(), grant.subscription()) {
            (None, _) => (self.throttling.unauthenticated, false),
            (Some(_), None) => (self.throttling.subscriptionless, false),
            (Some(_), Some(policy)) => (policy, true),
        };
        // most requests have no limit here, and need no fingerprint
        if index == PolicyIndex::UNLIMITED {
            return;
        }
        let application = is_subscribed.then(|| self.subjects.application()).flatten();
        let subject = application.unwrap_or_else(|| self.subjects.client());
        self.push(LevelKind::Subscription, index, 0, |base| base.of(subject).of(api));
    }

    fn application(&mut self, index: PolicyIndex) {
        if index == PolicyIndex::UNLIMITED {
            return;
        }
        let Some(policy) = self.throttling.policy(index) else { return };
        let Some(application) = self.subjects.application() else { return };
        let user = policy.definition.per_user.then(|| self.subjects.caller());
        self.push(LevelKind::Application, index, 0, |base| {
            let all = base.of(application);
            user.map_or(all, |user| all.of(user))
        });
    }

    fn push(
        &mut self,
        kind: LevelKind,
        index: PolicyIndex,
        position: usize,
        key: impl FnOnce(CounterKey) -> CounterKey,
    ) {
        let limit = self.throttling.policy(index).and_then(|policy| policy.limit(position));
        if let Some(limit) = limit {
            let key = key(limit.limit.base());
            let limit = LimitPlace::Policy(index, position);
            self.levels.push(Level { kind, limit, key, events: 0 });
        }
    }
}
