//! Lists: pages, sort orders, prefixes, and the numbers of all that match.

use serde_json::json;

use crate::store::suite::{Given, application, key, map, record, subscription};
use crate::store::{Kind, Query, Record, SortBy, SortOrder, StoreError, WriteCondition};

async fn names(given: &Given<'_>, query: &Query) -> (u64, Vec<String>) {
    let page = given.store.list(query).await.unwrap();
    (page.total, page.items.into_iter().map(|record| record.name).collect())
}

fn applications() -> Query {
    Query::of(Kind::Application)
}

pub(in crate::store) async fn pages_are_sorted_and_counted(given: Given<'_>) {
    for (at, (name, owner)) in
        [("b", "zoe"), ("a", "ben"), ("d", "anna"), ("c", "ben")].into_iter().enumerate()
    {
        given.set_time(at as u64);
        given.create(&[&application(name, owner)]).await;
    }
    given.set_time(9);
    let first = given.store.named(Kind::Application, "b").await.unwrap().unwrap();
    given.update(&first).await.unwrap();
    let orders = [
        (SortBy::Name, ["a", "b", "c", "d"]),
        (SortBy::Owner, ["d", "a", "c", "b"]),
        (SortBy::CreatedAt, ["b", "a", "d", "c"]),
        (SortBy::UpdatedAt, ["a", "d", "c", "b"]),
    ];
    for (sort_by, expected) in orders {
        for prefix in [None, Some(String::new())] {
            let query = Query { prefix, sort_by, ..applications() };
            assert_eq!(names(&given, &query).await, (4, expected.map(str::to_owned).to_vec()));
            let mut back = expected.map(str::to_owned).to_vec();
            back.reverse();
            let query = Query { order: SortOrder::Descending, ..query };
            assert_eq!(names(&given, &query).await, (4, back.clone()));
            let query = Query { offset: 1, limit: 2, ..query };
            assert_eq!(names(&given, &query).await, (4, back[1..3].to_vec()));
            let query = Query { offset: 3, ..query };
            assert_eq!(names(&given, &query).await, (4, back[3..].to_vec()));
            for (offset, limit) in [(4, 2), (u64::MAX, u64::MAX), (0, 0)] {
                let query = Query { offset, limit, ..query.clone() };
                assert_eq!(names(&given, &query).await, (4, Vec::new()));
            }
        }
    }
    assert_eq!(names(&given, &Query::of(Kind::Api)).await, (0, Vec::new()));
    assert_eq!(given.store.counts().await.unwrap(), [(Kind::Application, 4)]);
}

pub(in crate::store) async fn prefixes_are_taken_by_the_letter(given: Given<'_>) {
    let all =
        ["a", "a%b", "a_b", "ab", "a\u{10FFFF}", "a\u{10FFFF}\u{10FFFF}x", "b", "A", "🦀", "🦀x"];
    for name in all {
        given.create(&[&application(name, "anna")]).await;
    }
    for prefix in all.into_iter().chain(["", "a%", "%", "_", "'", "c", "\u{10FFFF}", "?", "$1"]) {
        let mut expected: Vec<_> =
            all.into_iter().filter(|name| name.starts_with(prefix)).map(str::to_owned).collect();
        expected.sort_unstable();
        for owner in [None, Some("anna".to_owned())] {
            for sort_by in [SortBy::Name, SortBy::CreatedAt] {
                let prefix = Some(prefix.to_owned());
                let query = Query { prefix, owner: owner.clone(), sort_by, ..applications() };
                let (total, mut found) = names(&given, &query).await;
                found.sort_unstable();
                assert_eq!((total, &found), (expected.len() as u64, &expected), "{query:?}");
            }
        }
    }
}

pub(in crate::store) async fn owners_groups_parents_and_targets_narrow_a_list(given: Given<'_>) {
    let shared = |name: &str, owner: &str, groups: &[&str]| -> Record {
        let mut app = application(name, owner);
        app.extra = map(json!({"groups": groups}));
        app
    };
    let (one, two) = (shared("one", "anna", &["g1"]), shared("two", "ben", &["g1", "g2", "g1"]));
    let mut three = shared("three", "ben", &[]);
    given.create(&[&one, &two, &three]).await;
    let subs = [subscription(&one, "orders:1"), subscription(&two, "orders:1")];
    given.create(&[&subs[0], &subs[1], &key(&one, "is7", "k1"), &key(&two, "is7", "k2")]).await;
    let mine = |owner: Option<&str>, groups: &[&str]| Query {
        owner: owner.map(str::to_owned),
        groups: groups.iter().map(ToString::to_string).collect(),
        ..applications()
    };
    let found = async |query: Query| names(&given, &query).await.1;
    assert_eq!(found(mine(Some("ben"), &[])).await, ["three", "two"]);
    assert_eq!(found(mine(Some("anna"), &["g2"])).await, ["one", "two"]);
    assert_eq!(found(mine(Some("anna"), &["g1", "g2"])).await, ["one", "two"], "each once");
    assert_eq!(found(mine(None, &["g1"])).await, ["one", "two"]);
    assert_eq!(found(mine(Some("ben' OR 1=1 --"), &["%"])).await, [""; 0]);
    let narrow = Query { prefix: Some("t".to_owned()), ..mine(Some("anna"), &["g1"]) };
    assert_eq!(found(narrow).await, ["two"]);
    // groups and owners change with their application
    three.extra = map(json!({"groups": ["g2"]}));
    three.owner = Some("cleo".to_owned());
    given.update(&three).await.unwrap();
    given.delete(&two).await.unwrap();
    assert_eq!(found(mine(Some("anna"), &["g2"])).await, ["one", "three"]);
    assert_eq!(names(&given, &mine(Some("ben"), &[])).await, (0, Vec::new()));
    let of = |kind, target: Option<&str>, parent| Query {
        target: target.map(str::to_owned),
        parent,
        ..Query::of(kind)
    };
    let (total, found) = names(&given, &of(Kind::Subscription, Some("orders:1"), None)).await;
    assert_eq!((total, found.len()), (2, 2));
    let (total, found) = names(&given, &of(Kind::Key, Some("is7"), Some(one.id))).await;
    assert_eq!((total, found), (1, vec![Record::key_name("is7", "k1")]));
    given.create(&[&record(Kind::Scope, "s")]).await;
    assert_eq!(names(&given, &of(Kind::Scope, Some("is7"), None)).await.0, 0);
}

