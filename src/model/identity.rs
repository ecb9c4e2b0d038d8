//! Identities: they stay the same while files, positions and generations change.
//!
//! An object of a file has an id that is derived from its kind and its name, so that it is the same
//! in every process and on every gateway. Tables are indexed by slots: small numbers that one
//! object holds for as long as the process uses it. Deleting an object renumbers no other one.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hashbrown::HashMap;
use uuid::{Builder, Uuid};

/// The namespace (RFC 9562, section 5.5) of ids that are derived from names. Drawn once; a change
/// of it would change every id.
const NAMESPACE: Uuid = Uuid::from_u128(0x8d0b_1d2e_5c6a_4f0e_9b3a_71e2_4c95_d6a8);

/// Of an application's id, in the ids of its parts: all before the version, and enough to tell a
/// million applications apart.
const SHARED_BYTES: usize = 6;

/// The id of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(Uuid);

/// The kind of an object: two kinds can use one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    Api,
    KeyManager,
    ThrottlingPolicy,
    DenyCondition,
    Application,
    Key,
    Subscription,
}

impl ObjectKind {
    /// A part of every derived id, so it never changes.
    fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::KeyManager => "key manager",
            Self::ThrottlingPolicy => "throttling policy",
            Self::DenyCondition => "deny condition",
            Self::Application => "application",
            Self::Key => "key",
            Self::Subscription => "subscription",
        }
    }
}

impl ObjectId {
    /// Derives the id of an object that a file declares under this name.
    pub fn declared(kind: ObjectKind, name: &str) -> Self {
        Self(Uuid::new_v5(&NAMESPACE, format!("{}:{name}", kind.as_str()).as_bytes()))
    }

