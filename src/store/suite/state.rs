//! The state as a whole: the changes after a revision, everything at once, its checksum, the fleet.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use crate::store::suite::{Given, application, key, map, read_all, record, subscription};
use crate::store::{
    Change, GatewayState, Kind, LastUse, Record, Served, ServedApplication, StateDigest,
};

pub(in crate::store) async fn changes_follow_a_revision_each_once(given: Given<'_>) {
    let store = given.store;
    let (one, two) = (application("one", "anna"), application("two", "anna"));
    let mine = key(&one, "is7", "k");
    given.create(&[&one]).await;
    given.create(&[&two, &mine]).await;
    given.update(&one).await.unwrap();
    given.delete(&mine).await.unwrap();
    let changes = store.changes(0, 100).await.unwrap();
    let written: Vec<_> =
        changes.written.iter().map(|record| (&*record.name, record.revision)).collect();
    assert_eq!(written, [("two", 2), ("one", 3)], "in the order of revisions");
    assert_eq!((changes.complete_to, changes.head.revision, changes.known), (4, 4, true));
    let gone = &changes.removed[0];
    assert_eq!((gone.id, gone.parent, gone.revision), (mine.id, Some(one.id), 4));
    assert_eq!(gone.name, mine.name);
    let changes = store.changes(3, 100).await.unwrap();
    assert_eq!((changes.written.len(), changes.removed.len()), (0, 1));
    let changes = store.changes(4, 100).await.unwrap();
    assert_eq!((changes.written.len(), changes.removed.len(), changes.known), (0, 0, true));
    assert!(!store.changes(5, 100).await.unwrap().known, "a revision that this store never had");
    // an object that comes back does not count as removed
    given.create(&[&mine]).await;
    let changes = store.changes(0, 100).await.unwrap();
    assert_eq!((changes.written.len(), changes.removed.len()), (3, 0));
}

pub(in crate::store) async fn a_revision_comes_whole(given: Given<'_>) {
    for part in 0..4 {
        let apps: Vec<_> =
            (0..5).map(|n| application(&format!("app {part}.{n}"), "anna")).collect();
        given.create(&apps.iter().collect::<Vec<_>>()).await;
    }
    let mut after = 0;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let changes = given.store.changes(after, 3).await.unwrap();
        assert!(changes.written.len().is_multiple_of(5), "{changes:?}");
        assert!(changes.complete_to > after);
        after = changes.complete_to;
        seen.extend(changes.written.into_iter().map(|record| record.name));
    }
    assert_eq!((after, seen.len()), (4, 20));
}

pub(in crate::store) async fn everything_is_read_with_applications_last(given: Given<'_>) {
    let apps: Vec<_> = (0..700).map(|n| application(&format!("app {n}"), "anna")).collect();
    given.create(&apps.iter().collect::<Vec<_>>()).await;
    given.create(&[&record(Kind::Api, "orders:1"), &record(Kind::User, "anna")]).await;
    // in another order than that of the applications
    for app in apps.iter().rev() {
        let records = [subscription(app, "orders:1"), key(app, "is7", &app.name)];
        given.create(&[&records[0], &records[1], &subscription(app, "news:1")]).await;
    }
    let orphan = key(&application("never kept", "anna"), "is7", "orphan");
    given.create(&[&orphan]).await;
    let kinds = [Kind::Application, Kind::Key, Kind::Subscription];
    let (head, read) = read_all(given.store, &kinds).await;
    assert_eq!((head.revision, read.len()), (703, 2801));
    let mut families = 0;
    for (at, app) in read.iter().enumerate() {
        if app.kind == Kind::Application {
            families += 1;
            let family = &read[at + 1..at + 4];
            assert!(family.iter().all(|record| record.parent == Some(app.id)));
            let kinds: Vec<_> = family.iter().map(|record| record.kind).collect();
            assert_eq!(kinds, [Kind::Key, Kind::Subscription, Kind::Subscription]);
        }
    }
    assert_eq!(families, 700);
    assert!(read.iter().any(|record| record.id == orphan.id));
    let (_, all) = read_all(given.store, &Kind::ALL).await;
    let names: Vec<_> = all.iter().take(3).map(|record| &*record.name).collect();
    assert_eq!((all.len(), names), (2803, vec!["orders:1", "anna", "app 0"]));
    let (_, few) = read_all(given.store, &[Kind::User, Kind::Key, Kind::Api]).await;
    let names: Vec<_> = few.iter().take(2).map(|record| &*record.name).collect();
    assert_eq!((few.len(), names), (703, vec!["anna", "orders:1"]));
    assert_eq!(read_all(given.store, &[]).await.1, []);
}

