//! The levels of one request: which policies it counts against, and under which names.
//!
//! The order is WSO2's: API or operation, subscription, application, custom policies, the backend's
//! hard limit. Deny conditions come before all of them.

use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use smallvec::SmallVec;

use crate::authorize::Grant;
use crate::limiter::counter::{QuotaLeft, Usage};
use crate::limiter::counters::{
    CounterClaim, Counters, Exceeded, Noted, Passed, PlacedClaim, Tightest,
};
use crate::limiter::key::CounterKey;
use crate::limiter::shared::SharedLimiter;
use crate::limiter::time::CountingTime;
use crate::model::policy::ExcessRule;
use crate::model::throttling::OnCounterFailure;
use crate::snapshot::Level;
pub use crate::snapshot::LevelKind;
use crate::snapshot::Snapshot;
use crate::snapshot::local::LocalThrottling;
use crate::snapshot::throttling::{CompiledPolicy, CompiledThrottling, DeniedBy, SharedLimits};
pub use crate::throttle::call_facts::CallFacts;
use crate::throttle::exceeded::LimitExceeded;
use crate::throttle::finder::Finder;
use crate::throttle::found_levels::{FoundLevels, INLINE};
use crate::throttle::throttled::Throttled;

/// All levels that one request counts against. It outlives the snapshot that it was made of. It is
/// large, so it stays in the exchange from the beginning, and the steps of the walk borrow it.
#[derive(Debug, Default)]
pub struct Levels {
    /// `None` if there is no level.
    throttling: Option<Rc<LocalThrottling>>,
    found: FoundLevels,
    /// For each level, the number that the backend reported. Empty if there was no answer yet, and
    /// where no level counts such numbers.
    events: SmallVec<[u64; INLINE]>,
    /// The client was told of its limits.
    is_told: bool,
    /// Some level counts an amount that is known only after the request.
    is_metered: bool,
    /// `None` until the request was counted.
    passed: Option<Passed>,
}

/// The state of one level, for people.
#[derive(Debug, Clone)]
pub struct LevelLeft {
    pub kind: LevelKind,
    pub policy: Arc<CompiledPolicy>,
    /// 0 for the policy's own limits, or one more than the position of the condition that holds.
    pub position: usize,
    pub key: CounterKey,
    pub quotas: Vec<QuotaLeft>,
    pub burst: Option<u64>,
}

/// The headers that tell clients of their limits.
#[derive(Debug)]
pub struct ToldLimits<'l> {
    /// `RateLimit-Policy`, of all limits.
    pub policies: &'l HeaderValue,
    /// The beginning of `RateLimit`, with the rest of the tightest quota. `None` if clients are not
    /// told of that quota.
    pub tightest: Option<(&'l str, Tightest)>,
}

impl Levels {
    /// Makes the levels of a granted request. If a deny condition matches, the request is refused.
    pub fn of(
        snapshot: &Snapshot,
        grant: &Grant<'_>,
        facts: &CallFacts<'_>,
    ) -> Result<Self, DeniedBy> {
        let throttling = Arc::clone(&snapshot.throttling);
        let mut levels = Self::default();
        levels.find(
            &Rc::new(LocalThrottling::new(throttling, snapshot.generation)),
            grant,
            facts,
        )?;
        Ok(levels)
    }

    /// Finds the levels of a granted request. If a deny condition matches, the request is refused.
    pub fn find(
        &mut self,
        throttling: &Rc<LocalThrottling>,
        grant: &Grant<'_>,
        facts: &CallFacts<'_>,
    ) -> Result<(), DeniedBy> {
        if let Some(deny) = &throttling.deny {
            let base_path = &grant.routed().api().definition.base_path;
            let application = grant.application().map(|known| (known.owner, known.name));
            let user = grant.principal().and_then(|principal| principal.claims().subject());
            if let Some(by) = deny.denies(base_path, application, user, facts.client) {
                return Err(by);
            }
        }
        self.found = Finder::new(throttling, grant, facts).find(grant, facts);
        self.events.clear();
        self.is_told = false;
        let all = self.found.all();
        self.is_metered = all.iter().any(|level| level.is_metered);
        self.throttling = (!all.is_empty()).then(|| Rc::clone(throttling));
        Ok(())
    }

