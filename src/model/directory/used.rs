//! What all applications together have and lack: the counts of the base, and the recent changes.

use std::collections::HashMap;
use std::hash::Hash;

use hashbrown::HashSet;

use crate::model::directory::base_use::{BaseUse, add, apis, policies};
use crate::model::directory::lookup::Directory;
use crate::model::directory::view::ApplicationView;
use crate::model::names::ApiSlot;
use crate::model::policy::PolicyIndex;

impl Directory {
    /// Returns the APIs that have a subscriber.
    pub fn subscribed(&self) -> HashSet<ApiSlot> {
        self.used(&self.base_use().subscribers, apis)
    }

    /// Returns every policy that an application or a subscription has.
    pub fn policies(&self) -> HashSet<PolicyIndex> {
        self.used(&self.base_use().policies, policies)
    }

    /// Returns the applications without a key, by slot.
    pub fn without_keys(&self) -> Vec<ApplicationView<'_>> {
        let of_base = self.base_use().without_keys.iter().copied();
        let recent = self.recent.slots_of_put();
        let mut slots: Vec<_> =
            of_base.filter(|slot| !self.recent.has(*slot)).chain(recent).collect();
        slots.sort_unstable();
        let all = slots.into_iter().filter_map(|slot| self.application(slot));
        all.filter(|application| application.keys().next().is_none()).collect()
    }

    fn base_use(&self) -> &BaseUse {
        self.base_use.get_or_init(|| BaseUse::of(&self.base))
    }

    /// Returns what the base uses, without what is hidden by recent changes, and what those use.
    fn used<'d, T: Copy + Eq + Hash, I: Iterator<Item = T>>(
        &'d self,
        of_base: &HashMap<T, u32>,
        of: impl Fn(&ApplicationView<'d>) -> I,
    ) -> HashSet<T> {
        let mut hidden = HashMap::new();
        for slot in self.recent.changed_slots() {
            let application = ApplicationView::in_base(&self.base, slot);
            application.iter().flat_map(&of).for_each(|own| add(&mut hidden, own));
        }
        let left = of_base.iter().filter(|(own, count)| hidden.get(*own) != Some(*count));
        let mut used: HashSet<T> = left.map(|(own, _)| *own).collect();
        let recent = self.recent.slots_of_put().filter_map(|slot| self.application(slot));
        for application in recent {
            used.extend(of(&application));
        }
        used
    }
}
