//! Finds the levels of one request.

use http::HeaderValue;
use smallvec::SmallVec;

use crate::authenticate::{AdvancedName, CallerNames, LevelsName, Principal, SharedLevels};
use crate::authorize::Grant;
use crate::limiter::counters::{LockOrder, PlaceHint};
use crate::limiter::key::{CounterKey, Fingerprint};
use crate::model::directory::ApplicationView;
use crate::model::policy::PolicyIndex;
use crate::snapshot::local::LocalThrottling;
use crate::snapshot::throttling::{ApiLimits, LimitNumber};
use crate::snapshot::{Level, LevelKind};
use crate::throttle::call_facts::CallFacts;
use crate::throttle::found_levels::{FoundLevels, INLINE, OwnLevels};
use crate::throttle::policy_condition;
use crate::throttle::subject::Subjects;

/// Collects the levels of one request.
pub(super) struct Finder<'r> {
    throttling: &'r LocalThrottling,
    subjects: Subjects<'r>,
    levels: SmallVec<[Level; INLINE]>,
}

/// The limits that hold of the policy of an API, or of one of its operations.
struct Advanced {
    kind: LevelKind,
    fingerprint: Fingerprint,
    name: AdvancedName,
}

impl<'r> Finder<'r> {
    pub(super) fn new(
        throttling: &'r LocalThrottling,
        grant: &'r Grant<'r>,
        facts: &CallFacts<'_>,
    ) -> Self {
        let subjects = Subjects::new(throttling.keys, grant, facts);
        Self { throttling, subjects, levels: SmallVec::new() }
    }

    pub(super) fn find(self, grant: &Grant<'_>, facts: &CallFacts<'_>) -> FoundLevels {
        let api = self.throttling.api(grant.routed().api().slot);
        let advanced = api.and_then(|api| self.advanced(api, grant, facts));
        if advanced.is_none() && self.is_unlimited(grant, api) {
            return FoundLevels::default();
        }
        let Some((caller, name)) = self.name(grant, advanced.as_ref()) else {
            return FoundLevels::Own(self.collected(grant, api, advanced.as_ref()));
        };
        if let Some(known) = caller.levels.recall(&name) {
            return FoundLevels::Shared(known);
        }
        let found = self.collected(grant, api, advanced.as_ref());
        let principal = grant.principal();
        if principal.is_none_or(|principal| principal.claims().subject().is_none()) {
            // without a subject, each address is a user
            return FoundLevels::Own(found);
        }
        let OwnLevels { levels, order, told } = found;
        let levels = SharedLevels { levels: levels.into_boxed_slice(), order, told };
        FoundLevels::Shared(caller.levels.remember(name, levels))
    }

    /// Collects the levels, and what follows from them together.
    fn collected(
        mut self,
        grant: &Grant<'_>,
        api: Option<&ApiLimits>,
        advanced: Option<&Advanced>,
    ) -> OwnLevels {
        self.collect(grant, api, advanced);
        let told = self.told();
        let mut levels = self.levels;
        let order = LockOrder::of(levels.iter().map(|level| level.key));
        for level in &mut levels {
            level.place = order.hint(level.key);
        }
        OwnLevels { levels, order, told }
    }

    fn told(&self) -> Option<HeaderValue> {
        let told = self.levels.iter().filter(|level| level.is_told()).map(|level| level.limit);
        self.throttling.told(told).filter(|_| self.throttling.headers)
    }

    /// Tells whether no other level than that of the API or the operation counts the request.
    fn is_unlimited(&self, grant: &Grant<'_>, api: Option<&ApiLimits>) -> bool {
        let of_application = grant.application().map(|application| application.policy);
        self.throttling.custom.is_empty()
            && self.subscription_policy(grant) == PolicyIndex::UNLIMITED
            && of_application.is_none_or(|policy| policy == PolicyIndex::UNLIMITED)
            && api.and_then(|api| api.hard_limit(grant.key_type())).is_none()
    }

