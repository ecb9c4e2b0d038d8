//! What the applications of a base have and lack, counted once: a reload beside a million of them
//! does not look at each.

use std::collections::HashMap;
use std::hash::Hash;

use crate::model::directory::packed::Packed;
use crate::model::directory::view::ApplicationView;
use crate::model::names::{ApiSlot, ApplicationSlot};
use crate::model::policy::PolicyIndex;

/// The counts of one base.
#[derive(Debug, Default)]
pub(super) struct BaseUse {
    pub(super) subscribers: HashMap<ApiSlot, u32>,
    pub(super) policies: HashMap<PolicyIndex, u32>,
    /// The applications without a key, by slot.
    pub(super) without_keys: Vec<ApplicationSlot>,
}

impl BaseUse {
    pub(super) fn of(base: &Packed) -> Self {
        let mut found = Self::default();
        for slot in (0..base.slots()).map(ApplicationSlot) {
            let Some(application) = ApplicationView::in_base(base, slot) else { continue };
            apis(&application).for_each(|api| add(&mut found.subscribers, api));
            policies(&application).for_each(|policy| add(&mut found.policies, policy));
            if application.keys().next().is_none() {
                found.without_keys.push(slot);
            }
        }
        found
    }
}

pub(super) fn apis<'a>(
    application: &ApplicationView<'a>,
) -> impl Iterator<Item = ApiSlot> + use<'a> {
    application.subscriptions().map(|own| own.api)
}

pub(super) fn policies<'a>(
    application: &ApplicationView<'a>,
) -> impl Iterator<Item = PolicyIndex> + use<'a> {
    let own = application.policy;
    std::iter::once(own).chain(application.subscriptions().map(|own| own.policy))
}

pub(super) fn add<T: Eq + Hash>(counts: &mut HashMap<T, u32>, of: T) {
    let count = counts.entry(of).or_default();
    *count = count.saturating_add(1);
}
