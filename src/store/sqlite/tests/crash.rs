//! The writer is killed at any moment, and the disk is full: no acknowledged write is lost, and
//! none is there by half.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};

use serde_json::json;
use tokio::task::JoinSet;

use super::{open, runtime};
use crate::store::sqlite::SqliteStore;
use crate::store::suite::{application, key, map, subscription, write_of};
use crate::store::write::Change;
use crate::store::{AuditQuery, Kind, Query, Store, StoreError};

/// Names the database to the child.
const DATABASE: &str = "PORTCULLIS_TEST_DATABASE";

/// Writers at once, so that commits are shared.
const WRITERS: usize = 8;

/// The other half of [`no_acknowledged_write_is_lost_when_the_process_is_killed`]: writes, and
/// reports each acknowledgment.
#[test]
#[ignore = "runs in a process of its own, which is killed"]
fn writes_until_it_is_killed() {
    let path = std::env::var_os(DATABASE).expect("the database");
    runtime().block_on(async {
        let store = std::sync::Arc::new(open(path.as_ref()).unwrap());
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            let store = std::sync::Arc::clone(&store);
            writers.spawn(async move {
                // far more than are made before the end
                for _ in 0..100_000 {
                    let name = uuid::Uuid::new_v4().to_string();
                    let app = application(&name, "anna");
                    let family = [key(&app, "is7", &name), subscription(&app, "orders:1")];
                    let records = [&app, &family[0], &family[1]];
                    let changes = records.map(|record| Change::Create(record.clone())).to_vec();
                    let written = store.write(write_of(changes)).await.unwrap();
                    let line = format!("written {} {}\n", written.revision, app.id);
                    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                }
            });
        }
        writers.join_all().await;
    });
}

#[test]
fn no_acknowledged_write_is_lost_when_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portcullis.db");
    let mut acknowledged = Vec::new();
    // another number of writes each time, so that the end comes at different places
    for (round, writes) in [1, 7, 40, 113, 2, 61, 19, 200].into_iter().enumerate() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::sqlite::tests::crash::writes_until_it_is_killed"])
            .args(["--ignored", "--nocapture", "--test-threads=1"])
            .env(DATABASE, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut seen = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let mut words = line.split(' ');
            if words.next() == Some("written") {
                let revision: u64 = words.next().unwrap().parse().unwrap();
                let id: uuid::Uuid = words.next().unwrap().parse().unwrap();
                acknowledged.push((revision, id));
                seen += 1;
                if seen == writes {
                    // SIGKILL; lines that were written before it still come
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(seen >= writes, "round {round}: it wrote {seen} only");
        let store = open(&path).unwrap();
        runtime().block_on(whole(&store, &acknowledged));
    }
    assert!(acknowledged.len() >= 443);
}

async fn whole(store: &SqliteStore, acknowledged: &[(u64, uuid::Uuid)]) {
    for (revision, id) in acknowledged {
        let kept = store.get(Kind::Application, *id).await.unwrap();
        assert_eq!(kept.map(|record| record.revision), Some(*revision), "{id} is lost");
    }
    let head = store.head().await.unwrap();
    for kind in [Kind::Application, Kind::Key, Kind::Subscription] {
        let total = store.list(&Query::of(kind)).await.unwrap().total;
        assert_eq!(total, head.revision, "{kind:?}: a write is there by half");
    }
    let query = AuditQuery { limit: 1, ..<_>::default() };
    assert_eq!(store.audit(&query).await.unwrap().total, head.revision * 3);
    assert_eq!(store.recount().await.unwrap(), store.checksum().await.unwrap());
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portcullis.db");
    let store = open(&path).unwrap();
    runtime().block_on(async {
        let limit = |pages: u32| {
            store.work(move |session| session.batch(&format!("PRAGMA max_page_count = {pages}")))
        };
        limit(120).await.unwrap();
        let create = async |number: usize| {
            let mut app = application(&format!("app {number}"), "anna");
            app.extra = map(json!({"description": "x".repeat(3000)}));
            store.write(write_of(vec![Change::Create(app)])).await
        };
        let mut kept = 0;
        let refused = loop {
            match create(kept).await {
                Ok(written) => assert_eq!(written.revision, kept as u64 + 1),
                Err(error) => break error,
            }
            kept += 1;
            assert!(kept < 1000, "the disk is never full");
        };
        assert!(matches!(refused, StoreError::Full), "{refused:?}");
        assert!(kept > 5, "{kept}");
        // reads go on, and everything that was acknowledged is there
        assert_eq!(store.list(&Query::of(Kind::Application)).await.unwrap().total, kept as u64);
        assert_eq!(store.recount().await.unwrap(), store.checksum().await.unwrap());
        assert!(matches!(create(kept).await, Err(StoreError::Full)));
        limit(100_000).await.unwrap();
        assert_eq!(create(kept).await.unwrap().revision, kept as u64 + 1);
    });
    drop(store);
    let store = open(&path).unwrap();
    runtime().block_on(async {
        assert_eq!(store.recount().await.unwrap(), store.checksum().await.unwrap());
    });
}
