//! Looks up consumer keys, applications and subscriptions: in a packed base, and in the overlay of
//! recent changes above it.

use std::sync::{Arc, OnceLock};

use hashbrown::HashMap;

use crate::model::application::{Application, Subscription};
use crate::model::directory::base_use::BaseUse;
use crate::model::directory::conflict::Conflict;
use crate::model::directory::order::DeclaredOrder;
use crate::model::directory::overlay::{Overlay, RecentState};
use crate::model::directory::owner::KeyOwner;
use crate::model::directory::packed::Packed;
use crate::model::directory::totals::Totals;
use crate::model::directory::view::ApplicationView;
use crate::model::names::{ApiSlot, ApplicationSlot, KeyManagerSlot};

/// All applications of a snapshot. Clones share everything.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    pub(super) base: Arc<Packed>,
    pub(super) recent: Arc<Overlay>,
    pub(super) totals: Totals,
    /// Shared by all directories with the same applications of files in the same slots.
    pub(super) declared: Arc<OnceLock<DeclaredOrder>>,
    /// Shared by all directories with the same base.
    pub(super) base_use: Arc<OnceLock<BaseUse>>,
}

/// One change of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplicationChange<'a> {
    /// Adds the application, or replaces the one of the same name.
    Put(Application<'a>),
    /// Removes the application of this name, if there is one.
    Remove(&'a str),
}

impl Directory {
    /// Finds the application of a key manager's consumer key.
    pub fn find(&self, key_manager: KeyManagerSlot, consumer_key: &str) -> Option<KeyOwner> {
        let hash = self.base.hash_key(key_manager, consumer_key);
        if self.recent.is_empty() {
            return self.base.find(hash, key_manager, consumer_key);
        }
        if let Some(owner) = self.recent.find(hash, key_manager, consumer_key) {
            return Some(owner);
        }
        let owner = self.base.find(hash, key_manager, consumer_key)?;
        (!self.recent.has(owner.application)).then_some(owner)
    }

    pub fn application(&self, slot: ApplicationSlot) -> Option<ApplicationView<'_>> {
        if !self.recent.is_empty()
            && let Some(recent) = self.recent.application(slot)
        {
            return match recent {
                RecentState::Put(application) => Some(ApplicationView::recent(application)),
                RecentState::Removed => None,
            };
        }
        ApplicationView::in_base(&self.base, slot)
    }

    /// Returns the application of a name.
    pub fn named(&self, name: &str) -> Option<ApplicationView<'_>> {
        self.slot_of(name).and_then(|slot| self.application(slot))
    }

    pub fn subscription(&self, application: ApplicationSlot, api: ApiSlot) -> Option<Subscription> {
        self.application(application)?.subscription(api)
    }

    /// Returns all subscriptions of an application, in the order written.
    pub fn subscriptions(
        &self,
        application: ApplicationSlot,
    ) -> impl Iterator<Item = Subscription> + '_ {
        self.application(application).into_iter().flat_map(|view| view.subscriptions())
    }

    /// Returns all applications, by slot.
    pub fn applications(&self) -> impl Iterator<Item = ApplicationView<'_>> {
        (0..self.slots()).filter_map(|slot| self.application(ApplicationSlot(slot)))
    }

    /// The number of slots, holes included.
    pub(super) fn slots(&self) -> u32 {
        self.base.slots().max(self.recent.slots())
    }

    pub fn application_count(&self) -> usize {
        self.totals.applications
    }

    pub fn key_count(&self) -> usize {
        self.totals.keys
    }

    pub fn subscription_count(&self) -> usize {
        self.totals.subscriptions
    }

    /// The number of applications that are not yet part of the base.
    pub fn recent_count(&self) -> usize {
        self.recent.len()
    }

    /// Applies changes: all of them, or none. The cost grows with the overlay, not with the base.
    pub fn with(&self, changes: &[ApplicationChange<'_>]) -> Result<Self, Conflict> {
        let mut next = self.clone();
        if changes.iter().any(|change| self.changes_declared(change)) {
            next.declared = Arc::default();
        }
        // replaced applications go first, so that a key can move from one application to another
        let slots: Vec<_> = changes.iter().map(|change| next.take_out(change.name())).collect();
        let named = changes.iter().map(ApplicationChange::name).zip(slots);
        let mut slots: HashMap<_, _> =
            named.filter_map(|(name, slot)| Some((name, slot?))).collect();
        for change in changes {
            if let ApplicationChange::Put(application) = change {
                next.put(slots.remove(change.name()), application)?;
            }
        }
        Ok(next)
    }

    /// Tells whether one of them was made from the other by changes.
    pub fn shares_base(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.base, &other.base)
    }

    /// Tells whether both are the same directory in memory.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.base, &other.base) && Arc::ptr_eq(&self.recent, &other.recent)
    }

    pub(super) fn slot_of(&self, name: &str) -> Option<ApplicationSlot> {
        if let Some(slot) = self.recent.slot_of(name) {
            return Some(slot);
        }
        self.base.slot_of(name).filter(|slot| !self.recent.has(*slot))
    }

    fn changes_declared(&self, change: &ApplicationChange<'_>) -> bool {
        let of_file = match change {
            ApplicationChange::Put(application) => application.place.revision().is_none(),
            ApplicationChange::Remove(_) => false,
        };
        of_file || self.named(change.name()).is_some_and(|view| view.is_declared())
    }

    /// Removes the application of a name and returns the slot that it had.
    fn take_out(&mut self, name: &str) -> Option<ApplicationSlot> {
        let slot = self.slot_of(name)?;
        let gone = self.application(slot).map(|view| Totals::of(&view)).unwrap_or_default();
        self.totals = self.totals.less(gone);
        let base = &self.base;
        let hash = |key_manager, consumer_key: &str| base.hash_key(key_manager, consumer_key);
        Arc::make_mut(&mut self.recent).take_out(slot, hash);
        Some(slot)
    }

    fn put(
        &mut self,
        slot: Option<ApplicationSlot>,
        application: &Application<'_>,
    ) -> Result<(), Conflict> {
        self.check(application)?;
        let recent = Arc::make_mut(&mut self.recent);
        let slot = match slot {
            Some(slot) => slot,
            None => recent.new_slot(&self.base).ok_or(Conflict::Full)?,
        };
        let base = &self.base;
        let hash = |key_manager, consumer_key: &str| base.hash_key(key_manager, consumer_key);
        recent.put(slot, Arc::new(application.to_static()), hash);
        self.totals = self.totals.and(Totals::new(application));
        Ok(())
    }

    fn check(&self, new: &Application<'_>) -> Result<(), Conflict> {
        let name = new.name.as_str();
        if let Some(other) = self.slot_of(name).and_then(|slot| self.application(slot)) {
            return Err(Conflict::Name { name: name.to_owned(), other: other.place });
        }
        for key in new.keys.as_slice() {
            let consumer_key = key.consumer_key.as_str();
            let Some(owner) = self.find(key.key_manager, consumer_key) else { continue };
            let other = self.application(owner.application);
            return Err(Conflict::ConsumerKey {
                consumer_key: consumer_key.to_owned(),
                application: other.map_or_else(String::new, |other| other.name.to_owned()),
                other: other.map(|other| other.place).unwrap_or_default(),
            });
        }
        Ok(())
    }
}

impl ApplicationChange<'_> {
    pub fn name(&self) -> &str {
        match self {
            Self::Put(application) => application.name.as_str(),
            Self::Remove(name) => name,
        }
    }
}