pub(in crate::store) async fn what_is_served_is_read_as_lines(given: Given<'_>) {
    let apps: Vec<_> = (0..700).map(|n| application(&format!("app {n}"), "anna")).collect();
    given.create(&apps.iter().collect::<Vec<_>>()).await;
    given.create(&[&record(Kind::Api, "orders:1"), &record(Kind::User, "anna")]).await;
    let two = [subscription(&apps[5], "orders:1"), subscription(&apps[5], "news:1")];
    let keys = [key(&apps[5], "is7", "one"), key(&apps[5], "other", "two")];
    // in another order than they are read
    given.create(&[&two[0], &keys[0], &two[1], &keys[1]]).await;
    // an application that is not kept, and an empty document
    given.create(&[&key(&application("none", "anna"), "is7", "orphan")]).await;
    given.create(&[&record(Kind::Application, "empty")]).await;
    let (told, read) = std::sync::mpsc::channel();
    let each = Box::new(move |object| told.send(object).unwrap());
    let head = given.store.read_served(&[Kind::Api, Kind::KeyManager], each).await.unwrap();
    assert_eq!(head.revision, 5);
    let mut read = read.into_iter();
    let Some(Served::Table(api)) = read.next() else { panic!("no API") };
    assert_eq!((api.kind, &*api.name), (Kind::Api, "orders:1"));
    let mut lines = read.map(|object| match object {
        Served::Application(application) => application,
        Served::Table(record) => panic!("{record:?}"),
    });
    for (at, app) in apps.iter().enumerate() {
        let ServedApplication { revision, line } = lines.next().unwrap();
        let mut expected = app.declared.clone();
        let of = |records: &[Record]| match at {
            5 => records.iter().map(|own| json!(own.declared)).collect(),
            _ => json!([]),
        };
        expected.insert("keys".to_owned(), of(&keys));
        expected.insert("subscriptions".to_owned(), of(&two));
        assert_eq!(revision, if at == 5 { 3 } else { 1 });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), json!(expected));
    }
    assert_eq!(lines.next().unwrap().line, r#"{"keys":[],"subscriptions":[]}"#);
    assert!(lines.next().is_none());
}

pub(in crate::store) async fn the_checksum_is_that_of_the_objects(given: Given<'_>) {
    let empty = given.store.checksum().await.unwrap();
    let app = application("shop", "anna");
    let mut mine = key(&app, "is7", "k");
    mine.extra = map(json!({"n": 1.5, "t": "é"}));
    given.create(&[&app, &mine, &record(Kind::Scope, "s")]).await;
    // to another application, and so to another row
    let other = application("other", "ben");
    given.create(&[&other]).await;
    mine.parent = Some(other.id);
    given.update(&mine).await.unwrap();
    given.update(&app).await.unwrap();
    let mut digest = StateDigest::default();
    let (head, all) = read_all(given.store, &Kind::ALL).await;
    for record in &all {
        digest.add(record);
    }
    assert_eq!(given.store.checksum().await.unwrap(), (head, digest.bytes()));
    let names = ["shop", "other"].map(|name| (Kind::Application, name));
    for (kind, name) in names.into_iter().chain([(Kind::Scope, "s"), (Kind::Key, &*mine.name)]) {
        let record = given.store.named(kind, name).await.unwrap().unwrap();
        let delete = Change::Delete { kind, id: record.id, expected: None };
        given.write(vec![delete]).await.unwrap();
    }
    assert_eq!(given.store.checksum().await.unwrap().1, empty.1, "nothing is left");
}

pub(in crate::store) async fn gateways_report_and_are_forgotten(given: Given<'_>) {
    let gateway = |name: &str, revision| GatewayState {
        name: name.to_owned(),
        version: "0.1.0".to_owned(),
        revision,
        started_at: 5,
        seen_at: 0,
    };
    given.set_time(1000);
    given.store.report(&gateway("b", 1)).await.unwrap();
    given.store.report(&gateway("a", 2)).await.unwrap();
    given.set_time(2000);
    given.store.report(&gateway("b", 3)).await.unwrap();
    let seen = |mut state: GatewayState, at| {
        state.seen_at = at;
        state
    };
    let known = given.store.gateways().await.unwrap();
    assert_eq!(known, [seen(gateway("a", 2), 1_000_000), seen(gateway("b", 3), 2_000_000)]);
    given.set_time(1000 + 86_401);
    assert_eq!(given.store.gateways().await.unwrap().len(), 1);
    assert_eq!(given.store.head().await.unwrap().revision, 0, "a report is no change");
}

pub(in crate::store) async fn last_uses_only_grow(given: Given<'_>) {
    let app = application("shop", "anna");
    given.create(&[&app]).await;
    let uses = |day, api: &str| LastUse { application: app.id, api: api.to_owned(), day };
    given.store.note_uses(&[uses(10, "b:1"), uses(12, "a:1"), uses(9, "b:1")]).await.unwrap();
    given.store.note_uses(&[uses(11, "b:1"), uses(3, "a:1")]).await.unwrap();
    let noted = given.store.last_uses(app.id).await.unwrap();
    assert_eq!(noted, [uses(12, "a:1"), uses(11, "b:1")]);
    assert_eq!(given.store.last_uses(Uuid::new_v4()).await.unwrap(), []);
    given.delete(&app).await.unwrap();
    assert_eq!(given.store.last_uses(app.id).await.unwrap(), []);
}

pub(in crate::store) async fn a_write_nudges(given: Given<'_>) {
    given.create(&[&application("shop", "anna")]).await;
    tokio::time::timeout(Duration::from_secs(20), given.store.nudged()).await.expect("a nudge");
}
