//! Changes: their revisions, their refusals, their audit entries.

use serde_json::json;
use uuid::Uuid;

use crate::store::suite::{Given, application, join_all, key, map, record, subscription, write_of};
use crate::store::{AuditQuery, Change, Kind, Record, StoreError, Write, WriteCondition};

pub(in crate::store) async fn a_write_gets_the_next_revision_and_its_records_come_back(
    given: Given<'_>,
) {
    let store = given.store;
    let head = store.head().await.unwrap();
    assert_eq!(head.revision, 0);
    given.set_time(100);
    let app = application("shop", "anna");
    let written = given.create(&[&app, &key(&app, "is7", "abc")]).await;
    assert_eq!(written.revision, 1);
    let kept = written.records[0].clone();
    assert_eq!((kept.revision, kept.created_at, kept.updated_at), (1, 100_000, 100_000));
    assert_eq!(store.get(Kind::Application, app.id).await.unwrap(), Some(kept.clone()));
    assert_eq!(store.named(Kind::Application, "shop").await.unwrap(), Some(kept));
    assert_eq!(store.get(Kind::Key, app.id).await.unwrap(), None, "ids are of one kind");
    assert_eq!(store.named(Kind::Application, "Shop").await.unwrap(), None);
    given.set_time(200);
    let mut changed = app.clone();
    changed.name = "shop 2".to_owned();
    changed.extra = map(json!({"description": "é \"quoted\" \u{0} 🦀", "n": [1, 2.5, null]}));
    let written = given.update(&changed).await.unwrap();
    let now = &written.records[0];
    assert_eq!((now.revision, now.created_at, now.updated_at), (2, 100_000, 200_000));
    assert_eq!(now.extra, changed.extra);
    assert_eq!(store.get(Kind::Application, app.id).await.unwrap().as_ref(), Some(now));
    assert_eq!(store.named(Kind::Application, "shop").await.unwrap(), None);
    let written = given.delete(&app).await.unwrap();
    assert_eq!((written.revision, written.records.len()), (3, 0));
    assert_eq!(store.get(Kind::Application, app.id).await.unwrap(), None);
    let again = store.head().await.unwrap();
    assert_eq!((again.revision, again.epoch), (3, head.epoch));
}

pub(in crate::store) async fn names_and_places_are_unique_and_free_again_when_deleted(
    given: Given<'_>,
) {
    let (one, two) = (application("one", "anna"), application("two", "ben"));
    given.create(&[&one, &two]).await;
    let mine = key(&one, "is7", "abc");
    given.create(&[&mine]).await;
    let taken = |error: StoreError| match error {
        StoreError::Taken { kind, holder, .. } => (kind, holder),
        other => panic!("{other}"),
    };
    // the name: one consumer key of one key manager
    let other = key(&two, "is7", "abc");
    let refused = given.write(vec![Change::Create(other.clone())]).await.unwrap_err();
    assert_eq!(taken(refused), (Kind::Key, mine.id));
    // the place: one key of each type at each key manager
    let second = key(&one, "is7", "xyz");
    let refused = given.write(vec![Change::Create(second.clone())]).await.unwrap_err();
    assert_eq!(taken(refused), (Kind::Key, mine.id));
    // an update is refused too, and other kinds are independent
    let mut renamed = two.clone();
    renamed.name = "one".to_owned();
    assert_eq!(taken(given.update(&renamed).await.unwrap_err()), (Kind::Application, one.id));
    given.create(&[&record(Kind::Scope, "one")]).await;
    // the same id twice
    let mut twin = application("three", "anna");
    twin.id = one.id;
    let refused = given.write(vec![Change::Create(twin)]).await.unwrap_err();
    assert_eq!(taken(refused), (Kind::Application, one.id));
    // a name that a write gives up is free for its next change
    let Record { kind, id, .. } = mine;
    let moved = vec![Change::Delete { kind, id, expected: None }, Change::Create(other)];
    given.write(moved).await.unwrap();
    given.create(&[&second]).await;
    assert_eq!(given.store.head().await.unwrap().revision, 5);
}

