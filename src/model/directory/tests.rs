//! Lookups in directories that were built, changed and compacted.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::*;
use crate::model::QuotaResets;
use crate::model::application::{
    Application, ApplicationAttributes, ApplicationName, ConsumerKey, KeyMapping, KeyMappings,
    KeyType, Owner, Subscription, SubscriptionState, Subscriptions,
};
use crate::model::clock::UnixSeconds;
use crate::model::identity::Identities;
use crate::model::names::{ApiSlot, ApplicationSlot, KeyManagerSlot};
use crate::model::policy::{Policies, Policy, PolicyIndex, PolicyLevel, PolicyLimits};
use crate::model::provenance::Provenance;

fn application(name: &str) -> Application<'_> {
    Application {
        name: ApplicationName::try_from(name).unwrap(),
        owner: Owner::try_from("owner").unwrap(),
        organization: None,
        policy: PolicyIndex::UNLIMITED,
        attributes: None,
        quota_resets: None,
        keys: KeyMappings::default(),
        subscriptions: Subscriptions::default(),
        place: Provenance { file: 0, line: 1 },
    }
}

fn key(key_manager: u16, consumer_key: &str, key_type: KeyType) -> KeyMapping<'_> {
    let consumer_key = ConsumerKey::try_from(consumer_key).unwrap();
    KeyMapping { key_manager: KeyManagerSlot(key_manager), key_type, consumer_key }
}

/// Some policies, by number.
fn policy(number: u32) -> PolicyIndex {
    static NAMES: [&str; 4] = ["zero", "one", "two", "three"];
    static POLICIES: LazyLock<Policies> = LazyLock::new(|| {
        let (mut policies, identities) = (Policies::default(), Identities::default());
        for name in NAMES {
            let limits = PolicyLimits { quotas: Vec::new(), burst: None };
            assert!(policies.add(Policy::new(name, PolicyLevel::Application, limits), &identities));
        }
        policies
    });
    POLICIES.find(PolicyLevel::Application, NAMES[number as usize]).unwrap()
}