    fn subscription_policy(&self, grant: &Grant<'_>) -> PolicyIndex {
        match (grant.principal(), grant.subscription()) {
            (None, _) => self.throttling.unauthenticated,
            (Some(_), None) => self.throttling.subscriptionless,
            (Some(_), Some(policy)) => policy,
        }
    }

    /// The facts that the levels depend on, besides the token. `None` if there are others.
    fn name<'g>(
        &self,
        grant: &'g Grant<'_>,
        advanced: Option<&Advanced>,
    ) -> Option<(&'g CallerNames, LevelsName)> {
        let application = grant.application()?;
        if self.throttling.counts_addresses || application.quota_resets().is_some() {
            return None;
        }
        let name = LevelsName {
            generation: self.throttling.generation(),
            api: grant.routed().api().slot,
            advanced: advanced.map(|advanced| advanced.name),
            subscription: grant.subscription(),
            application: application.policy,
        };
        Some((grant.caller()?, name))
    }

    fn collect(&mut self, grant: &Grant<'_>, api: Option<&ApiLimits>, advanced: Option<&Advanced>) {
        if let Some(api) = api {
            self.api_or_operation(api, grant, advanced);
            self.subscription(api, grant);
        }
        if let Some(application) = grant.application() {
            self.application(&application, grant);
        }
        for index in &self.throttling.custom {
            let Some(policy) = self.throttling.policy(*index) else { continue };
            let Some(template) = &policy.definition.key else { continue };
            if !self.subjects.is_of(&policy.definition.users) {
                continue;
            }
            let value = self.subjects.custom(template);
            self.push(LevelKind::Custom, policy.number(0), |base| base.of(value));
        }
        if let Some(hard) = api.and_then(|api| api.hard_limit(grant.key_type())) {
            self.push(LevelKind::HardLimit, hard.policy.number(0), |_| hard.key);
        }
    }

    /// A policy of the API that has limits replaces those of its operations.
    fn advanced(
        &self,
        api: &ApiLimits,
        grant: &Grant<'_>,
        facts: &CallFacts<'_>,
    ) -> Option<Advanced> {
        let routed = grant.routed();
        let of_api = routed.api().definition.policies.api;
        let (kind, index, operation) = if of_api == PolicyIndex::UNLIMITED {
            (LevelKind::Operation, routed.operation().policy, Some(routed.position()))
        } else {
            (LevelKind::Api, of_api, None)
        };
        if index == PolicyIndex::UNLIMITED {
            return None;
        }
        let fingerprint = match operation {
            Some(position) => *api.operations.get(position)?,
            None => api.api,
        };
        let conditions = &self.throttling.policy(index)?.definition.conditions;
        let limits =
            policy_condition::first(conditions, facts, grant.principal().map(Principal::claims));
        let name = AdvancedName { policy: index, limits, operation };
        Some(Advanced { kind, fingerprint, name })
    }

    fn api_or_operation(
        &mut self,
        api: &ApiLimits,
        grant: &Grant<'_>,
        advanced: Option<&Advanced>,
    ) {
        let Some(Advanced { kind, fingerprint, name }) = advanced else { return };
        let Some(policy) = self.throttling.policy(name.policy) else { return };
        let apart = policy.definition.per_user || grant.principal().is_none();
        let caller = apart.then(|| self.subjects.caller());
        self.push(*kind, policy.number(name.limits), |base| match caller {
            Some(caller) => base.of(*fingerprint).of(caller),
            None => base.of(*fingerprint).beside(api.api),
        });
    }

    fn subscription(&mut self, names: &ApiLimits, grant: &Grant<'_>) {
        // most requests have no limit here, and need no fingerprint
        let index = self.subscription_policy(grant);
        if index == PolicyIndex::UNLIMITED {
            return;
        }
        let Some(policy) = self.throttling.policy(index) else { return };
        let is_subscribed = grant.principal().is_some() && grant.subscription().is_some();
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
        let (key, is_metered) = (key(limit.base()), limit.is_metered());
        let place = PlaceHint::default();
        self.levels.push(Level { kind, limit: number, key, is_metered, place });
    }
}
