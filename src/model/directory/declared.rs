//! Finds the applications that files declare, for lists and lookups of the REST API.
//!
//! Nothing of their orders is there until somebody asks, and they go with the directory. Names stay
//! where they are, and ids are derived again while a search compares them.

use std::ops::Range;

use uuid::Uuid;

use crate::model::directory::lookup::Directory;
use crate::model::directory::order::{DeclaredOrder, GroupedPositions};
use crate::model::identity::{ObjectId, ObjectKind};
use crate::model::names::{ApplicationSlot, KeyManagerSlot};

impl Directory {
    /// Finds the application of a file by its name.
    pub fn declared_named(&self, name: &str) -> Option<ApplicationSlot> {
        self.slot_of(name).filter(|slot| self.has_declared(*slot))
    }

    /// Finds the application of a file that has a consumer key.
    pub fn declared_holder(
        &self,
        key_manager: KeyManagerSlot,
        consumer_key: &str,
    ) -> Option<ApplicationSlot> {
        let holder = self.find(key_manager, consumer_key)?.application;
        self.has_declared(holder).then_some(holder)
    }

    fn has_declared(&self, slot: ApplicationSlot) -> bool {
        self.application(slot).is_some_and(|view| view.is_declared())
    }

    /// The orders, if somebody asked for them before.
    pub fn declared_order_if_built(&self) -> Option<&DeclaredOrder> {
        self.declared.get()
    }

    /// The orders. The first call for a million applications takes about a second.
    pub fn declared_order(&self) -> &DeclaredOrder {
        self.declared.get_or_init(|| ordered(self))
    }

    /// Returns the positions of the names that begin with a prefix.
    pub fn declared_with_prefix(&self, prefix: &str) -> Range<u32> {
        let by_name = &self.declared_order().by_name;
        let start = by_name.partition_point(|slot| self.name_at(*slot) < prefix);
        let rest = by_name.get(start..).unwrap_or_default();
        let count = rest.partition_point(|slot| self.name_at(*slot).starts_with(prefix));
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        number(start)..number(start.saturating_add(count))
    }

    /// Returns the positions of an owner's applications, by name.
    pub fn declared_of_owner(&self, owner: &str) -> &[u32] {
        let order = self.declared_order();
        let owner_of = |at: &u32| order.at(*at).map_or("", |slot| self.owner_at(slot));
        let start = order.by_owner.partition_point(|at| owner_of(at) < owner);
        let rest = order.by_owner.get(start..).unwrap_or_default();
        let count = rest.partition_point(|at| owner_of(at) == owner);
        rest.get(..count).unwrap_or_default()
    }

    /// Returns the applications whose derived ids are, or begin like, this one: hardly ever more
    /// than one. See [`ObjectId::part`].
    pub fn declared_like_id(&self, id: Uuid) -> impl Iterator<Item = ApplicationSlot> {
        let (order, wanted) = (self.declared_order(), beginning(head(id)));
        let beginning_of =
            |at: &u32| order.at(*at).map_or(0, |slot| beginning(head(derived(self.name_at(slot)))));
        let start = order.by_id.partition_point(|at| beginning_of(at) < wanted);
        let rest = order.by_id.get(start..).unwrap_or_default();
        let alike = rest.iter().take_while(move |at| beginning_of(at) == wanted);
        alike.filter_map(|at| order.at(*at))
    }

    fn name_at(&self, slot: ApplicationSlot) -> &str {
        self.application(slot).map_or("", |view| view.name)
    }

    fn owner_at(&self, slot: ApplicationSlot) -> &str {
        self.application(slot).map_or("", |view| view.owner)
    }
}

