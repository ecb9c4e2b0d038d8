//! Values that outlive a snapshot, found again by their key.

use std::hash::Hash;
use std::sync::{Arc, Weak};

use hashbrown::HashMap;

/// Shares values between snapshots without keeping any alive: a value that no snapshot and no
/// request uses is forgotten.
#[derive(Debug)]
pub(super) struct Kept<K, V>(HashMap<K, Weak<V>>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq, V> Kept<K, V> {
    /// Returns the value of this key, or a new one if none fits.
    pub(super) fn get_or(
        &mut self,
        key: K,
        fits: impl FnOnce(&V) -> bool,
        new: impl FnOnce() -> V,
    ) -> Arc<V> {
        if let Some(kept) = self.0.get(&key).and_then(Weak::upgrade).filter(|kept| fits(kept)) {
            return kept;
        }
        let value = Arc::new(new());
        self.0.insert(key, Arc::downgrade(&value));
        value
    }

    pub(super) fn forget_unused(&mut self) {
        self.0.retain(|_, value| value.strong_count() > 0);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