/// Blocks of names hold 4,096 names at most; this makes and empties several.
pub(in crate::store) async fn counts_stay_right_through_blocks_and_changes(given: Given<'_>) {
    const NAMES: usize = 9000;
    let name = |n: usize| format!("app-{n:05}");
    // in an order that is not that of the names
    let order: Vec<_> = (0..NAMES).map(|n| n * 7919 % NAMES).collect();
    for part in order.chunks(1000) {
        let apps: Vec<_> = part
            .iter()
            .map(|n| application(&name(*n), if n % 3 == 0 { "anna" } else { "ben" }))
            .collect();
        given.create(&apps.iter().collect::<Vec<_>>()).await;
    }
    let at =
        |offset: usize, order| Query { offset: offset as u64, limit: 2, order, ..applications() };
    for offset in [0, 1, 4095, 4096, 4500, 8997] {
        let (total, found) = names(&given, &at(offset, SortOrder::Ascending)).await;
        assert_eq!((total, found), (9000, vec![name(offset), name(offset + 1)]));
        let (_, found) = names(&given, &at(offset, SortOrder::Descending)).await;
        assert_eq!(found, [name(8999 - offset), name(8998 - offset)]);
    }
    let prefixed = Query { prefix: Some("app-04".to_owned()), offset: 998, ..applications() };
    assert_eq!(names(&given, &prefixed).await, (1000, vec![name(4998), name(4999)]));
    let hers = Query { owner: Some("anna".to_owned()), limit: 1, ..applications() };
    assert_eq!(names(&given, &hers).await.0, 3000);
    // a tenth is renamed to the end, and a tenth is removed
    for tenth in 0..2 {
        let mut changes = Vec::new();
        for n in (tenth..NAMES).step_by(10) {
            let mut app = given.store.named(Kind::Application, &name(n)).await.unwrap().unwrap();
            let (kind, id) = (app.kind, app.id);
            app.name = format!("moved-{n:05}");
            changes.push(match tenth {
                0 => crate::store::Change::Update { record: app, expected: None },
                _ => crate::store::Change::Delete { kind, id, expected: None },
            });
        }
        given.write(changes).await.unwrap();
    }
    let (total, found) = names(&given, &at(7199, SortOrder::Ascending)).await;
    assert_eq!((total, found), (8100, vec![name(8999), "moved-00000".to_owned()]));
    let moved = Query { prefix: Some("moved-".to_owned()), offset: 899, ..applications() };
    assert_eq!(names(&given, &moved).await, (900, vec!["moved-08990".to_owned()]));
    assert_eq!(names(&given, &hers).await.0, 2700);
}