    /// Derives the id of a key or a subscription that a file declares. Its first six bytes are
    /// those of its application's id, so that a million parts need no index of their own. That is
    /// a form of our own: version 8 of RFC 9562.
    pub fn part(kind: ObjectKind, application: Uuid, name: &str) -> Self {
        let mut bytes = Uuid::from(Self::declared(kind, name)).into_bytes();
        for (byte, shared) in bytes.iter_mut().zip(application.into_bytes()).take(SHARED_BYTES) {
            *byte = shared;
        }
        Self(Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// Tells whether [`Self::part`] can have derived an id from this application's.
    pub fn is_part(id: Uuid, application: Uuid) -> bool {
        id.into_bytes()
            .iter()
            .zip(application.into_bytes())
            .take(SHARED_BYTES)
            .all(|(a, b)| *a == b)
    }
}

impl From<ObjectId> for Uuid {
    fn from(id: ObjectId) -> Self {
        id.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The slots of one kind of objects. Clones share them.
#[derive(Debug)]
pub struct Slots<K: Hash + Eq>(Arc<Mutex<SlotTable<K>>>);

#[derive(Debug)]
struct SlotTable<K: Hash + Eq> {
    held: HashMap<K, Weak<SlotLease<K>>>,
    /// Returned slots; the lowest is used first, so that tables stay short.
    free: BTreeSet<u32>,
    next: u32,
}

/// The right to a slot. The slot is free again when the last holder of the lease has gone.
pub struct SlotLease<K: Hash + Eq> {
    number: u32,
    key: K,
    slots: Arc<Mutex<SlotTable<K>>>,
}

impl<K: Hash + Eq> Clone for Slots<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Hash + Eq> Default for Slots<K> {
    fn default() -> Self {
        let table = SlotTable { held: HashMap::new(), free: BTreeSet::new(), next: 0 };
        Self(Arc::new(Mutex::new(table)))
    }
}

impl<K: Hash + Eq + Clone> Slots<K> {
    /// Returns the slot that this key holds already, or the lowest free one.
    pub fn lease(&self, key: &K) -> Arc<SlotLease<K>> {
        let mut table = locked(&self.0);
        if let Some(lease) = table.held.get(key).and_then(Weak::upgrade) {
            return lease;
        }
        let number = table.free.pop_first().unwrap_or_else(|| {
            let next = table.next;
            table.next = next.saturating_add(1);
            next
        });
        let lease = Arc::new(SlotLease { number, key: key.clone(), slots: Arc::clone(&self.0) });
        table.held.insert(key.clone(), Arc::downgrade(&lease));
        lease
    }

    /// The number of slots in use.
    pub fn held(&self) -> usize {
        locked(&self.0).held.len()
    }
}

impl<K: Hash + Eq> SlotLease<K> {
    pub fn number(&self) -> u32 {
        self.number
    }

    pub fn key(&self) -> &K {
        &self.key
    }
}

impl<K: Hash + Eq> Drop for SlotLease<K> {
    fn drop(&mut self) {
        let mut table = locked(&self.slots);
        // the key may have been leased again after the last holder of this lease was dropped
        let dead = table.held.get(&self.key).is_some_and(|lease| lease.strong_count() == 0);
        if dead {
            table.held.remove(&self.key);
        }
        table.free.insert(self.number);
    }
}

impl<K: Hash + Eq + fmt::Debug> fmt::Debug for SlotLease<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotLease")
            .field("number", &self.number)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

fn locked<K: Hash + Eq>(table: &Mutex<SlotTable<K>>) -> MutexGuard<'_, SlotTable<K>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An object's id with the slot that it holds.
#[derive(Debug, Clone)]
pub struct Identity(Arc<SlotLease<ObjectId>>);

impl Identity {
    pub fn id(&self) -> ObjectId {
        *self.0.key()
    }

    pub fn slot(&self) -> u32 {
        self.0.number()
    }
}

/// Two identities are equal if their ids are: a slot is not part of an object's identity.
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Identity {}

/// The identities of one process. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Identities {
    apis: Slots<ObjectId>,
    key_managers: Slots<ObjectId>,
    policies: Slots<ObjectId>,
}

impl Identities {
    /// The identity of the API `name:version`.
    pub fn api(&self, name: &str) -> Identity {
        Identity(self.apis.lease(&ObjectId::declared(ObjectKind::Api, name)))
    }

    /// Returns the identity of a key manager, or `None` if 65,535 exist: a consumer key has two
    /// bytes for its key manager.
    pub fn key_manager(&self, name: &str) -> Option<Identity> {
        let lease = self.key_managers.lease(&ObjectId::declared(ObjectKind::KeyManager, name));
        (lease.number() < u32::from(u16::MAX)).then_some(Identity(lease))
    }

    /// The identity of the throttling policy `level:name`.
    pub fn policy(&self, name: &str) -> Identity {
        Identity(self.policies.lease(&ObjectId::declared(ObjectKind::ThrottlingPolicy, name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_derived_from_kind_and_name() {
        let id = ObjectId::declared(ObjectKind::Api, "orders:1.0.0");
        assert_eq!(id, ObjectId::declared(ObjectKind::Api, "orders:1.0.0"));
        assert_ne!(id, ObjectId::declared(ObjectKind::KeyManager, "orders:1.0.0"));
        assert_ne!(id, ObjectId::declared(ObjectKind::Api, "orders:1.0.1"));
        // people keep ids, so the next version of the gateway must derive the same ones
        assert_eq!(id.to_string(), "d4125d55-e631-5614-8eab-40c8c04be269");
    }

    #[test]
    fn the_id_of_a_part_begins_like_its_applications() {
        let shop = Uuid::from(ObjectId::declared(ObjectKind::Application, "shop"));
        let part = |kind, name| Uuid::from(ObjectId::part(kind, shop, name));
        let key = part(ObjectKind::Key, "is7\nclient");
        assert!(ObjectId::is_part(key, shop));
        assert!(!ObjectId::is_part(key, Uuid::nil()));
        assert_eq!(key, part(ObjectKind::Key, "is7\nclient"));
        assert_ne!(key, part(ObjectKind::Key, "is7\nother"));
        assert_ne!(key, part(ObjectKind::Subscription, "is7\nclient"));
        assert_eq!(key.get_version_num(), 8);
        // people keep ids: the next version of the gateway has to derive the same ones
        assert_eq!(key.to_string(), "99f7e235-b486-88e3-a9c7-f2414d622c45");
    }

    #[test]
    fn a_slot_is_given_back_when_its_last_holder_has_gone() {
        let slots = Slots::default();
        let [a, b, c] = ["a", "b", "c"].map(|key| slots.lease(&key));
        assert_eq!([&a, &b, &c].map(|lease| lease.number()), [0, 1, 2]);
        let again = slots.lease(&"b");
        drop(b);
        assert_eq!((slots.lease(&"b").number(), slots.held()), (1, 3), "somebody still holds it");
        drop(again);
        assert_eq!(slots.held(), 2);
        let d = slots.lease(&"d");
        assert_eq!((d.number(), a.number(), c.number()), (1, 0, 2), "nobody else was renumbered");
        for key in 0..1000_u32 {
            assert_eq!(Slots::lease(&Slots::default(), &key).number(), 0);
        }
        drop((a, c, d));
        assert_eq!((slots.held(), slots.lease(&"e").number()), (0, 0));
    }

    #[test]
    fn a_thousand_changes_leave_nothing_behind() {
        let identities = Identities::default();
        let kept = identities.api("kept:1");
        for change in 0..1000 {
            let api = identities.api(&format!("changed:{change}"));
            assert_eq!((kept.slot(), api.slot()), (0, 1));
        }
        assert_eq!(identities.apis.held(), 1);
    }
}