pub(in crate::store) async fn two_callers_cannot_take_one_name(given: Given<'_>) {
    let apps: Vec<_> = (0..8).map(|n| application(&format!("app {n}"), "anna")).collect();
    given.create(&apps.iter().collect::<Vec<_>>()).await;
    for round in 0..10 {
        let keys = apps.iter().map(|app| key(app, "is7", &format!("key {round}")));
        let keys: Vec<_> = keys
            .map(|mut key| {
                key.place = None;
                key
            })
            .collect();
        let writes = keys.iter().map(|key| given.write(vec![Change::Create(key.clone())]));
        let done = join_all(writes).await;
        let winners: Vec<_> = done.iter().flatten().map(|won| won.records[0].id).collect();
        assert_eq!(winners.len(), 1, "{done:?}");
        for refused in done.iter().filter_map(|done| done.as_ref().err()) {
            assert!(
                matches!(refused, StoreError::Taken { holder, .. } if *holder == winners[0]),
                "{refused:?}"
            );
        }
    }
}

pub(in crate::store) async fn a_refused_write_leaves_nothing_behind(given: Given<'_>) {
    let app = application("shop", "anna");
    given.create(&[&app]).await;
    let before = given.store.checksum().await.unwrap();
    let mut renamed = app.clone();
    renamed.name = "other".to_owned();
    let gone = Uuid::new_v4();
    let refused = given
        .write(vec![
            Change::Create(application("new", "anna")),
            Change::Update { record: renamed, expected: None },
            Change::Delete { kind: Kind::Key, id: gone, expected: None },
        ])
        .await
        .unwrap_err();
    assert!(
        matches!(refused, StoreError::Missing { kind: Kind::Key, id } if id == gone),
        "{refused:?}"
    );
    assert_eq!(given.store.checksum().await.unwrap(), before);
    assert_eq!(
        given.store.audit(&AuditQuery { limit: 9, ..<_>::default() }).await.unwrap().total,
        1
    );
    given.create(&[&application("new", "anna")]).await;
}

pub(in crate::store) async fn an_expected_revision_is_compared(given: Given<'_>) {
    let app = application("shop", "anna");
    given.create(&[&app]).await;
    let update = |expected| Change::Update { record: app.clone(), expected };
    given.write(vec![update(Some(1))]).await.unwrap();
    for expected in [Some(1), Some(3)] {
        let refused = given.write(vec![update(expected)]).await.unwrap_err();
        assert!(matches!(refused, StoreError::Changed { revision: 2, .. }), "{refused:?}");
    }
    let delete = |expected| Change::Delete { kind: Kind::Application, id: app.id, expected };
    let refused = given.write(vec![delete(Some(1))]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Changed { revision: 2, .. }), "{refused:?}");
    given.write(vec![delete(Some(2))]).await.unwrap();
    let refused = given.write(vec![update(None)]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Missing { .. }), "{refused:?}");
}

pub(in crate::store) async fn conditions_are_checked_in_the_transaction(given: Given<'_>) {
    let app = application("shop", "anna");
    let sub = subscription(&app, "orders:1");
    given.create(&[&app, &sub]).await;
    let there = WriteCondition::Exists { kind: Kind::Application, id: app.id };
    let alone = WriteCondition::Childless { kind: Kind::Subscription, parent: app.id };
    let unused =
        WriteCondition::Untargeted { kind: Kind::Subscription, target: "orders:1".to_owned() };
    let delete =
        |record: &Record| Change::Delete { kind: record.kind, id: record.id, expected: None };
    for condition in [&alone, &unused] {
        let refused = given.write_if(condition.clone(), vec![delete(&app)]).await.unwrap_err();
        assert!(
            matches!(
                refused,
                StoreError::InUse { kind: Kind::Subscription, by } if by == Some(sub.id)
            ),
            "{refused:?}"
        );
    }
    let other = subscription(&app, "news:1");
    given.write_if(there.clone(), vec![Change::Create(other.clone())]).await.unwrap();
    // an object that the write itself removes is no obstacle
    let all = vec![delete(&sub), delete(&other), delete(&app)];
    given.write_if(alone, all).await.unwrap();
    let refused = given.write_if(there, vec![Change::Create(other)]).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::Missing { kind: Kind::Application, id } if id == app.id),
        "{refused:?}"
    );
    let named = WriteCondition::Named { kind: Kind::Application, name: "shop".to_owned() };
    let refused = given.write_if(named, vec![Change::Create(application("x", "a"))]).await;
    let refused = refused.unwrap_err();
    assert!(matches!(&refused, StoreError::Gone { name, .. } if name == "shop"), "{refused:?}");
    let nothing = given.write_if(unused, Vec::new()).await.unwrap();
    assert_eq!((nothing.revision, nothing.records.len()), (3, 0));
}