fn ordered(directory: &Directory) -> DeclaredOrder {
    let mut named: Vec<(&str, ApplicationSlot)> = (0..directory.slots())
        .map(ApplicationSlot)
        .filter_map(|slot| Some((directory.application(slot)?, slot)))
        .filter(|(view, _)| view.is_declared())
        .map(|(view, slot)| (view.name, slot))
        .collect();
    named.sort_unstable();
    // one after the other, so that no more than two of them are in memory
    let mut by_id: Vec<(u64, u32)> =
        named.iter().zip(0..).map(|((name, _), at)| (head(derived(name)), at)).collect();
    by_id.sort_unstable();
    let by_id = by_id.into_iter().map(|(_, position)| position).collect();
    let mut by_owner: Vec<(&str, u32)> =
        named.iter().zip(0..).map(|((_, slot), at)| (directory.owner_at(*slot), at)).collect();
    by_owner.sort_unstable();
    let by_owner = by_owner.into_iter().map(|(_, position)| position).collect();
    let views = || named.iter().filter_map(|(_, slot)| directory.application(*slot)).zip(0..);
    let subscriptions = || {
        views().flat_map(|(view, position)| {
            view.subscriptions().map(move |own| (own.api.position(), position))
        })
    };
    let keys = || {
        views().flat_map(|(view, position)| {
            view.keys().map(move |own| (own.key_manager.position(), position))
        })
    };
    DeclaredOrder {
        subscriptions: GroupedPositions::of(subscriptions),
        keys: GroupedPositions::of(keys),
        application_policies: views().map(|(view, _)| view.policy).collect(),
        subscription_policies: views()
            .flat_map(|(view, _)| view.subscriptions().map(|own| own.policy))
            .collect(),
        by_owner,
        by_id,
        by_name: named.into_iter().map(|(_, slot)| slot).collect(),
    }
}

fn derived(name: &str) -> Uuid {
    ObjectId::declared(ObjectKind::Application, name).into()
}

/// The first eight bytes, as a number that sorts like them.
fn head(id: Uuid) -> u64 {
    id.as_u64_pair().0
}

