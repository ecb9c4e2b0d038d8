//! What is put into the directory is found there, and conflicts are told.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::model::application::{ApplicationName, ConsumerKey, KeyMappings, Owner, Subscriptions};

fn application(name: &str) -> Application<'_> {
    Application {
        name: ApplicationName::try_from(name).unwrap(),
        owner: Owner::try_from("owner").unwrap(),
        organization: None,
        policy: PolicyIndex::UNLIMITED,
        keys: KeyMappings::default(),
        subscriptions: Subscriptions::default(),
        place: Provenance { file: 0, line: 1 },
    }
}

fn key(key_manager: u16, consumer_key: &str, key_type: KeyType) -> KeyMapping<'_> {
    let consumer_key = ConsumerKey::try_from(consumer_key).unwrap();
    KeyMapping { key_manager: KeyManagerSlot(key_manager), key_type, consumer_key }
}

proptest! {
    /// Every key and subscription that was added is found, and nothing else is.
    #[test]
    fn what_was_added_is_found_and_nothing_is_invented(
        applications in prop::collection::vec(
            (0_u16..3, "[a-d]{1,3}", any::<bool>(), prop::collection::btree_set(0_u32..4, 0..3)), 0..40),
    ) {
        let mut directory = Directory::default();
        let mut known: HashMap<(u16, String), (ApplicationSlot, KeyType, Vec<u32>)> = HashMap::new();
        for (position, (key_manager, consumer_key, sandbox, apis)) in applications.iter().enumerate() {
            let key_type = if *sandbox { KeyType::Sandbox } else { KeyType::Production };
            let name = format!("application-{position}");
            let subscriptions: Vec<_> = apis
                .iter()
                .map(|api| Subscription { api: ApiSlot(*api), state: SubscriptionState::Unblocked, policy: PolicyIndex::UNLIMITED })
                .collect();
            let new = Application {
                keys: KeyMappings::try_from(vec![key(*key_manager, consumer_key, key_type)]).unwrap(),
                subscriptions: Subscriptions::try_from(subscriptions).unwrap(),
                ..application(&name)
            };
            let added = directory.add(&new);
            let key = (*key_manager, consumer_key.clone());
            prop_assert_eq!(added.is_err(), known.contains_key(&key), "a key belongs to one application of a key manager");
            if let Ok(index) = added {
                known.insert(key, (index, key_type, apis.iter().copied().collect()));
            }
        }
        directory.shrink();
        for key_manager in 0..4_u16 {
            for consumer_key in ["a", "b", "ab", "abc", "dd", "zzz"].map(str::to_owned).into_iter().chain(known.keys().map(|(_, key)| key.clone())) {
                let found = directory.find(KeyManagerSlot(key_manager), &consumer_key);
                let expected = known.get(&(key_manager, consumer_key));
                prop_assert_eq!(found.map(|mapping| (mapping.application, mapping.key_type)), expected.map(|(index, key_type, _)| (*index, *key_type)));
                if let (Some(mapping), Some((_, _, apis))) = (found, expected) {
                    for api in 0..5_u32 {
                        prop_assert_eq!(directory.subscription(mapping.application, ApiSlot(api)).is_some(), apis.contains(&api));
                    }
                }
            }
        }
    }
}

#[test]
fn a_name_and_a_key_belong_to_one_application() {
    let new = |name, consumer_key| Application {
        keys: KeyMappings::try_from(vec![key(0, consumer_key, KeyType::Production)]).unwrap(),
        ..application(name)
    };
    let mut directory = Directory::default();
    assert!(directory.add(&new("one", "a")).is_ok());
    assert!(matches!(directory.add(&new("one", "b")), Err(Conflict::Name { .. })));
    assert!(matches!(directory.add(&new("two", "a")), Err(Conflict::ConsumerKey { .. })));
    assert_eq!((directory.application_count(), directory.key_count()), (1, 1));
}