pub(in crate::store) async fn a_write_of_the_same_kind_overtakes(given: Given<'_>) {
    let app = application("shop", "anna");
    given.create(&[&app]).await;
    let since = given.store.head().await.unwrap().revision;
    given.create(&[&subscription(&app, "orders:1")]).await;
    let of = |kind, since| WriteCondition::Unwritten { kind, since };
    let change = || vec![Change::Update { record: app.clone(), expected: None }];
    given.write_if(of(Kind::Application, since), change()).await.unwrap();
    for kind in [Kind::Application, Kind::Subscription] {
        let refused = given.write_if(of(kind, since), change()).await.unwrap_err();
        assert!(matches!(refused, StoreError::Overtaken(own) if own == kind), "{refused:?}");
    }
}

pub(in crate::store) async fn odd_texts_are_kept_as_they_are_or_refused(given: Given<'_>) {
    let odd = [
        "'; DROP TABLE objects; --",
        "\"",
        "$1",
        "?1",
        "%",
        "_",
        "\\",
        "{{x}}",
        "../..",
        "\u{202E}drow",
        "🦀",
        "e\u{301}",
        "é",
        " ",
        "\u{10FFFF}",
        "\t",
    ];
    for text in odd {
        let mut app = application(text, text);
        app.target = Some(text.to_owned());
        app.place = Some(text.to_owned());
        app.extra = map(json!({"groups": [text], text: text}));
        given.create(&[&app]).await;
        let kept = given.store.named(Kind::Application, text).await.unwrap().unwrap();
        app.revision = kept.revision;
        assert_eq!(kept, app);
    }
    let mut long = application(&"x".repeat(2001), "anna");
    let refused = given.write(vec![Change::Create(long.clone())]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unfit(Kind::Application)), "{refused:?}");
    long.name = "\u{10FFFF}".repeat(500);
    long.target = Some("a\0b".to_owned());
    let refused = given.write(vec![Change::Create(long.clone())]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unfit(Kind::Application)), "{refused:?}");
    long.target = None;
    given.create(&[&long]).await;
    assert_eq!(given.store.named(Kind::Application, "a\0b").await.unwrap(), None);
}

pub(in crate::store) async fn every_change_is_in_the_audit_log_without_secrets(given: Given<'_>) {
    given.set_time(50);
    let mut manager = record(Kind::KeyManager, "is7");
    manager.declared = map(json!({"issuer": "https://a", "token": {"sealed": "c2VhbGVk"}}));
    given.create(&[&manager]).await;
    given.set_time(60);
    manager.declared.insert("issuer".to_owned(), json!("https://b"));
    manager.declared.insert("enabled".to_owned(), json!(null));
    given.update(&manager).await.unwrap();
    let mut write =
        write_of(vec![Change::Delete { kind: Kind::KeyManager, id: manager.id, expected: None }]);
    write.author.name = "ben\0".to_owned();
    write.author.address = None;
    given.store.write(write).await.unwrap();
    let query = AuditQuery { id: Some(manager.id), limit: 10, ..<_>::default() };
    let page = given.store.audit(&query).await.unwrap();
    let revisions: Vec<_> = page.items.iter().map(|entry| entry.revision).collect();
    assert_eq!((page.total, revisions), (3, vec![3, 2, 1]), "the latest first");
    let update = &page.items[1];
    assert_eq!((&*update.author, update.at, update.action.as_str()), ("anna", 60_000, "test"));
    assert_eq!(update.address, Some([192, 0, 2, 7].into()));
    let told: Vec<_> = update
        .fields
        .iter()
        .map(|field| (&*field.field, field.before.clone(), field.after.clone()))
        .collect();
    assert_eq!(
        told,
        [
            ("enabled", None, Some(json!(null))),
            ("issuer", Some(json!("https://a")), Some(json!("https://b")))
        ]
    );
    assert!(!format!("{page:?}").contains("c2VhbGVk"));
    let by = |query: AuditQuery| async move { given.store.audit(&query).await.unwrap().total };
    let all = AuditQuery { limit: 10, ..<_>::default() };
    assert_eq!(by(AuditQuery { author: Some("ben".to_owned()), ..all.clone() }).await, 1);
    assert_eq!(by(AuditQuery { since: Some(60_000), ..all.clone() }).await, 2);
    assert_eq!(by(AuditQuery { kind: Some(Kind::Api), ..all.clone() }).await, 0);
    let page = AuditQuery { offset: 2, limit: 1, ..all };
    assert_eq!(given.store.audit(&page).await.unwrap().items[0].revision, 1);
}