/// What the ids of an application and of its parts have in common: the first six bytes.
fn beginning(head: u64) -> u64 {
    head >> 16
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::application::{
        Application, ApplicationName, ConsumerKey, KeyMapping, KeyMappings, KeyType, Owner,
        Subscription, SubscriptionState, Subscriptions,
    };
    use crate::model::directory::{ApplicationChange, DirectoryBuilder};
    use crate::model::names::ApiSlot;
    use crate::model::policy::PolicyIndex;
    use crate::model::provenance::Provenance;

    /// An application with a key of each of these key managers and these subscriptions.
    fn made(
        (name, owner): (&'static str, &'static str),
        place: Provenance,
        key_managers: &[u16],
        apis: &[u32],
    ) -> Application<'static> {
        let key = |number: &u16| KeyMapping {
            key_manager: KeyManagerSlot(*number),
            key_type: if *number == 0 { KeyType::Production } else { KeyType::Sandbox },
            consumer_key: ConsumerKey::try_from(name).unwrap(),
        };
        let to = |api: &u32| Subscription {
            api: ApiSlot(*api),
            state: SubscriptionState::Unblocked,
            policy: PolicyIndex::UNLIMITED,
        };
        let keys: Vec<_> = key_managers.iter().map(key).collect();
        let subscriptions: Vec<_> = apis.iter().map(to).collect();
        Application {
            name: ApplicationName::try_from(name).unwrap(),
            owner: Owner::try_from(owner).unwrap(),
            organization: None,
            policy: PolicyIndex::UNLIMITED,
            attributes: None,
            quota_resets: None,
            keys: KeyMappings::try_from(keys).unwrap(),
            subscriptions: Subscriptions::try_from(subscriptions).unwrap(),
            place,
        }
    }

    fn in_file(line: u32) -> Provenance {
        Provenance { file: 1, line }
    }

    fn directory() -> Directory {
        let mut builder = DirectoryBuilder::default();
        for application in [
            made(("shop", "zoe"), in_file(1), &[0, 1], &[5, 2]),
            made(("kept", "anna"), Provenance::stored(7), &[0], &[2]),
            made(("shed", "anna"), in_file(2), &[], &[2]),
            made(("bank", "zoe"), in_file(3), &[1], &[]),
        ] {
            builder.add(&application).unwrap();
        }
        builder.build()
    }

    fn names(directory: &Directory, positions: impl IntoIterator<Item = u32>) -> Vec<&str> {
        let order = directory.declared_order();
        positions.into_iter().map(|at| directory.name_at(order.at(at).unwrap())).collect()
    }

    #[test]
    fn applications_of_files_are_found_in_every_order() {
        let directory = directory();
        assert!(directory.declared_order_if_built().is_none(), "nobody asked");
        let order = directory.declared_order();
        let all = |positions: &[u32]| names(&directory, positions.iter().copied());
        assert_eq!(names(&directory, 0..order.len()), ["bank", "shed", "shop"]);
        assert_eq!(all(order.by_owner()), ["shed", "bank", "shop"]);
        assert_eq!(all(directory.declared_of_owner("zoe")), ["bank", "shop"]);
        assert_eq!(all(directory.declared_of_owner("nobody")), [""; 0]);
        assert_eq!(names(&directory, directory.declared_with_prefix("sh")), ["shed", "shop"]);
        assert_eq!(names(&directory, directory.declared_with_prefix("si")), [""; 0]);
        assert_eq!(names(&directory, directory.declared_with_prefix("")).len(), 3);
        assert_eq!(all(order.subscriptions_to(ApiSlot(2))), ["shed", "shop"]);
        assert_eq!(all(order.subscriptions_to(ApiSlot(5))), ["shop"]);
        assert_eq!(all(order.subscriptions_to(ApiSlot(9))), [""; 0]);
        assert_eq!(all(order.subscriptions()), ["shed", "shop", "shop"]);
        let apis: Vec<_> = (0..4).map(|at| order.api_at(at)).collect();
        let (first, second) = (Some((ApiSlot(2), 0)), Some((ApiSlot(5), 2)));
        assert_eq!(apis, [first, first, second, None]);
        assert_eq!(all(order.keys()), ["shop", "bank", "shop"]);
        assert_eq!(order.key_manager_at(1), Some((KeyManagerSlot(1), 1)));
        assert_eq!(all(order.keys_of(KeyManagerSlot(1))), ["bank", "shop"]);
        assert_eq!(all(order.keys_of(KeyManagerSlot(0))), ["shop"]);
        assert_eq!(order.bytes(), (3 * 3 + 3 + 3 + 6 + 2) * 4);
        let none = Directory::default();
        for has in [DeclaredOrder::has_application_policy, DeclaredOrder::has_subscription_policy] {
            assert!(has(order, PolicyIndex::UNLIMITED));
            assert!(!has(none.declared_order(), PolicyIndex::UNLIMITED));
        }
    }

    #[test]
    fn an_application_is_found_by_its_id_and_by_those_of_its_parts() {
        let directory = directory();
        for name in ["bank", "shed", "shop"] {
            let id = derived(name);
            let part = ObjectId::part(ObjectKind::Subscription, id, "any").into();
            for id in [id, part] {
                let found: Vec<_> = directory.declared_like_id(id).collect();
                assert_eq!(found, [directory.declared_named(name).unwrap()]);
            }
        }
        assert_eq!(directory.declared_like_id(derived("kept")).count(), 0);
        assert_eq!(directory.declared_named("kept"), None, "it is the store's");
        let holder = |consumer_key| directory.declared_holder(KeyManagerSlot(0), consumer_key);
        assert_eq!((holder("shop"), holder("kept")), (directory.declared_named("shop"), None));
    }

    #[test]
    fn the_orders_stay_until_a_file_changes() {
        let directory = directory();
        directory.declared_order();
        let stored = made(("new", "anna"), Provenance::stored(8), &[], &[]);
        let changed = directory
            .with(&[ApplicationChange::Put(stored), ApplicationChange::Remove("kept")])
            .unwrap();
        let compacted = changed.compacted().unwrap();
        let rebased = changed.rebased(&changed, &compacted).unwrap();
        for next in [&changed, &compacted, &rebased] {
            assert!(Arc::ptr_eq(&next.declared, &directory.declared));
            assert_eq!(names(next, 0..3), ["bank", "shed", "shop"]);
        }
        let put = made(("atlas", "zoe"), in_file(9), &[], &[]);
        let more = rebased.with(&[ApplicationChange::Put(put)]).unwrap();
        assert_eq!(names(&more, 0..4), ["atlas", "bank", "shed", "shop"]);
        let less = more.with(&[ApplicationChange::Remove("shed")]).unwrap();
        assert_eq!(names(&less, 0..3), ["atlas", "bank", "shop"]);
    }
}
