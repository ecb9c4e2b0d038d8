//! The packed base of a directory: all texts in one piece, records of a few bytes, tables of
//! positions.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Weak};

use hashbrown::HashTable;

use crate::model::QuotaResets;
use crate::model::application::{Application, ConsumerKey, KeyMapping, KeyType, Subscription};
use crate::model::directory::conflict::Conflict;
use crate::model::directory::owner::KeyOwner;
use crate::model::names::{ApplicationSlot, KeyManagerSlot};
use crate::model::policy::PolicyIndex;
use crate::model::provenance::Provenance;

/// Applications by slot, read-only once it was built.
#[derive(Debug, Default)]
pub(super) struct Packed {
    text: String,
    applications: Vec<ApplicationRecord>,
    keys: Vec<KeyRecord>,
    subscriptions: Vec<Subscription>,
    /// Owners and organizations, which many applications share.
    shared: Vec<TextRange>,
    /// The attributes of the few applications that have some, by slot.
    attributes: HashMap<u32, TextRange>,
    /// The resets of the few applications whose counts were set back. Requests look here, so the
    /// hash is a fast one; no client can choose slots.
    quota_resets: hashbrown::HashMap<u32, Arc<QuotaResets>>,
    by_key: HashTable<u32>,
    by_name: HashTable<u32>,
    /// Seeded for each directory, so that no client can choose colliding keys.
    pub(super) hasher: foldhash::quality::RandomState,
    /// Slots without an application.
    holes: Vec<u32>,
    /// Former bases that are still in use: their applications keep their slots.
    pub(super) former: Vec<Weak<Packed>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TextRange {
    start: u32,
    length: u16,
}

/// One application in 36 bytes.
#[derive(Clone, Copy)]
pub(super) struct ApplicationRecord {
    /// The start of the name.
    start: u32,
    line: u32,
    /// The position of the owner in `shared`.
    owner: u32,
    /// The position of the organization in `shared`; an empty string stands for none.
    organization: u32,
    first_subscription: u32,
    first_key: u32,
    subscription_count: u16,
    key_count: u16,
    pub(super) policy: PolicyIndex,
    /// The length of the name; zero for a slot without an application.
    length: u16,
    file: u16,
}

#[derive(Debug, Clone, Copy)]
struct KeyRecord {
    consumer_key: TextRange,
    key_manager: KeyManagerSlot,
    key_type: KeyType,
    application: ApplicationSlot,
}

/// The positions of shared texts while a base is built.
#[derive(Debug, Default)]
pub(super) struct SharedTexts(HashTable<u32>);

impl ApplicationRecord {
    pub(super) fn place(&self) -> Provenance {
        Provenance { file: self.file, line: self.line }
    }

    fn is_hole(&self) -> bool {
        self.length == 0
    }
}

impl fmt::Debug for ApplicationRecord {
    /// Shows the place in its usual form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApplicationRecord")
            .field("name", &(self.start, self.length))
            .field("owner", &self.owner)
            .field("organization", &self.organization)
            .field("subscriptions", &(self.first_subscription, self.subscription_count))
            .field("keys", &(self.first_key, self.key_count))
            .field("policy", &self.policy)
            .field("place", &self.place())
            .finish_non_exhaustive()
    }
}

impl Packed {
    /// An empty base that hashes like another one, so that an overlay of that one fits this one
    /// too.
    pub(super) fn after(former: Vec<Weak<Self>>, hasher: foldhash::quality::RandomState) -> Self {
        Self { hasher, former, ..Self::default() }
    }

    pub(super) fn hash_key(&self, key_manager: KeyManagerSlot, consumer_key: &str) -> u64 {
        self.hasher.hash_one((key_manager, consumer_key))
    }

    pub(super) fn find(
        &self,
        hash: u64,
        key_manager: KeyManagerSlot,
        consumer_key: &str,
    ) -> Option<KeyOwner> {
        let same = |&at: &u32| {
            self.keys.get(at as usize).is_some_and(|record| {
                record.key_manager == key_manager && self.text(record.consumer_key) == consumer_key
            })
        };
        let record = self.keys.get(*self.by_key.find(hash, same)? as usize)?;
        Some(KeyOwner { application: record.application, key_type: record.key_type })
    }

