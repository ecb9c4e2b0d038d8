//! The suite on SQLite, and the properties that only a file has.

mod crash;
mod plans;

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::store::suite::{Given, SetClock, application, every_function, with_policies, write_of};
use crate::store::write::Change;

macro_rules! a_test_for_each {
    ($with:ident: $($module:ident::$name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            $with(async |given| crate::store::suite::$module::$name(given).await);
        })*
    };
}

every_function! { a_test_for_each with_sqlite: }

fn with_sqlite(test: impl AsyncFnOnce(Given<'_>)) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SetClock::default());
    let runtime = runtime();
    let store = SqliteStore::open(&folder.path().join("portcullis.db"), Arc::clone(&clock) as _);
    let store = store.unwrap();
    runtime.block_on(test(Given { store: &store, clock }));
    let kept = runtime.block_on(store.checksum()).unwrap();
    assert_eq!(runtime.block_on(store.recount()).unwrap(), kept);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, Arc::new(SetClock::default()))
}

#[test]
fn a_store_is_the_same_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portcullis.db");
    let runtime = runtime();
    let mut heads = Vec::new();
    for round in 0..3 {
        let store = open(&path).unwrap();
        let app = application(&format!("app {round}"), "anna");
        runtime.block_on(store.write(write_of(vec![Change::Create(app)]))).unwrap();
        heads.push(runtime.block_on(store.head()).unwrap());
    }
    let revisions: Vec<_> = heads.iter().map(|head| head.revision).collect();
    assert_eq!(revisions, [1, 2, 3]);
    assert!(heads.iter().all(|head| head.epoch == heads[0].epoch));
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_store_of_a_later_version_is_refused_by_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portcullis.db");
    drop(open(&path).unwrap());
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("UPDATE meta SET format = 77").unwrap();
    let refused = open(&path).unwrap_err().to_string();
    assert!(refused.contains("has format 77") && refused.contains("up to 2"), "{refused}");
    other.execute_batch("UPDATE meta SET format = 2").unwrap();
    drop(open(&path).unwrap());
}

#[test]
fn a_store_of_the_first_format_learns_who_holds_a_policy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portcullis.db");
    let runtime = runtime();
    let store = open(&path).unwrap();
    runtime.block_on(store.write(write_of(with_policies().map(Change::Create).to_vec()))).unwrap();
    drop(store);
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch(
            "DELETE FROM tallies WHERE facet = 'policy'; DROP INDEX audit_at; \
             UPDATE meta SET format = 1",
        )
        .unwrap();
    let store = open(&path).unwrap();
    assert_eq!(runtime.block_on(store.holders(Kind::Application, "Gold")).unwrap(), 2);
    assert_eq!(runtime.block_on(store.holders(Kind::Application, "7")).unwrap(), 0);
}

#[test]
fn what_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portcullis.db");
    std::fs::write(&path, "not a database, ".repeat(100)).unwrap();
    assert!(matches!(open(&path), Err(StoreError::Unreadable(_))));
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let refused = open(&link).unwrap_err().to_string();
    assert!(refused.contains("symbolic link"), "{refused}");
}
