//! The levels that the requests of a token count against, found once and shared by them.

use std::cell::RefCell;
use std::rc::Rc;

use http::HeaderValue;
use smallvec::SmallVec;

use crate::limiter::counters::LockOrder;
use crate::model::names::ApiSlot;
use crate::model::policy::PolicyIndex;
use crate::snapshot::Level;

/// Levels that are remembered for a token: it is used at few APIs and operations. A token that is
/// used at more of them in turn has its levels found again, now and then.
const MOST_REMEMBERED: usize = 8;

/// Every fact that the levels of a request depend on, besides its token. A fact that is missing
/// here would let a request count on levels of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelsName {
    /// The generation of the limits.
    pub generation: u64,
    pub api: ApiSlot,
    /// `None` if neither the API nor the operation has a policy.
    pub advanced: Option<AdvancedName>,
    /// `None` if there is no subscription.
    pub subscription: Option<PolicyIndex>,
    pub application: PolicyIndex,
}

/// The policy of an operation, or of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdvancedName {
    pub policy: PolicyIndex,
    /// The position of the limits that hold, by the conditions of the policy.
    pub limits: usize,
    /// The operation's position in the API. `None` if the policy is the API's.
    pub operation: Option<usize>,
}

#[derive(Debug, Default)]
pub struct LevelMemory(RefCell<SmallVec<[RememberedLevels; 1]>>);

#[derive(Debug)]
struct RememberedLevels {
    name: LevelsName,
    levels: Rc<SharedLevels>,
}

/// The levels that several requests share.
#[derive(Debug)]
pub struct SharedLevels {
    pub levels: Box<[Level]>,
    /// The order in which their counters are locked.
    pub order: LockOrder,
    /// The value of `RateLimit-Policy`. `None` if clients are told of none of the levels.
    pub told: Option<HeaderValue>,
}

impl LevelMemory {
    /// Returns the levels of this name, if they are remembered.
    pub fn recall(&self, name: &LevelsName) -> Option<Rc<SharedLevels>> {
        let all = self.0.borrow();
        all.iter().find(|known| known.name == *name).map(|known| Rc::clone(&known.levels))
    }

    pub fn remember(&self, name: LevelsName, levels: SharedLevels) -> Rc<SharedLevels> {
        let mut all = self.0.borrow_mut();
        if all.len() >= MOST_REMEMBERED {
            all.clear();
        }
        let levels = Rc::new(levels);
        all.push(RememberedLevels { name, levels: Rc::clone(&levels) });
        levels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::identity::Identities;
    use crate::model::policy::{Policies, Policy, PolicyLevel, PolicyLimits};

    fn name(api: u32) -> LevelsName {
        LevelsName {
            generation: 1,
            api: ApiSlot(api),
            advanced: None,
            subscription: None,
            application: PolicyIndex::UNLIMITED,
        }
    }

    fn none() -> SharedLevels {
        SharedLevels { levels: Box::default(), order: LockOrder::default(), told: None }
    }

    #[test]
    fn a_token_that_is_used_everywhere_takes_bounded_memory() {
        let memory = LevelMemory::default();
        for api in 0..100 {
            assert!(memory.recall(&name(api)).is_none());
            memory.remember(name(api), none());
            assert!(memory.recall(&name(api)).is_some());
            assert!(memory.0.borrow().len() <= MOST_REMEMBERED);
        }
    }

    #[test]
    fn no_fact_of_the_name_is_left_out() {
        let identities = Identities::default();
        let mut policies = Policies::default();
        let gold = Policy::new("Gold", PolicyLevel::Subscription, PolicyLimits::default());
        assert!(policies.add(gold, &identities));
        let gold = policies.find(PolicyLevel::Subscription, "Gold").unwrap();
        let advanced = AdvancedName { policy: gold, limits: 1, operation: Some(1) };
        let known = LevelsName { advanced: Some(advanced), subscription: Some(gold), ..name(1) };
        let memory = LevelMemory::default();
        memory.remember(known, none());
        let with = |advanced| LevelsName { advanced: Some(advanced), ..known };
        let others = [
            LevelsName { generation: 2, ..known },
            LevelsName { api: ApiSlot(2), ..known },
            LevelsName { advanced: None, ..known },
            with(AdvancedName { policy: PolicyIndex::UNLIMITED, ..advanced }),
            with(AdvancedName { limits: 2, ..advanced }),
            with(AdvancedName { operation: Some(2), ..advanced }),
            with(AdvancedName { operation: None, ..advanced }),
            LevelsName { subscription: None, ..known },
            LevelsName { subscription: Some(PolicyIndex::UNLIMITED), ..known },
            LevelsName { application: gold, ..known },
        ];
        for other in others {
            assert!(memory.recall(&other).is_none(), "{other:?}");
        }
        assert!(memory.recall(&known).is_some());
    }
}