    pub(super) fn application(&self, slot: ApplicationSlot) -> Option<&ApplicationRecord> {
        self.applications.get(slot.position()).filter(|record| !record.is_hole())
    }

    pub(super) fn slot_of(&self, name: &str) -> Option<ApplicationSlot> {
        let same = |&at: &u32| {
            self.applications.get(at as usize).is_some_and(|record| self.name(record) == name)
        };
        self.by_name.find(self.hasher.hash_one(name), same).map(|at| ApplicationSlot(*at))
    }

    pub(super) fn name(&self, record: &ApplicationRecord) -> &str {
        self.text(TextRange { start: record.start, length: record.length })
    }

    pub(super) fn owner(&self, record: &ApplicationRecord) -> &str {
        self.shared(record.owner)
    }

    pub(super) fn organization(&self, record: &ApplicationRecord) -> Option<&str> {
        Some(self.shared(record.organization)).filter(|organization| !organization.is_empty())
    }

    pub(super) fn attributes(&self, slot: ApplicationSlot) -> Option<&str> {
        self.attributes.get(&slot.0).map(|range| self.text(*range))
    }

    pub(super) fn quota_resets(&self, slot: ApplicationSlot) -> Option<&Arc<QuotaResets>> {
        self.quota_resets.get(&slot.0)
    }

    pub(super) fn subscriptions(&self, record: &ApplicationRecord) -> &[Subscription] {
        let start = record.first_subscription as usize;
        let end = start.saturating_add(usize::from(record.subscription_count));
        self.subscriptions.get(start..end).unwrap_or_default()
    }

    pub(super) fn keys(
        &self,
        record: &ApplicationRecord,
    ) -> impl Iterator<Item = KeyMapping<'_>> + use<'_> {
        let start = record.first_key as usize;
        let end = start.saturating_add(usize::from(record.key_count));
        self.keys.get(start..end).unwrap_or_default().iter().map(|record| KeyMapping {
            key_manager: record.key_manager,
            key_type: record.key_type,
            consumer_key: ConsumerKey::known(self.text(record.consumer_key)),
        })
    }

    /// The number of slots, holes included.
    pub(super) fn slots(&self) -> u32 {
        u32::try_from(self.applications.len()).unwrap_or(u32::MAX)
    }

    /// Returns the empty slots whose former applications no reader can reach any more.
    pub(super) fn free_slots(&self) -> Vec<u32> {
        let in_use = self.former.iter().any(|former| former.strong_count() > 0);
        if in_use { Vec::new() } else { self.holes.clone() }
    }

