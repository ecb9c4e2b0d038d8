//! Finds the levels of one request.

use smallvec::SmallVec;

use crate::authenticate::Principal;
use crate::authorize::Grant;
use crate::limiter::key::{CounterKey, Fingerprint};
use crate::model::directory::ApplicationView;
use crate::model::policy::PolicyIndex;
use crate::snapshot::local::LocalThrottling;
use crate::snapshot::throttling::{ApiLimits, LimitNumber};
use crate::throttle::condition;
use crate::throttle::level::{CallFacts, INLINE, Level, LevelKind};
use crate::throttle::subject::Subjects;

/// Collects the levels of one request.
pub(super) struct Finder<'r> {
    pub(super) throttling: &'r LocalThrottling,
    pub(super) subjects: Subjects<'r>,
    pub(super) levels: &'r mut SmallVec<[Level; INLINE]>,
    /// Some level counts an amount that is known only after the request.
    pub(super) is_metered: bool,
}

impl Finder<'_> {
    pub(super) fn find(&mut self, grant: &Grant<'_>, facts: &CallFacts<'_>) {
        let throttling = self.throttling;
        if let Some(names) = throttling.api(grant.routed().api().slot) {
            self.api_or_operation(names, grant, facts);
            self.subscription(names, grant);
        }
        if let Some(application) = grant.application() {
            self.application(&application, grant);
        }
        for index in &throttling.custom {
            let Some(policy) = throttling.policy(*index) else { continue };
            let Some(template) = &policy.definition.key else { continue };
            let value = self.subjects.custom(throttling, *index, template);
            self.push(LevelKind::Custom, policy.number(0), |base| base.of(value));
        }
        let api = throttling.api(grant.routed().api().slot);
        if let Some(hard) = api.and_then(|api| api.hard_limit(grant.key_type())) {
            self.push(LevelKind::HardLimit, hard.policy.number(0), |_| hard.key);
        }
    }

    /// A policy of the API that has limits replaces those of its operations.
    fn api_or_operation(&mut self, names: &ApiLimits, grant: &Grant<'_>, facts: &CallFacts<'_>) {
        let routed = grant.routed();
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
        self.push(kind, policy.number(position), |base| match caller {
            Some(caller) => base.of(name).of(caller),
            None => base.of(name).beside(names.api),
        });
    }

    fn subscription(&mut self, names: &ApiLimits, grant: &Grant<'_>) {
        let (index, is_subscribed) = match (grant.principal(), grant.subscription()) {
            (None, _) => (self.throttling.unauthenticated, false),
            (Some(_), None) => (self.throttling.subscriptionless, false),
            (Some(_), Some(policy)) => (policy, true),
        };
        // most requests have no limit here, and need no fingerprint
        if index == PolicyIndex::UNLIMITED {
            return;
        }
        let Some(policy) = self.throttling.policy(index) else { return };
        let application = is_subscribed.then(|| self.subjects.application()).flatten();
        let subject = application.unwrap_or_else(|| self.subjects.client());
        self.push(LevelKind::Subscription, policy.number(0), |base| {
            base.of(subject).of(names.api).beside(subject)
        });
    }

    fn application(&mut self, known: &ApplicationView<'_>, grant: &Grant<'_>) {
        if known.policy == PolicyIndex::UNLIMITED {
            return;
        }
        let Some(policy) = self.throttling.policy(known.policy) else { return };
        let Some(application) = self.subjects.application() else { return };
        let user = policy.definition.per_user.then(|| self.subjects.caller());
        let reset = known.quota_resets().map_or(0, |resets| {
            let subject = || grant.principal().and_then(|principal| principal.claims().subject());
            match user {
                Some(_) => resets.of_user(subject().unwrap_or_default()),
                None => resets.of_application(),
            }
        });
        self.push(LevelKind::Application, policy.number(0), |base| {
            // counts from before a reset have another name
            let base = if reset == 0 { base } else { base.of(Fingerprint(reset)) };
            match user {
                // the users of an application may be a million: one part cannot hold them all
                Some(user) => base.of(application).of(user),
                None => base.of(application).beside(application),
            }
        });
    }

    fn push(
        &mut self,
        kind: LevelKind,
        number: Option<LimitNumber>,
        key: impl FnOnce(CounterKey) -> CounterKey,
    ) {
        let Some(number) = number else { return };
        let Some(limit) = self.throttling.limit(number).map(|numbered| &numbered.limit) else {
            return;
        };
        self.is_metered |= limit.is_metered();
        self.levels.push(Level { kind, limit: number, key: key(limit.base()), events: 0 });
    }
}