/// One application of a small world, in which names and keys often collide.
fn arbitrary() -> impl Strategy<Value = Application<'static>> {
    let keys = prop::collection::btree_map((0_u16..2, any::<bool>()), "[a-e]", 0..3);
    let apis = prop::collection::btree_set(0_u32..4, 0..4);
    ("[a-h]", keys, apis, 0_u32..3).prop_filter_map("one key twice", |(name, keys, apis, line)| {
        let keys: Vec<_> = keys
            .iter()
            .map(|((key_manager, sandbox), consumer_key)| {
                let key_type = if *sandbox { KeyType::Sandbox } else { KeyType::Production };
                key(*key_manager, consumer_key, key_type)
            })
            .collect();
        let to = |api: &u32| Subscription {
            api: ApiSlot(*api),
            state: SubscriptionState::Unblocked,
            policy: policy(*api),
        };
        let whole = Application {
            keys: KeyMappings::try_from(keys).ok()?,
            subscriptions: Subscriptions::try_from(apis.iter().map(to).collect::<Vec<_>>()).ok()?,
            policy: policy(line),
            place: Provenance { file: 0, line },
            attributes: (line == 2).then(|| ApplicationAttributes::known(r#"{"a":"b"}"#)),
            quota_resets: (line == 1).then(|| {
                let mut resets = QuotaResets::default();
                resets.reset_all(UnixSeconds(7));
                Arc::new(resets)
            }),
            ..application(&name)
        };
        Some(whole.to_static())
    })
}

/// One step: changes, and whether a compaction begins before them and ends after them.
fn step() -> impl Strategy<Value = (Vec<(bool, Application<'static>)>, bool)> {
    (prop::collection::vec((prop::bool::weighted(0.75), arbitrary()), 1..4), any::<bool>())
}

type Known = BTreeMap<String, Application<'static>>;

fn as_change<'a>((put, application): &'a (bool, Application<'static>)) -> ApplicationChange<'a> {
    if *put {
        ApplicationChange::Put(application.clone())
    } else {
        ApplicationChange::Remove(application.name.as_str())
    }
}

fn wanted(known: &Known, changes: &[(bool, Application<'static>)]) -> Known {
    let mut wanted = known.clone();
    for (put, application) in changes {
        let name = application.name.as_str().to_owned();
        if *put {
            wanted.insert(name, application.clone());
        } else {
            wanted.remove(&name);
        }
    }
    wanted
}

fn listed(directory: &Directory) -> Known {
    let views = directory.applications();
    views.map(|view| (view.name.to_owned(), view.to_application().to_static())).collect()
}

fn built(applications: &BTreeMap<String, Application<'static>>) -> Directory {
    let mut builder = DirectoryBuilder::default();
    for application in applications.values() {
        builder.add(application).unwrap();
    }
    builder.build()
}

fn assert_same(directory: &Directory, known: &BTreeMap<String, Application<'static>>) {
    let listed: BTreeMap<String, Application<'_>> = directory
        .applications()
        .map(|view| (view.name.to_owned(), view.to_application()))
        .collect();
    assert_eq!(&listed, known);
    let sum = |of: fn(&Application<'_>) -> usize| known.values().map(of).sum::<usize>();
    assert_eq!(directory.application_count(), known.len());
    assert_eq!(directory.key_count(), sum(|own| own.keys.as_slice().len()));
    assert_eq!(directory.subscription_count(), sum(|own| own.subscriptions.as_slice().len()));
    let subscriptions = || known.values().flat_map(|own| own.subscriptions.as_slice());
    assert_eq!(directory.subscribed(), subscriptions().map(|own| own.api).collect());
    let of_subscriptions = subscriptions().map(|own| own.policy);
    let policies = known.values().map(|own| own.policy).chain(of_subscriptions);
    assert_eq!(directory.policies(), policies.collect());
    let without_keys = known.values().filter(|own| own.keys.as_slice().is_empty());
    let mut found: Vec<_> = directory.without_keys().iter().map(|own| own.name).collect();
    found.sort_unstable();
    assert_eq!(found, without_keys.map(|own| own.name.as_str()).collect::<Vec<_>>());
    for key_manager in (0..3).map(KeyManagerSlot) {
        for consumer_key in ["a", "b", "c", "d", "e", "f"] {
            let found = directory.find(key_manager, consumer_key);
            let expected = known.values().find_map(|own| {
                let mut keys = own.keys.as_slice().iter();
                let same = keys.find(|key| {
                    key.key_manager == key_manager && key.consumer_key.as_str() == consumer_key
                });
                same.map(|key| (own.name.as_str(), key.key_type))
            });
            let found = found.map(|owner| {
                (directory.application(owner.application).unwrap().name, owner.key_type)
            });
            assert_eq!(found, expected);
        }
    }
}

proptest! {
    /// A directory that was changed, compacted and rebased equals one that is built of the same
    /// applications. No slot moves, and the difference of any two directories leads from one to the
    /// other.
    #[test]
    fn changes_and_compactions_lead_where_building_leads(steps in prop::collection::vec(step(), 1..12)) {
        let (mut directory, mut known) = (Directory::default(), BTreeMap::new());
        for (changes, compact) in steps {
            let before = directory.clone();
            let compacting = compact.then(|| (directory.clone(), directory.compacted().unwrap()));
            let puts: Vec<_> = changes.iter().map(as_change).collect();
            match directory.with(&puts) {
                Ok(next) => {
                    let after = wanted(&known, &changes);
                    known = listed(&next);
                    // of a batch that names one application twice, one change wins
                    if puts.len() == 1 {
                        prop_assert_eq!(&known, &after);
                    }
                    directory = next;
                }
                Err(_) => prop_assert_eq!(&listed(&directory), &known, "all or nothing"),
            }
            if let Some((from, compacted)) = compacting {
                directory = directory.rebased(&from, &compacted).unwrap();
            }
            assert_same(&directory, &known);
            for view in before.applications() {
                let slot = before.slot_of(view.name);
                if known.contains_key(view.name) {
                    prop_assert_eq!(directory.slot_of(view.name), slot);
                }
            }
            let fresh = built(&known);
            let difference = before.difference(&fresh, usize::MAX).unwrap();
            assert_same(&before.with(&difference).unwrap(), &known);
            prop_assert_eq!(directory.difference(&fresh, 0), Some(Vec::new()));
        }
    }
}

#[test]
fn a_name_and_a_key_belong_to_one_application() {
    let new = |name, consumer_key| Application {
        keys: KeyMappings::try_from(vec![key(0, consumer_key, KeyType::Production)]).unwrap(),
        ..application(name)
    };
    let mut builder = DirectoryBuilder::default();
    assert!(builder.add(&new("one", "a")).is_ok());
    assert!(matches!(builder.add(&new("one", "b")), Err(Conflict::Name { .. })));
    assert!(matches!(builder.add(&new("two", "a")), Err(Conflict::ConsumerKey { .. })));
    let directory = builder.build();
    assert_eq!((directory.application_count(), directory.key_count()), (1, 1));
    let taken = directory.with(&[ApplicationChange::Put(new("two", "a"))]);
    assert!(matches!(taken, Err(Conflict::ConsumerKey { .. })));
    let moved = [ApplicationChange::Put(new("one", "b")), ApplicationChange::Put(new("two", "a"))];
    assert!(directory.with(&moved).is_ok(), "a key can move from one application to another");
}

#[test]
fn a_slot_is_used_again_when_no_directory_has_its_application_any_more() {
    let put = |name| ApplicationChange::Put(application(name));
    let first = Directory::default().with(&[put("a"), put("b")]).unwrap().compacted().unwrap();
    let without = first.with(&[ApplicationChange::Remove("a")]).unwrap().compacted().unwrap();
    let early = without.with(&[put("c")]).unwrap();
    assert_eq!(early.slot_of("c"), Some(ApplicationSlot(2)), "somebody may still read `first`");
    drop(first);
    let late = without.with(&[put("c")]).unwrap();
    assert_eq!(
        (late.slot_of("c"), late.slot_of("b")),
        (Some(ApplicationSlot(0)), without.slot_of("b"))
    );
}