    pub(super) fn key_count(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn subscription_count(&self) -> usize {
        self.subscriptions.len()
    }

    pub(super) fn application_count(&self) -> usize {
        self.applications.len().saturating_sub(self.holes.len())
    }

    /// Leaves the next slot without an application.
    pub(super) fn push_hole(&mut self) {
        self.holes.push(self.slots());
        self.applications.push(ApplicationRecord {
            start: 0,
            line: 0,
            owner: 0,
            organization: 0,
            first_subscription: 0,
            first_key: 0,
            subscription_count: 0,
            key_count: 0,
            policy: PolicyIndex::UNLIMITED,
            length: 0,
            file: 0,
        });
    }

    /// Gives the next slot to an application that collides with no other one.
    pub(super) fn push(
        &mut self,
        new: &Application<'_>,
        shared: &mut SharedTexts,
    ) -> Result<ApplicationSlot, Conflict> {
        let slot = ApplicationSlot(self.slots());
        let organization =
            new.organization.as_ref().map_or("", |organization| organization.as_str());
        let (keys, subscriptions) = (new.keys.as_slice(), new.subscriptions.as_slice());
        let name = self.keep(new.name.as_str())?;
        let record = ApplicationRecord {
            start: name.start,
            length: name.length,
            owner: self.keep_shared(new.owner.as_str(), shared)?,
            organization: self.keep_shared(organization, shared)?,
            first_subscription: position(self.subscriptions.len())?,
            subscription_count: u16::try_from(subscriptions.len()).map_err(|_| Conflict::Full)?,
            first_key: position(self.keys.len())?,
            key_count: u16::try_from(keys.len()).map_err(|_| Conflict::Full)?,
            policy: new.policy,
            file: new.place.file,
            line: new.place.line,
        };
        self.applications.push(record);
        if let Some(attributes) = &new.attributes {
            let range = self.keep(attributes.as_json())?;
            self.attributes.insert(slot.0, range);
        }
        if let Some(resets) = &new.quota_resets {
            self.quota_resets.insert(slot.0, Arc::clone(resets));
        }
        self.subscriptions.extend_from_slice(subscriptions);
        for key in keys {
            self.push_key(key, slot)?;
        }
        let (applications, text, hasher) = (&self.applications, &self.text, &self.hasher);
        let rehash = |&at: &u32| {
            applications.get(at as usize).map_or(0, |record| {
                let name = TextRange { start: record.start, length: record.length };
                hasher.hash_one(slice(text, name))
            })
        };
        self.by_name.insert_unique(hasher.hash_one(new.name.as_str()), slot.0, rehash);
        Ok(slot)
    }

    fn push_key(
        &mut self,
        key: &KeyMapping<'_>,
        application: ApplicationSlot,
    ) -> Result<(), Conflict> {
        let position = position(self.keys.len())?;
        let consumer_key = self.keep(key.consumer_key.as_str())?;
        let KeyMapping { key_manager, key_type, .. } = *key;
        self.keys.push(KeyRecord { consumer_key, key_manager, key_type, application });
        let (keys, text, hasher) = (&self.keys, &self.text, &self.hasher);
        let rehash = |&at: &u32| {
            keys.get(at as usize).map_or(0, |record| {
                hasher.hash_one((record.key_manager, slice(text, record.consumer_key)))
            })
        };
        let hash = hasher.hash_one((key_manager, key.consumer_key.as_str()));
        self.by_key.insert_unique(hash, position, rehash);
        Ok(())
    }

    /// Gives spare capacity back.
    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.applications.shrink_to_fit();
        self.keys.shrink_to_fit();
        self.subscriptions.shrink_to_fit();
        self.shared.shrink_to_fit();
        self.attributes.shrink_to_fit();
    }

    fn keep(&mut self, text: &str) -> Result<TextRange, Conflict> {
        let start = position(self.text.len())?;
        let length = u16::try_from(text.len()).map_err(|_| Conflict::Full)?;
        self.text.push_str(text);
        Ok(TextRange { start, length })
    }

    fn keep_shared(&mut self, text: &str, known: &mut SharedTexts) -> Result<u32, Conflict> {
        let hash = self.hasher.hash_one(text);
        if let Some(at) = known.0.find(hash, |&at| self.shared(at) == text) {
            return Ok(*at);
        }
        let at = position(self.shared.len())?;
        let range = self.keep(text)?;
        self.shared.push(range);
        let rehash = |&at: &u32| self.hasher.hash_one(self.shared(at));
        known.0.insert_unique(hash, at, rehash);
        Ok(at)
    }

    fn shared(&self, at: u32) -> &str {
        self.shared.get(at as usize).map_or("", |range| self.text(*range))
    }

    fn text(&self, range: TextRange) -> &str {
        slice(&self.text, range)
    }
}

fn position(length: usize) -> Result<u32, Conflict> {
    u32::try_from(length).map_err(|_| Conflict::Full)
}

/// Ranges are made by `keep` from whole strings, so they never cut a character.
fn slice(text: &str, range: TextRange) -> &str {
    let start = range.start as usize;
    text.get(start..start.saturating_add(usize::from(range.length))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_applications_take_few_bytes_each() {
        assert!(size_of::<ApplicationRecord>() <= 36);
        assert!(size_of::<KeyRecord>() <= 16);
        assert!(size_of::<Subscription>() <= 8);
    }
}
