//! PostgreSQL goes down and comes back, is restored from a backup, and its copy is damaged.

use serde_json::json;

use super::*;
use crate::store::Change;
use crate::store::postgres::server::{PASSWORD, PostgresProcess};
use crate::store::suite::{SetClock, application, key, map, read_all, write_of};

use crate::model::secret::Secret;
use crate::model::store::PostgresTls;

/// Long enough for a busy machine, which needs seconds for milliseconds of work.
const PATIENCE: Duration = Duration::from_mins(2);

fn runtime() -> tokio::runtime::Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn settings(url: &str) -> PostgresServer {
    let password = Some(Secret::new(PASSWORD.to_owned()));
    PostgresServer { url: url.to_owned(), password, ca: None, tls: PostgresTls::Off }
}

fn open(url: &str, folder: &Path) -> SharedStore {
    let clock = Arc::new(SetClock::default());
    SharedStore::open(&settings(url), folder, Duration::from_millis(50), clock).unwrap()
}

async fn create(store: &dyn Store, record: &Record) -> Result<u64, StoreError> {
    let written = store.write(write_of(vec![Change::Create(record.clone())])).await?;
    Ok(written.revision)
}

async fn update(store: &dyn Store, record: &Record) {
    let change = Change::Update { record: record.clone(), expected: None };
    store.write(write_of(vec![change])).await.unwrap();
}

/// Waits until the copy has this revision, and equals the server's state.
async fn copied(store: &SharedStore, revision: u64) {
    let began = Instant::now();
    loop {
        let head = store.both.replica.head().await.unwrap();
        if head.is_some_and(|head| head.revision == revision) {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "the copy never has {revision}: {head:?}");
        sleep(Duration::from_millis(20)).await;
    }
    // reads while the server is down need that the copy was noted as current once
    while store.both.replica.was_current().await.unwrap().is_none() {
        assert!(began.elapsed() < PATIENCE, "the copy is never current");
        sleep(Duration::from_millis(20)).await;
    }
    let own = store.both.replica.recount().await.unwrap();
    assert_eq!(own, store.both.server.checksum().await.unwrap());
}

/// Calls until the server is found again.
async fn in_the_end<T>(call: impl AsyncFn() -> Result<T, StoreError>) -> T {
    let began = Instant::now();
    loop {
        match call().await {
            Ok(done) => return done,
            Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn reads_and_starts_go_on_while_postgresql_is_down() {
    let mut server = PostgresProcess::start();
    let url = server.database("down");
    let (folder, fresh) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    runtime().block_on(async {
        let store = open(&url, folder.path());
        let app = application("shop", "anna");
        create(&store, &app).await.unwrap();
        create(&store, &key(&app, "is7", "k")).await.unwrap();
        copied(&store, 2).await;
        let head = store.head().await.unwrap();
        assert_eq!(store.copied_at().await.unwrap(), None, "the server answers");
        server.kill();
        let refused = create(&store, &application("other", "anna")).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
        let reads_the_copy = async |store: &SharedStore| {
            assert_eq!(store.head().await.unwrap(), head);
            let found = store.get(Kind::Application, app.id).await.unwrap().unwrap();
            assert_eq!((found.name, found.revision), ("shop".to_owned(), 1));
            assert_eq!(store.list(&Query::of(Kind::Key)).await.unwrap().total, 1);
            assert_eq!(read_all(store, &Kind::ALL).await.1.len(), 2);
            assert_eq!(store.changes(1, 10).await.unwrap().written.len(), 1);
            // a gateway that had more from the server does not go back
            let later = store.changes(7, 10).await.unwrap();
            assert_eq!((later.head.revision, later.complete_to, later.known), (7, 7, true));
            assert_eq!((later.written.len(), later.removed.len()), (0, 0));
            assert_eq!(store.copied_at().await.unwrap(), Some(0), "by the clock of the test");
        };
        reads_the_copy(&store).await;
        drop(store);
        let store = open(&url, folder.path());
        reads_the_copy(&store).await;
        // without a copy there is no state, which is not the same as an empty one
        let empty = open(&url, fresh.path()).head().await;
        assert!(matches!(empty, Err(StoreError::Unavailable(_))), "{empty:?}");
        server.run();
        in_the_end(async || create(&store, &application("other", "anna")).await).await;
        copied(&store, 3).await;
        in_the_end(async || match store.head().await?.revision {
            3 => Ok(()),
            old => Err(StoreError::Unavailable(format!("still {old}"))),
        })
        .await;
    });
}

#[test]
fn the_copy_follows_names_that_were_exchanged() {
    let server = PostgresProcess::start();
    let url = server.database("exchange");
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let (mut one, mut two) = (application("one", "anna"), application("two", "ben"));
        one.extra = map(json!({"groups": ["g"]}));
        let mut mine = key(&one, "is7", "k");
        let direct = PostgresStore::new(&settings(&url), None).unwrap();
        for record in [&one, &two, &mine] {
            create(&direct, record).await.unwrap();
        }
        let store = open(&url, folder.path());
        copied(&store, 3).await;
        drop(store);
        for (record, name) in [(&mut one, "free"), (&mut two, "one")] {
            record.name = name.to_owned();
            update(&direct, record).await;
        }
        one.name = "two".to_owned();
        update(&direct, &one).await;
        mine.parent = Some(two.id);
        mine.place = None;
        update(&direct, &mine).await;
        let delete =
            |record: &Record| Change::Delete { kind: record.kind, id: record.id, expected: None };
        let gone = application("gone", "anna");
        create(&direct, &gone).await.unwrap();
        direct.write(write_of(vec![delete(&gone)])).await.unwrap();
        let store = open(&url, folder.path());
        copied(&store, 9).await;
        let replica = store.both.replica.complete().await.unwrap();
        let (_, all) = read_all(replica, &[Kind::Application, Kind::Key]).await;
        let mut names: Vec<_> = all.into_iter().map(|record| record.name).collect();
        names.sort();
        assert_eq!(names, ["is7\nk", "one", "two"]);
        let found = replica.named(Kind::Application, "two").await.unwrap().unwrap();
        assert_eq!(found.id, one.id);
    });
}

#[test]
fn an_old_backup_is_noticed_and_copied() {
    let server = PostgresProcess::start();
    let url = server.database("backup");
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let store = open(&url, folder.path());
        create(&store, &application("kept", "anna")).await.unwrap();
        copied(&store, 1).await;
        let dump = server.dump("backup");
        create(&store, &application("lost", "anna")).await.unwrap();
        create(&store, &application("lost too", "anna")).await.unwrap();
        copied(&store, 3).await;
        server.restore("backup", &dump);
        copied(&store, 1).await;
        in_the_end(async || create(&store, &application("new", "anna")).await).await;
        copied(&store, 2).await;
        let replica = store.both.replica.complete().await.unwrap();
        assert_eq!(replica.named(Kind::Application, "lost").await.unwrap(), None);
    });
}