pub(in crate::store) async fn many_are_found_at_once(given: Given<'_>) {
    let all: Vec<_> = (0..300).map(|n| application(&format!("a{n}"), "anna")).collect();
    let children: Vec<_> = all
        .iter()
        .enumerate()
        .flat_map(|(at, own)| (0..at % 3).map(move |api| subscription(own, &format!("api{api}:1"))))
        .collect();
    given.create(&all.iter().chain(&children).collect::<Vec<_>>()).await;
    for many in [0, 1, 25, 26, 250, 251, 300] {
        let some = &all[..many];
        let mut ids: Vec<_> = some.iter().map(|record| record.id).collect();
        let mut names: Vec<_> = some.iter().map(|record| record.name.clone()).collect();
        // unknown ids
        ids.push(children[0].id);
        names.extend(["b".to_owned(), "a\0".to_owned()]);
        let mut expected = names[..many].to_vec();
        expected.sort();
        let by_id = given.store.get_all(Kind::Application, &ids).await.unwrap();
        let by_name = given.store.named_all(Kind::Application, &names).await.unwrap();
        for found in [by_id, by_name] {
            let mut found: Vec<_> = found.into_iter().map(|record| record.name).collect();
            found.sort();
            assert_eq!(found, expected);
        }
        let whole = given.store.applications(&ids).await.unwrap().1;
        let (applications, of_them) = whole.split_at(many);
        assert!(applications.iter().all(|own| own.kind == Kind::Application));
        let expected = children.iter().filter(|own| own.parent.is_some_and(|id| ids.contains(&id)));
        let mut expected: Vec<_> = expected.map(|own| (&own.parent, &own.name)).collect();
        let mut found: Vec<_> = of_them.iter().map(|own| (&own.parent, &own.name)).collect();
        for parent in &ids {
            let own = found.iter().filter(|(of, _)| **of == Some(*parent)).map(|(_, name)| name);
            assert!(own.is_sorted(), "those of one application are in order");
        }
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
        let counts = given.store.child_counts(Kind::Subscription, &ids).await.unwrap();
        assert_eq!(counts.len(), (0..many).filter(|at| at % 3 > 0).count());
        for (parent, count) in counts {
            let at = some.iter().position(|record| record.id == parent).unwrap();
            assert_eq!(count, at as u64 % 3);
        }
        let keys = given.store.child_counts(Kind::Key, &ids).await.unwrap();
        assert_eq!(keys, []);
    }
}

pub(in crate::store) async fn a_place_in_a_list_is_found_for_what_is_not_in_it(given: Given<'_>) {
    let owners = ["anna", "ben", "zoe"];
    let all: Vec<_> = (0..60)
        .map(|n| {
            let mut app = application(&format!("app-{n:02}"), owners[n % 3]);
            if n % 5 == 0 {
                app.extra = map(json!({"groups": ["team"]}));
            }
            app
        })
        .collect();
    given.create(&all.iter().collect::<Vec<_>>()).await;
    let lists = [
        applications(),
        Query { prefix: Some("app-1".to_owned()), ..applications() },
        Query { owner: Some("ben".to_owned()), ..applications() },
        Query { owner: Some("ben".to_owned()), groups: vec!["team".to_owned()], ..applications() },
    ];
    for list in lists {
        for sort_by in [SortBy::Name, SortBy::Owner] {
            let query = Query { sort_by, ..list.clone() };
            let found = given.store.list(&query).await.unwrap().items;
            let keys: Vec<(String, String)> =
                found.into_iter().map(|own| (own.owner.unwrap_or_default(), own.name)).collect();
            for (owner, name) in
                [("", "a"), ("ben", "app-1"), ("ben", "app-16"), ("bob", "app-2"), ("zoe", "zzz")]
            {
                let before = keys.iter().filter(|(own_owner, own_name)| match sort_by {
                    SortBy::Owner => (own_owner.as_str(), own_name.as_str()) < (owner, name),
                    _ => own_name.as_str() < name,
                });
                let narrow = list.prefix.is_some() && sort_by == SortBy::Name;
                if narrow && !name.starts_with("app-1") {
                    continue;
                }
                let rank = given.store.rank(&query, owner, name).await.unwrap();
                assert_eq!(rank, before.count() as u64, "{query:?} {owner} {name}");
            }
        }
    }
}

pub(in crate::store) async fn holders_of_a_policy_are_counted_and_keep_it(given: Given<'_>) {
    let holders = async |kind, policy: &str| given.store.holders(kind, policy).await.unwrap();
    let too_long = "x".repeat(2001);
    let with = |mut record: Record, policy: &str| {
        record.declared.insert("policy".to_owned(), json!(policy));
        record
    };
    let mut shop = with(application("shop", "anna"), "Gold");
    let sub = with(subscription(&shop, "orders:1"), "Gold");
    let mut odd = application("odd", "anna");
    odd.declared.insert("policy".to_owned(), json!(7));
    let long = with(application("long", "anna"), &too_long);
    given.create(&[&shop, &sub, &odd, &long, &with(application("bank", "anna"), "Gold")]).await;
    assert_eq!(holders(Kind::Application, "Gold").await, 2);
    assert_eq!(holders(Kind::Subscription, "Gold").await, 1);
    for none in ["gold", "7", "", "Gold\0", &too_long] {
        assert_eq!(holders(Kind::Application, none).await, 0);
    }
    let unheld = WriteCondition::Unheld { kind: Kind::Application, policy: "Gold".to_owned() };
    let refused = given.write_if(unheld.clone(), Vec::new()).await.unwrap_err();
    assert!(matches!(refused, StoreError::InUse { kind: Kind::Application, .. }), "{refused:?}");
    given
        .delete(&given.store.named(Kind::Application, "bank").await.unwrap().unwrap())
        .await
        .unwrap();
    assert_eq!(holders(Kind::Application, "Gold").await, 1);
    shop.declared.insert("policy".to_owned(), json!("Silver"));
    given.update(&shop).await.unwrap();
    assert_eq!(holders(Kind::Application, "Gold").await, 0);
    assert_eq!(holders(Kind::Application, "Silver").await, 1);
    given.write_if(unheld, Vec::new()).await.unwrap();
}
