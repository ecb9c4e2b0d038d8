//! The levels that the requests of a token count against, found once and copied then.

use std::cell::{Ref, RefCell};

use http::HeaderValue;
use smallvec::SmallVec;

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
pub struct RememberedLevels {
    name: LevelsName,
    pub levels: Box<[Level]>,
    /// The value of `RateLimit-Policy`. `None` if clients are told of none of the levels.
    pub told: Option<HeaderValue>,
}

impl LevelMemory {
    /// Returns the levels of this name, if they are remembered.
    pub fn recall(&self, name: &LevelsName) -> Option<Ref<'_, RememberedLevels>> {
        Ref::filter_map(self.0.borrow(), |all| all.iter().find(|known| known.name == *name)).ok()
    }

    pub fn remember(&self, name: LevelsName, levels: &[Level], told: Option<HeaderValue>) {
        let mut all = self.0.borrow_mut();
        if all.len() >= MOST_REMEMBERED {
            all.clear();
        }
        all.push(RememberedLevels { name, levels: levels.into(), told });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(api: u32) -> LevelsName {
        LevelsName {
            generation: 1,
            api: ApiSlot(api),
            advanced: None,
            subscription: None,
            application: PolicyIndex::UNLIMITED,
        }
    }

    #[test]
    fn a_token_that_is_used_everywhere_takes_bounded_memory() {
        let memory = LevelMemory::default();
        for api in 0..100 {
            assert!(memory.recall(&name(api)).is_none());
            memory.remember(name(api), &[], None);
            assert!(memory.recall(&name(api)).is_some());
            assert!(memory.0.borrow().len() <= MOST_REMEMBERED);
        }
    }

    #[test]
    fn no_fact_of_the_name_is_left_out() {
        let (memory, known) = (LevelMemory::default(), name(1));
        memory.remember(known, &[], None);
        let advanced = |policy, limits, operation| Some(AdvancedName { policy, limits, operation });
        let others = [
            LevelsName { generation: 2, ..known },
            name(2),
            LevelsName { advanced: advanced(PolicyIndex::UNLIMITED, 0, None), ..known },
            LevelsName { subscription: Some(PolicyIndex::UNLIMITED), ..known },
        ];
        for other in others {
            assert!(memory.recall(&other).is_none(), "{other:?}");
        }
        assert!(memory.recall(&known).is_some());
    }
}