pub(in crate::store) async fn a_note_is_in_the_audit_log_and_nowhere_else(given: Given<'_>) {
    let shop = application("shop", "anna");
    given.create(&[&shop]).await;
    let left = key(&shop, "is7", "left");
    let write = Write { notes: vec![left.clone()], ..write_of(Vec::new()) };
    let written = given.store.write(write).await.unwrap();
    assert_eq!((written.revision, written.records.len()), (2, 0));
    assert_eq!(given.store.get(Kind::Key, left.id).await.unwrap(), None);
    let changes = given.store.changes(1, 10).await.unwrap();
    assert_eq!((changes.written.len(), changes.removed.len()), (0, 0));
    assert_eq!(changes.head.revision, 2);
    let query = AuditQuery { id: Some(left.id), limit: 10, ..<_>::default() };
    let page = given.store.audit(&query).await.unwrap();
    let fields: Vec<_> = page.items[0].fields.iter().map(|own| own.field.as_str()).collect();
    assert_eq!((page.total, page.items[0].revision), (1, 2));
    assert!(fields.contains(&"consumer_key") && fields.contains(&"target"), "{fields:?}");
}

pub(in crate::store) async fn many_writes_at_once_get_revisions_of_their_own(given: Given<'_>) {
    let writes = (0..100).map(|n| {
        // every fifth is refused, and leaves its neighbors in the commit alone
        let name = if n % 5 == 4 { "taken".to_owned() } else { format!("app {n}") };
        given.write(vec![Change::Create(application(&name, "anna"))])
    });
    let done = join_all(writes).await;
    let mut revisions: Vec<_> = done.iter().flatten().map(|written| written.revision).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=81).collect::<Vec<_>>(), "80 of their own names, and one taken");
    for written in done.iter().flatten() {
        let record = &written.records[0];
        let kept = given.store.get(Kind::Application, record.id).await.unwrap().unwrap();
        assert_eq!((&kept, kept.revision), (record, written.revision));
    }
}

pub(in crate::store) async fn the_audit_log_is_narrowed_and_paged(given: Given<'_>) {
    for n in 0..6 {
        // the clock goes back once
        given.set_time(if n == 3 { 10 } else { 10 * n });
        given.create(&[&application(&format!("a{n}"), "anna")]).await;
    }
    let names = async |query: AuditQuery| {
        let page = given.store.audit(&query).await.unwrap();
        let names = page.items.into_iter().map(|entry| entry.name).collect::<Vec<_>>();
        (page.total, names.join(" "))
    };
    let all = AuditQuery { limit: 10, ..AuditQuery::default() };
    assert_eq!(names(all.clone()).await, (6, "a5 a4 a3 a2 a1 a0".to_owned()));
    let page = AuditQuery { offset: 4, limit: 1, ..all.clone() };
    assert_eq!(names(page).await, (6, "a1".to_owned()));
    assert_eq!(names(AuditQuery { offset: 9, ..all.clone() }).await, (6, String::new()));
    let since = AuditQuery { since: Some(15_000), ..all.clone() };
    assert_eq!(names(since.clone()).await, (3, "a5 a4 a2".to_owned()));
    let later = AuditQuery { author: Some("anna".to_owned()), offset: 1, ..since };
    assert_eq!(names(later).await, (3, "a4 a2".to_owned()));
    let never = AuditQuery { since: Some(i64::MAX), ..all.clone() };
    assert_eq!(names(never).await, (0, String::new()));
    let nobody = AuditQuery { author: Some("ben".to_owned()), ..all };
    assert_eq!(names(nobody).await, (0, String::new()));
}
