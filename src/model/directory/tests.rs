//! What is put into the directory is found there, and conflicts are told.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn place(line: u32) -> Provenance {
    Provenance { file: 0, line }
}

proptest! {
    /// Every key and subscription that was added is found, and nothing else is.
    #[test]
    fn what_was_added_is_found_and_nothing_is_invented(
        applications in prop::collection::vec(
            (0_u16..3, "[a-d]{1,3}", any::<bool>(), prop::collection::btree_set(0_u32..4, 0..3)), 0..40),
    ) {
        let mut directory = Directory::default();
        let mut known: HashMap<(u16, String), (ApplicationIndex, KeyType, Vec<u32>)> = HashMap::new();
        for (position, (key_manager, consumer_key, sandbox, apis)) in applications.iter().enumerate() {
            let key_type = if *sandbox { KeyType::Sandbox } else { KeyType::Production };
            let name = format!("application-{position}");
            let keys = [NewKey { key_manager: KeyManagerIndex(*key_manager), consumer_key, key_type }];
            let subscriptions: Vec<_> =
                apis.iter().map(|api| SubscriptionView { api: ApiIndex(*api), state: SubscriptionState::Unblocked }).collect();
            let new = NewApplication { name: &name, owner: "owner", organization: None, keys: &keys, subscriptions: &subscriptions, place: place(1) };
            let added = directory.add(new);
            let key = (*key_manager, consumer_key.clone());
            prop_assert_eq!(added.is_err(), known.contains_key(&key), "a key belongs to one application of a key manager");
            if let Ok(index) = added {
                known.insert(key, (index, key_type, apis.iter().copied().collect()));
            }
        }
        directory.shrink();
        for key_manager in 0..4_u16 {
            for consumer_key in ["a", "b", "ab", "abc", "dd", "zzz"].map(str::to_owned).into_iter().chain(known.keys().map(|(_, key)| key.clone())) {
                let found = directory.find(KeyManagerIndex(key_manager), &consumer_key);
                let expected = known.get(&(key_manager, consumer_key));
                prop_assert_eq!(found.map(|mapping| (mapping.application, mapping.key_type)), expected.map(|(index, key_type, _)| (*index, *key_type)));
                if let (Some(mapping), Some((_, _, apis))) = (found, expected) {
                    for api in 0..5_u32 {
                        prop_assert_eq!(directory.subscription(mapping.application, ApiIndex(api)).is_some(), apis.contains(&api));
                    }
                }
            }
        }
    }
}

#[test]
fn an_application_has_one_key_of_a_type_and_one_subscription_of_an_api() {
    let key =
        |consumer_key, key_type| NewKey { key_manager: KeyManagerIndex(0), consumer_key, key_type };
    let mut directory = Directory::default();
    let two = [key("a", KeyType::Production), key("b", KeyType::Production)];
    let new = |keys| NewApplication {
        name: "one",
        owner: "",
        organization: None,
        keys,
        subscriptions: &[],
        place: place(1),
    };
    assert_eq!(directory.add(new(&two)), Err(Conflict::KeyType { key_type: KeyType::Production }));
    let view = SubscriptionView { api: ApiIndex(1), state: SubscriptionState::Blocked };
    let twice = NewApplication { subscriptions: &[view, view], ..new(&[]) };
    assert_eq!(directory.add(twice), Err(Conflict::Subscription { api: ApiIndex(1) }));
    let both = [key("a", KeyType::Production), key("b", KeyType::Sandbox)];
    assert!(directory.add(new(&both)).is_ok());
    assert!(matches!(directory.add(new(&[])), Err(Conflict::Name { .. })));
    assert_eq!((directory.application_count(), directory.key_count()), (1, 2));
}