#[test]
fn an_old_backup_that_was_overtaken_is_noticed_and_told() {
    let server = PostgresProcess::start();
    let (url, other) = (server.database("overtaken"), server.database("other"));
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let store = open(&url, folder.path());
        create(&store, &application("kept", "anna")).await.unwrap();
        server.restore("other", &server.dump("overtaken"));
        create(&store, &application("lost", "anna")).await.unwrap();
        copied(&store, 2).await;
        // the same backup, and more writes since then than were lost
        let beside = tempfile::tempdir().unwrap();
        let restored = open(&other, beside.path());
        for name in ["one", "two", "three"] {
            create(&restored, &application(name, "anna")).await.unwrap();
        }
        assert_eq!(store.rewritten(), 0);
        server.restore("overtaken", &server.dump("other"));
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = 'overtaken'";
        server.sql("postgres", cut);
        let began = Instant::now();
        while store.rewritten() == 0 {
            assert!(began.elapsed() < PATIENCE, "nobody is told");
            sleep(Duration::from_millis(20)).await;
        }
        copied(&store, 4).await;
        let replica = store.both.replica.complete().await.unwrap();
        assert_eq!(replica.named(Kind::Application, "lost").await.unwrap(), None);
    });
}

#[test]
fn a_damaged_copy_is_made_again() {
    let server = PostgresProcess::start();
    let url = server.database("damage");
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let store = open(&url, folder.path());
        create(&store, &application("shop", "anna")).await.unwrap();
        copied(&store, 1).await;
        drop(store);
        let file = folder.path().join("portcullis-replica.db");
        let other = rusqlite::Connection::open(&file).unwrap();
        other.execute_batch("UPDATE objects SET owner = 'eve'").unwrap();
        drop(other);
        let store = open(&url, folder.path());
        let began = Instant::now();
        loop {
            let replica = store.both.replica.complete().await.unwrap();
            let found = replica.named(Kind::Application, "shop").await.unwrap().unwrap();
            if found.owner.as_deref() == Some("anna") {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "the damage stays");
            sleep(Duration::from_millis(20)).await;
        }
        copied(&store, 1).await;
    });
}
