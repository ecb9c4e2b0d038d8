//! The changes since the base was packed.

use std::sync::Arc;

use hashbrown::{HashMap, HashTable};

use crate::model::application::Application;
use crate::model::directory::owner::KeyOwner;
use crate::model::directory::packed::Packed;
use crate::model::names::{ApplicationSlot, KeyManagerSlot};

/// Whole applications that were added, replaced or removed. A lookup asks here first, because an
/// entry here hides the one of the base.
#[derive(Debug, Clone, Default)]
pub(super) struct Overlay {
    /// `None` stands for a removed application.
    by_slot: HashMap<ApplicationSlot, Option<Arc<Application<'static>>>>,
    by_key: HashTable<RecentKey>,
    by_name: HashMap<Box<str>, ApplicationSlot>,
    /// Unused slots, collected when the first change needs one.
    free: Option<Vec<u32>>,
    /// The first slot beyond base and overlay; zero while the overlay has added none.
    next: u32,
}

/// The new state of a slot's application.
#[derive(Debug)]
pub(super) enum RecentState<'o> {
    Put(&'o Application<'static>),
    Removed,
}

#[derive(Debug, Clone)]
struct RecentKey {
    hash: u64,
    slot: ApplicationSlot,
    application: Arc<Application<'static>>,
    /// The position among the application's keys.
    position: usize,
}

impl Overlay {
    pub(super) fn is_empty(&self) -> bool {
        self.by_slot.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.by_slot.len()
    }

    pub(super) fn slots(&self) -> u32 {
        self.next
    }

    /// Tells whether the overlay has an entry for this slot: an application, or its removal.
    pub(super) fn has(&self, slot: ApplicationSlot) -> bool {
        self.by_slot.contains_key(&slot)
    }

    pub(super) fn changed_slots(&self) -> impl Iterator<Item = ApplicationSlot> + '_ {
        self.by_slot.keys().copied()
    }

    /// Returns the slots of added and replaced applications.
    pub(super) fn slots_of_put(&self) -> impl Iterator<Item = ApplicationSlot> + '_ {
        self.by_slot.iter().filter(|(_, own)| own.is_some()).map(|(slot, _)| *slot)
    }

    /// The state of a slot, if it differs from the base.
    pub(super) fn application(&self, slot: ApplicationSlot) -> Option<RecentState<'_>> {
        self.by_slot.get(&slot).map(|own| match own {
            Some(application) => RecentState::Put(application),
            None => RecentState::Removed,
        })
    }

    pub(super) fn slot_of(&self, name: &str) -> Option<ApplicationSlot> {
        self.by_name.get(name).copied()
    }

    /// `hash` is the base's hash of the key.
    pub(super) fn find(
        &self,
        hash: u64,
        key_manager: KeyManagerSlot,
        consumer_key: &str,
    ) -> Option<KeyOwner> {
        self.by_key.find(hash, |key| key.is(key_manager, consumer_key)).and_then(|found| {
            let key = found.application.keys.as_slice().get(found.position)?;
            Some(KeyOwner { application: found.slot, key_type: key.key_type })
        })
    }

    pub(super) fn take_out(
        &mut self,
        slot: ApplicationSlot,
        hash: impl Fn(KeyManagerSlot, &str) -> u64,
    ) {
        let Some(Some(gone)) = self.by_slot.insert(slot, None) else { return };
        self.by_name.remove(gone.name.as_str());
        // found by their hashes: a look at all keys for each of a thousand changes takes long
        for key in gone.keys.as_slice() {
            let hash = hash(key.key_manager, key.consumer_key.as_str());
            if let Ok(found) = self.by_key.find_entry(hash, |own| {
                own.slot == slot && own.is(key.key_manager, key.consumer_key.as_str())
            }) {
                found.remove();
            }
        }
    }

    pub(super) fn put(
        &mut self,
        slot: ApplicationSlot,
        application: Arc<Application<'static>>,
        hash: impl Fn(KeyManagerSlot, &str) -> u64,
    ) {
        for (position, key) in application.keys.as_slice().iter().enumerate() {
            let hash = hash(key.key_manager, key.consumer_key.as_str());
            let application = Arc::clone(&application);
            let key = RecentKey { hash, slot, application, position };
            self.by_key.insert_unique(hash, key, |key| key.hash);
        }
        self.by_name.insert(application.name.as_str().into(), slot);
        self.by_slot.insert(slot, Some(application));
    }

    /// Returns a slot that is unused in this directory and in all that are still in use. Returns
    /// `None` if all slots are used.
    pub(super) fn new_slot(&mut self, base: &Packed) -> Option<ApplicationSlot> {
        let free = self.free.get_or_insert_with(|| base.free_slots());
        if let Some(slot) = free.pop() {
            return Some(ApplicationSlot(slot));
        }
        let slot = self.next.max(base.slots());
        self.next = slot.checked_add(1)?;
        Some(ApplicationSlot(slot))
    }

    /// Returns the differences from an earlier overlay over the same base.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let same = |slot: &ApplicationSlot, own: &Option<Arc<Application<'static>>>| match (
            own,
            earlier.by_slot.get(slot),
        ) {
            (Some(own), Some(Some(before))) => Arc::ptr_eq(own, before),
            (None, Some(None)) => true,
            _ => false,
        };
        let mut later = self.clone();
        later.by_slot.retain(|slot, own| !same(slot, own));
        let kept = |slot: &ApplicationSlot| later.by_slot.contains_key(slot);
        later.by_name.retain(|_, slot| kept(slot));
        later.by_key.retain(|key| kept(&key.slot));
        if later.by_slot.is_empty() {
            return Self::default();
        }
        later
    }
}

impl RecentKey {
    fn is(&self, key_manager: KeyManagerSlot, consumer_key: &str) -> bool {
        self.application.keys.as_slice().get(self.position).is_some_and(|key| {
            key.key_manager == key_manager && key.consumer_key.as_str() == consumer_key
        })
    }
}
