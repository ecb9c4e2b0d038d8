//! Applications, their keys and their subscriptions, packed: a million consumer keys in about 100 MiB, found without a
//! lock or an allocation.
//!
//! A key mapping is found by (key manager, consumer key), never by the consumer key alone: two authorization servers
//! may issue the same client id.

use std::hash::BuildHasher;

use crate::model::application::{
    Application, KeyMapping, KeyType, Subscription, SubscriptionState,
};
use crate::model::names::{ApiSlot, ApplicationSlot, KeyManagerSlot};
use crate::model::policy::PolicyIndex;
use crate::model::provenance::Provenance;
use hashbrown::{HashSet, HashTable};

/// The finished directory: read-only.
#[derive(Debug, Default)]
pub struct Directory {
    text: Vec<u8>,
    applications: Vec<ApplicationRecord>,
    keys: Vec<KeyRecord>,
    subscriptions: Vec<SubscriptionRecord>,
    by_key: HashTable<u32>,
    by_name: HashTable<u32>,
    /// Seeded for each directory, so that nobody can choose colliding keys.
    hasher: foldhash::quality::RandomState,
}

/// What a consumer key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyOwner {
    pub application: ApplicationSlot,
    pub key_type: KeyType,
}

/// An application as the walk and the logs see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApplicationView<'a> {
    pub name: &'a str,
    pub owner: &'a str,
    /// Whose tokens alone it may use.
    pub organization: Option<&'a str>,
    /// Of the level "application".
    pub policy: PolicyIndex,
    pub place: Provenance,
}

/// Why an application cannot be added; nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    #[error("application \"{name}\" is defined twice")]
    Name { name: String, other: Provenance },
    #[error(
        "consumer key \"{consumer_key}\" of this key manager belongs to application \"{application}\" already"
    )]
    ConsumerKey { consumer_key: String, application: String, other: Provenance },
    #[error("too many applications: their names and keys must fit into 4 GiB")]
    Full,
}

#[derive(Debug, Clone, Copy)]
struct TextRange {
    start: u32,
    length: u16,
}

#[derive(Debug, Clone, Copy)]
struct ApplicationRecord {
    name: TextRange,
    owner: TextRange,
    /// Empty: none.
    organization: TextRange,
    first_subscription: u32,
    subscription_count: u16,
    policy: PolicyIndex,
    place: Provenance,
}

#[derive(Debug, Clone, Copy)]
struct KeyRecord {
    consumer_key: TextRange,
    key_manager: KeyManagerSlot,
    key_type: KeyType,
    application: ApplicationSlot,
}

#[derive(Debug, Clone, Copy)]
struct SubscriptionRecord {
    api: ApiSlot,
    state: SubscriptionState,
    policy: PolicyIndex,
}

impl Directory {
    /// What this key manager's consumer key stands for.
    pub fn find(&self, key_manager: KeyManagerSlot, consumer_key: &str) -> Option<KeyOwner> {
        let record = self.find_record(key_manager, consumer_key)?;
        Some(KeyOwner { application: record.application, key_type: record.key_type })
    }

