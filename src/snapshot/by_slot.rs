//! A table of one kind of objects: listed in the order of the file, found by slot.

use std::ops::Deref;
use std::sync::Arc;

/// Shared objects of one snapshot. Slots can have holes; the list has none.
#[derive(Debug)]
pub struct BySlot<T> {
    listed: Vec<Arc<T>>,
    by_slot: Vec<Option<Arc<T>>>,
}

impl<T> BySlot<T> {
    pub(super) fn new(listed: Vec<Arc<T>>, slot: impl Fn(&T) -> usize) -> Self {
        let slots: Vec<_> = listed.iter().map(|object| slot(object)).collect();
        Self::placed(slots.into_iter().zip(listed).collect())
    }

    /// Objects that do not know their slots themselves.
    pub(super) fn placed(objects: Vec<(usize, Arc<T>)>) -> Self {
        let slots = objects.iter().map(|(slot, _)| slot.saturating_add(1)).max();
        let mut by_slot = vec![None; slots.unwrap_or_default()];
        for (slot, object) in &objects {
            if let Some(place) = by_slot.get_mut(*slot) {
                *place = Some(Arc::clone(object));
            }
        }
        Self { listed: objects.into_iter().map(|(_, object)| object).collect(), by_slot }
    }

    pub(super) fn at(&self, slot: usize) -> Option<&Arc<T>> {
        self.by_slot.get(slot)?.as_ref()
    }

    /// The number of slots, holes included.
    pub(super) fn slots(&self) -> usize {
        self.by_slot.len()
    }
}

impl<T> Default for BySlot<T> {
    fn default() -> Self {
        Self { listed: Vec::new(), by_slot: Vec::new() }
    }
}

impl<T> Deref for BySlot<T> {
    type Target = [Arc<T>];

    fn deref(&self) -> &[Arc<T>] {
        &self.listed
    }
}

impl<'t, T> IntoIterator for &'t BySlot<T> {
    type Item = &'t Arc<T>;
    type IntoIter = std::slice::Iter<'t, Arc<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.listed.iter()
    }
}
