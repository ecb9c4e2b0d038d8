//! Builds a directory: from files, or from a directory with an overlay.

use std::sync::{Arc, Weak};

use crate::model::application::Application;
use crate::model::directory::conflict::Conflict;
use crate::model::directory::lookup::Directory;
use crate::model::directory::packed::{ApplicationRecord, Packed, SharedTexts};
use crate::model::directory::totals::Totals;
use crate::model::names::ApplicationSlot;

/// A directory to which applications are added one by one.
#[derive(Debug, Default)]
pub struct DirectoryBuilder {
    packed: Packed,
    shared: SharedTexts,
}

impl DirectoryBuilder {
    /// Adds an application, or returns its conflict with another one.
    pub fn add(&mut self, new: &Application<'_>) -> Result<ApplicationSlot, Conflict> {
        let name = new.name.as_str();
        if let Some(other) =
            self.packed.slot_of(name).and_then(|slot| self.packed.application(slot))
        {
            return Err(Conflict::Name { name: name.to_owned(), other: other.place() });
        }
        for key in new.keys.as_slice() {
            let consumer_key = key.consumer_key.as_str();
            let hash = self.packed.hash_key(key.key_manager, consumer_key);
            if let Some(owner) = self.packed.find(hash, key.key_manager, consumer_key) {
                let other = self.packed.application(owner.application);
                return Err(Conflict::ConsumerKey {
                    consumer_key: consumer_key.to_owned(),
                    application: other
                        .map_or_else(String::new, |other| self.packed.name(other).to_owned()),
                    other: other.map(ApplicationRecord::place).unwrap_or_default(),
                });
            }
        }
        self.packed.push(new, &mut self.shared)
    }

    pub fn build(mut self) -> Directory {
        self.packed.shrink();
        let totals = Totals {
            applications: self.packed.application_count(),
            keys: self.packed.key_count(),
            subscriptions: self.packed.subscription_count(),
        };
        Directory {
            base: Arc::new(self.packed),
            recent: Arc::default(),
            declared: Arc::default(),
            base_use: Arc::default(),
            totals,
        }
    }

    /// Collects everything of a directory, each application in its slot.
    pub(super) fn compacting(directory: &Directory) -> Result<Self, Conflict> {
        let former = directory.base.former.iter().filter(|former| former.strong_count() > 0);
        let former: Vec<Weak<Packed>> =
            former.cloned().chain([Arc::downgrade(&directory.base)]).collect();
        let hasher = directory.base.hasher.clone();
        let mut builder =
            Self { packed: Packed::after(former, hasher), shared: SharedTexts::default() };
        let slots = directory.base.slots().max(directory.recent.slots());
        for slot in (0..slots).map(ApplicationSlot) {
            match directory.application(slot) {
                Some(view) => {
                    builder.packed.push(&view.to_application(), &mut builder.shared)?;
                }
                None => builder.packed.push_hole(),
            }
        }
        Ok(builder)
    }
}