    /// Counts the request on all levels, or on none of them. In the exact mode the servers that
    /// count for all gateways decide.
    pub async fn admit(&mut self, now: CountingTime) -> Result<(), Throttled> {
        let shared = self.throttling.as_ref().and_then(|throttling| throttling.shared.as_ref());
        let Some(SharedLimits { limiter, on_failure }) = shared else {
            return self.count(now).map_err(Throttled::from);
        };
        let (limiter, on_failure) = (Arc::clone(limiter), *on_failure);
        if limiter.status().decides_requests()
            && let Some(decided) = Box::pin(self.decide(&limiter, now)).await
        {
            return decided.map_err(Throttled::from);
        }
        let status = limiter.status();
        let alone = status.decides_requests() || !status.is_up();
        if alone && on_failure == OnCounterFailure::Refuse {
            return Err(Throttled::CountersUnavailable);
        }
        self.count(now).map_err(Throttled::from)
    }

    /// Lets the servers decide. Returns `None` if they cannot.
    async fn decide(
        &mut self,
        limiter: &SharedLimiter,
        now: CountingTime,
    ) -> Option<Result<(), LimitExceeded>> {
        let throttling = Rc::clone(self.throttling.as_ref()?);
        let claims: SmallVec<[CounterClaim<'_>; INLINE]> = self.claims(&throttling).collect();
        let decided = limiter.decide(&claims).await?;
        drop(claims);
        Some(self.judged(&throttling, decided, now))
    }

    /// Counts the request on all levels of this gateway, or on none of them.
    pub fn count(&mut self, now: CountingTime) -> Result<(), LimitExceeded> {
        let Some(throttling) = &self.throttling else { return Ok(()) };
        let placed = self
            .limited(throttling)
            .map(|(level, claim)| PlacedClaim { claim, hint: &level.place });
        match throttling.counters.admit_placed(self.found.order(), placed, now) {
            Ok(passed) if passed.noted.is_none() => {
                self.passed = Some(passed);
                Ok(())
            }
            judged => self.judged(&Rc::clone(throttling), judged, now),
        }
    }

    /// Notes how the request passed, or returns its refusal.
    fn judged(
        &mut self,
        throttling: &CompiledThrottling,
        judged: Result<Passed, Exceeded>,
        now: CountingTime,
    ) -> Result<(), LimitExceeded> {
        let passed = match judged {
            Ok(passed) => passed,
            Err(exceeded) => {
                let Some(exceeded) = self.of_excess(throttling, exceeded, now) else {
                    self.passed = Some(Passed::default());
                    return Ok(());
                };
                exceeded.policy.series.refused();
                return Err(exceeded);
            }
        };
        if let Some(noted) = passed.noted {
            self.note(throttling, noted);
        }
        self.passed = Some(passed);
        Ok(())
    }

    /// Refuses a request that would not pass now, and counts nothing but the refusal.
    pub fn check(&self, now: CountingTime) -> Result<(), LimitExceeded> {
        self.foresee(now).inspect_err(|exceeded| exceeded.policy.series.refused())
    }

    /// Tells whether the request would pass now, and counts nothing at all.
    pub fn foresee(&self, now: CountingTime) -> Result<(), LimitExceeded> {
        let Some(throttling) = &self.throttling else { return Ok(()) };
        let claims: SmallVec<[CounterClaim<'_>; INLINE]> = self.claims(throttling).collect();
        match throttling.counters.check(&claims, now) {
            Ok(()) => Ok(()),
            Err(exceeded) => self.of_excess(throttling, exceeded, now).map_or(Ok(()), Err),
        }
    }

    /// Returns the time at which the levels count. It is read only if there are any.
    pub fn time(&self, now: impl FnOnce(&Counters) -> CountingTime) -> Option<CountingTime> {
        self.throttling.as_ref().map(|throttling| now(&throttling.counters))
    }

    /// The first level that let the request through although it is beyond its limit.
    pub fn noted(&self) -> Option<(LevelKind, &Arc<CompiledPolicy>)> {
        let level = self.found.all().get(self.passed?.noted?.claim)?;
        Some((level.kind, policy(self.throttling.as_ref()?, level)?))
    }

    /// Reads the numbers that a backend reports. A missing or unreadable one counts as 1: a backend
    /// that forgets to report opens no gate.
    pub fn read_events(&mut self, headers: &HeaderMap) {
        let Some(throttling) = self.throttling.as_ref().filter(|_| self.is_metered) else { return };
        self.events.clear();
        for level in self.found.all() {
            let policy = policy(throttling, level);
            let name = policy.and_then(|policy| policy.definition.events_header.as_ref());
            let number = |name| headers.get(name)?.to_str().ok()?.trim().parse().ok();
            self.events.push(name.map_or(0, |name| number(name).unwrap_or(1)));
        }
    }

    /// Charges the amounts that are known only now: the bytes of both bodies, and reported numbers.
    /// A refused request is charged nothing.
    pub fn charge(&self, bandwidth: u64, now: impl FnOnce(&Counters) -> CountingTime) {
        // most policies count requests alone: the clocks are not read for them
        if !self.is_metered || self.passed.is_none() {
            return;
        }
        let Some(throttling) = &self.throttling else { return };
        let now = now(&throttling.counters);
        let events = self.events.iter().copied().chain(std::iter::repeat(0));
        for ((_, claim), events) in self.limited(throttling).zip(events) {
            if claim.limit.is_metered() {
                let usage = Usage { bandwidth, events };
                throttling.counters.charge(claim, usage, now);
            }
        }
    }

    /// Returns the headers for the client of a request that passed; `None` if there are none, and
    /// the second time.
    pub fn tell(&mut self) -> Option<ToldLimits<'_>> {
        if std::mem::replace(&mut self.is_told, true) {
            return None;
        }
        let throttling = self.throttling.as_ref()?;
        let policies = self.found.told()?;
        let tightest = self.passed.and_then(|passed| passed.tightest).and_then(|tightest| {
            let level = self.found.all().get(tightest.claim).filter(|level| level.is_told())?;
            let limit = throttling.limit(level.limit)?.compiled()?;
            Some((limit.left_of.get(usize::from(tightest.position))?.as_str(), tightest))
        });
        Some(ToldLimits { policies, tightest })
    }

    /// The state of every level, without counting.
    pub fn look(&self, now: CountingTime) -> Vec<LevelLeft> {
        let Some(throttling) = &self.throttling else { return Vec::new() };
        let all = self.limited(throttling);
        all.filter_map(|(level, claim)| {
            let (quotas, burst) = throttling.counters.look(claim, now);
            let numbered = throttling.limit(level.limit)?;
            let (policy, position) = (Arc::clone(&numbered.policy), numbered.position);
            Some(LevelLeft { kind: level.kind, policy, position, key: level.key, quotas, burst })
        })
        .collect()
    }

    fn claims<'l>(
        &'l self,
        throttling: &'l CompiledThrottling,
    ) -> impl Iterator<Item = CounterClaim<'l>> {
        self.limited(throttling).map(|(_, claim)| claim)
    }

    /// Returns the levels with what they claim.
    fn limited<'l>(
        &'l self,
        throttling: &'l CompiledThrottling,
    ) -> impl Iterator<Item = (&'l Level, CounterClaim<'l>)> + Clone {
        self.found.all().iter().filter_map(|level| {
            let limit = &throttling.limit(level.limit)?.limit;
            Some((level, CounterClaim { limit, key: level.key }))
        })
    }

    fn note(&self, throttling: &CompiledThrottling, noted: Noted) {
        let level = self.found.all().get(noted.claim);
        let Some(policy) = level.and_then(|level| policy(throttling, level)) else { return };
        if policy.definition.excess == ExcessRule::Observe {
            policy.series.observed();
        } else {
            policy.series.marked();
        }
    }

    fn of_excess(
        &self,
        throttling: &CompiledThrottling,
        exceeded: Exceeded,
        now: CountingTime,
    ) -> Option<LimitExceeded> {
        let level = self.found.all().get(exceeded.claim)?;
        let numbered = throttling.limit(level.limit)?;
        Some(LimitExceeded {
            kind: level.kind,
            part: exceeded.part,
            policy: Arc::clone(&numbered.policy),
            position: numbered.position,
            wait: exceeded.wait,
            at: now.wall,
            headers: throttling.headers && level.is_told(),
        })
    }
}

fn policy<'t>(
    throttling: &'t CompiledThrottling,
    level: &Level,
) -> Option<&'t Arc<CompiledPolicy>> {
    throttling.limit(level.limit).map(|numbered| &numbered.policy)
}
