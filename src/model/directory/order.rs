//! Applications that files declare, in the orders that lists and lookups of the REST API need.
//!
//! Slots and positions take four bytes each: three for an application, one for each key and each
//! subscription.

use hashbrown::HashSet;

use crate::model::names::{ApiSlot, ApplicationSlot, KeyManagerSlot};
use crate::model::policy::PolicyIndex;

/// The applications of files of one directory, and of those that differ from it in the store's
/// applications alone.
#[derive(Debug, Default)]
pub struct DeclaredOrder {
    pub(super) by_name: Vec<ApplicationSlot>,
    /// By owner, then by name: positions in `by_name`.
    pub(super) by_owner: Vec<u32>,
    /// By derived id: positions in `by_name`.
    pub(super) by_id: Vec<u32>,
    pub(super) subscriptions: GroupedPositions,
    pub(super) keys: GroupedPositions,
    /// Policies that an application has, and those that a subscription has: a few.
    pub(super) application_policies: HashSet<PolicyIndex>,
    pub(super) subscription_policies: HashSet<PolicyIndex>,
}

/// Positions of applications for each API, or each key manager, by name.
#[derive(Debug, Default)]
pub(super) struct GroupedPositions {
    /// For each slot, the end of its positions.
    ends: Vec<u32>,
    positions: Vec<u32>,
}

impl DeclaredOrder {
    /// The number of applications.
    pub fn len(&self) -> u32 {
        u32::try_from(self.by_name.len()).unwrap_or(u32::MAX)
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The bytes that it takes.
    pub fn bytes(&self) -> usize {
        let grouped = |own: &GroupedPositions| own.ends.len().saturating_add(own.positions.len());
        let lists = [self.by_name.len(), self.by_owner.len(), self.by_id.len()];
        let entries: usize = lists.iter().sum();
        let entries = entries.saturating_add(grouped(&self.subscriptions));
        entries.saturating_add(grouped(&self.keys)).saturating_mul(size_of::<u32>())
    }

    /// Returns the application at a position in the order of names.
    pub fn at(&self, position: u32) -> Option<ApplicationSlot> {
        self.by_name.get(position as usize).copied()
    }

    /// Returns the positions of all applications, by owner and then by name.
    pub fn by_owner(&self) -> &[u32] {
        &self.by_owner
    }

    /// Returns the position of an application for each subscription to this API.
    pub fn subscriptions_to(&self, api: ApiSlot) -> &[u32] {
        self.subscriptions.of_slot(api.position())
    }

    /// Returns the position of an application for each key of this key manager.
    pub fn keys_of(&self, key_manager: KeyManagerSlot) -> &[u32] {
        self.keys.of_slot(key_manager.position())
    }

    /// Returns the position of an application for each subscription, API by API.
    pub fn subscriptions(&self) -> &[u32] {
        &self.subscriptions.positions
    }

    /// Returns the position of an application for each key, key manager by key manager.
    pub fn keys(&self) -> &[u32] {
        &self.keys.positions
    }

    /// Tells whether an application has this policy.
    pub fn has_application_policy(&self, policy: PolicyIndex) -> bool {
        self.application_policies.contains(&policy)
    }

    /// Tells whether a subscription has this policy.
    pub fn has_subscription_policy(&self, policy: PolicyIndex) -> bool {
        self.subscription_policies.contains(&policy)
    }

    /// Returns the API of a subscription by its number in [`Self::subscriptions`], and the number
    /// of that API's first one.
    pub fn api_at(&self, number: usize) -> Option<(ApiSlot, usize)> {
        let (slot, first) = self.subscriptions.slot_at(number)?;
        Some((ApiSlot(u32::try_from(slot).ok()?), first))
    }

    /// Returns the key manager of a key by its number in [`Self::keys`], and the number of that
    /// key manager's first one.
    pub fn key_manager_at(&self, number: usize) -> Option<(KeyManagerSlot, usize)> {
        let (slot, first) = self.keys.slot_at(number)?;
        Some((KeyManagerSlot(u16::try_from(slot).ok()?), first))
    }
}

impl GroupedPositions {
    /// Counts first, so that nothing is moved afterwards.
    pub(super) fn of<I: Iterator<Item = (usize, u32)>>(all: impl Fn() -> I) -> Self {
        let mut counts: Vec<u32> = Vec::new();
        for (slot, _) in all() {
            if slot >= counts.len() {
                counts.resize(slot.saturating_add(1), 0);
            }
            if let Some(count) = counts.get_mut(slot) {
                *count = count.saturating_add(1);
            }
        }
        let mut total = 0_u32;
        // the place of each slot's next position, which is its end when all are placed
        let mut ends: Vec<u32> = counts
            .into_iter()
            .map(|count| {
                let start = total;
                total = start.saturating_add(count);
                start
            })
            .collect();
        let mut positions = vec![0; total as usize];
        for (slot, position) in all() {
            let Some(next) = ends.get_mut(slot) else { continue };
            if let Some(place) = positions.get_mut(*next as usize) {
                *place = position;
            }
            *next = next.saturating_add(1);
        }
        Self { ends, positions }
    }

    fn of_slot(&self, slot: usize) -> &[u32] {
        let end = self.ends.get(slot).map(|end| *end as usize);
        end.and_then(|end| self.positions.get(self.start(slot)..end)).unwrap_or_default()
    }

    fn slot_at(&self, number: usize) -> Option<(usize, usize)> {
        let slot = self.ends.partition_point(|end| *end as usize <= number);
        (slot < self.ends.len()).then(|| (slot, self.start(slot)))
    }

    fn start(&self, slot: usize) -> usize {
        let before = slot.checked_sub(1).and_then(|before| self.ends.get(before));
        before.map_or(0, |end| *end as usize)
    }
}