    pub fn application(&self, index: ApplicationSlot) -> Option<ApplicationView<'_>> {
        let record = self.applications.get(index.position())?;
        let organization =
            Some(self.text(record.organization)).filter(|organization| !organization.is_empty());
        Some(ApplicationView {
            name: self.text(record.name),
            owner: self.text(record.owner),
            organization,
            policy: record.policy,
            place: record.place,
        })
    }

    pub fn subscription(&self, application: ApplicationSlot, api: ApiSlot) -> Option<Subscription> {
        self.subscriptions(application).find(|subscription| subscription.api == api)
    }

    /// All subscriptions of an application, in the order written.
    pub fn subscriptions(
        &self,
        application: ApplicationSlot,
    ) -> impl Iterator<Item = Subscription> + '_ {
        let records = self.applications.get(application.position()).and_then(|record| {
            let start = record.first_subscription as usize;
            self.subscriptions
                .get(start..start.checked_add(usize::from(record.subscription_count))?)
        });
        records.unwrap_or_default().iter().map(|record| Subscription {
            api: record.api,
            state: record.state,
            policy: record.policy,
        })
    }

    /// The application and the key manager of every key, in the order written.
    pub fn keys(&self) -> impl Iterator<Item = (ApplicationSlot, KeyManagerSlot)> + '_ {
        self.keys.iter().map(|record| (record.application, record.key_manager))
    }

    /// Every policy that an application or a subscription has.
    pub fn policies(&self) -> impl Iterator<Item = PolicyIndex> + '_ {
        let applications = self.applications.iter().map(|record| record.policy);
        applications.chain(self.subscriptions.iter().map(|record| record.policy))
    }

    /// The APIs that somebody subscribes to.
    pub fn subscribed(&self) -> HashSet<ApiSlot> {
        self.subscriptions.iter().map(|record| record.api).collect()
    }

    pub fn application_count(&self) -> usize {
        self.applications.len()
    }

    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    pub fn subscription_count(&self) -> usize {
        self.subscriptions.len()
    }

    /// Adds an application, or says what it collides with.
    pub fn add(&mut self, new: &Application<'_>) -> Result<ApplicationSlot, Conflict> {
        self.check(new)?;
        let index =
            ApplicationSlot(u32::try_from(self.applications.len()).map_err(|_| Conflict::Full)?);
        let organization =
            new.organization.as_ref().map_or("", |organization| organization.as_str());
        let subscriptions = new.subscriptions.as_slice();
        let record = ApplicationRecord {
            name: self.keep(new.name.as_str())?,
            owner: self.keep_repeated(new.owner.as_str(), |last| last.owner)?,
            organization: self.keep_repeated(organization, |last| last.organization)?,
            first_subscription: u32::try_from(self.subscriptions.len())
                .map_err(|_| Conflict::Full)?,
            subscription_count: u16::try_from(subscriptions.len()).map_err(|_| Conflict::Full)?,
            policy: new.policy,
            place: new.place,
        };
        self.applications.push(record);
        let records = subscriptions.iter().map(|subscription| SubscriptionRecord {
            api: subscription.api,
            state: subscription.state,
            policy: subscription.policy,
        });
        self.subscriptions.extend(records);
        for key in new.keys.as_slice() {
            self.add_key(key, index)?;
        }
        let name_hash = self.hasher.hash_one(new.name.as_str());
        let (applications, text, hasher) = (&self.applications, &self.text, &self.hasher);
        let rehash = |&at: &u32| {
            applications
                .get(at as usize)
                .map_or(0, |record| hasher.hash_one(slice(text, record.name)))
        };
        self.by_name.insert_unique(name_hash, index.0, rehash);
        Ok(index)
    }

    /// Gives back what growing reserved too much.
    pub fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.applications.shrink_to_fit();
        self.keys.shrink_to_fit();
        self.subscriptions.shrink_to_fit();
    }

    fn add_key(
        &mut self,
        key: &KeyMapping<'_>,
        application: ApplicationSlot,
    ) -> Result<(), Conflict> {
        let position = u32::try_from(self.keys.len()).map_err(|_| Conflict::Full)?;
        let consumer_key = self.keep(key.consumer_key.as_str())?;
        self.keys.push(KeyRecord {
            consumer_key,
            key_manager: key.key_manager,
            key_type: key.key_type,
            application,
        });
        let (keys, text, hasher) = (&self.keys, &self.text, &self.hasher);
        let rehash = |&at: &u32| {
            keys.get(at as usize).map_or(0, |record| {
                hasher.hash_one((record.key_manager, slice(text, record.consumer_key)))
            })
        };
        self.by_key.insert_unique(
            hasher.hash_one((key.key_manager, key.consumer_key.as_str())),
            position,
            rehash,
        );
        Ok(())
    }

    fn check(&self, new: &Application<'_>) -> Result<(), Conflict> {
        if let Some(other) = self.find_by_name(new.name.as_str()) {
            return Err(Conflict::Name { name: new.name.as_str().to_owned(), other: other.place });
        }
        for key in new.keys.as_slice() {
            if let Some(other) = self.find_record(key.key_manager, key.consumer_key.as_str()) {
                let owner = self.application(other.application);
                return Err(Conflict::ConsumerKey {
                    consumer_key: key.consumer_key.as_str().to_owned(),
                    application: owner.map_or_else(String::new, |view| view.name.to_owned()),
                    other: owner.map(|view| view.place).unwrap_or_default(),
                });
            }
        }
        Ok(())
    }

    fn find_by_name(&self, name: &str) -> Option<&ApplicationRecord> {
        let same = |&at: &u32| {
            self.applications.get(at as usize).is_some_and(|record| self.text(record.name) == name)
        };
        let position = *self.by_name.find(self.hasher.hash_one(name), same)?;
        self.applications.get(position as usize)
    }

    fn find_record(&self, key_manager: KeyManagerSlot, consumer_key: &str) -> Option<&KeyRecord> {
        let same = |&at: &u32| {
            self.keys.get(at as usize).is_some_and(|record| {
                record.key_manager == key_manager && self.text(record.consumer_key) == consumer_key
            })
        };
        let position =
            *self.by_key.find(self.hasher.hash_one((key_manager, consumer_key)), same)?;
        self.keys.get(position as usize)
    }

    fn keep(&mut self, text: &str) -> Result<TextRange, Conflict> {
        let start = u32::try_from(self.text.len()).map_err(|_| Conflict::Full)?;
        let length = u16::try_from(text.len()).map_err(|_| Conflict::Full)?;
        self.text.extend_from_slice(text.as_bytes());
        Ok(TextRange { start, length })
    }

    /// Owners and organizations repeat from line to line: the last one's is shared.
    fn keep_repeated(
        &mut self,
        text: &str,
        of: impl Fn(&ApplicationRecord) -> TextRange,
    ) -> Result<TextRange, Conflict> {
        match self.applications.last().map(of) {
            Some(last) if self.text(last) == text => Ok(last),
            _ => self.keep(text),
        }
    }

    fn text(&self, range: TextRange) -> &str {
        slice(&self.text, range)
    }
}

/// Ranges are made by `keep` from whole strings, so they always hold valid UTF-8.
fn slice(text: &[u8], range: TextRange) -> &str {
    let start = range.start as usize;
    let bytes =
        text.get(start..start.saturating_add(usize::from(range.length))).unwrap_or_default();
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests;
