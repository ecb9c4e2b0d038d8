//! The server is killed in the middle of writes: no acknowledged write is lost, and none is there
//! by half.

use std::sync::atomic::AtomicUsize;

use uuid::Uuid;

use super::*;
use crate::store::suite::{key, subscription};

/// Writers at once.
const WRITERS: usize = 4;

/// Writes until the server is gone, and returns the acknowledged writes.
async fn write_until_the_end(store: Arc<PostgresStore>, count: Arc<AtomicUsize>) -> Vec<Uuid> {
    let mut acknowledged = Vec::new();
    // far more than are made before the end
    for _ in 0..100_000 {
        let name = Uuid::new_v4().to_string();
        let app = application(&name, "anna");
        let family = [key(&app, "is7", &name), subscription(&app, "orders:1")];
        let records = [&app, &family[0], &family[1]];
        let changes = records.map(|record| Change::Create(record.clone())).to_vec();
        if store.write(write_of(changes)).await.is_err() {
            break;
        }
        acknowledged.push(app.id);
        count.fetch_add(1, Ordering::Relaxed);
    }
    acknowledged
}

#[test]
fn no_acknowledged_write_is_lost_when_the_server_is_killed() {
    let mut server = PostgresProcess::start();
    let url = server.database("killed");
    runtime().block_on(async {
        let store = Arc::new(PostgresStore::new(&settings(url), None).unwrap());
        let mut acknowledged = Vec::new();
        for writes in [1, 30, 9] {
            let count = Arc::new(AtomicUsize::new(0));
            let mut writers = JoinSet::new();
            for _ in 0..WRITERS {
                writers.spawn(write_until_the_end(Arc::clone(&store), Arc::clone(&count)));
            }
            let began = tokio::time::Instant::now();
            while count.load(Ordering::Relaxed) < writes {
                assert!(began.elapsed() < Duration::from_mins(1), "nothing is written");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            server.kill();
            acknowledged.extend(writers.join_all().await.into_iter().flatten());
            server.run();
            whole(&store, &acknowledged).await;
        }
        assert!(acknowledged.len() >= 40);
    });
}

async fn whole(store: &PostgresStore, acknowledged: &[Uuid]) {
    // a connection that was open may be found dead once
    let mut head = store.head().await;
    for _ in 0..8 {
        if head.is_err() {
            head = store.head().await;
        }
    }
    let head = head.unwrap();
    for id in acknowledged {
        assert!(store.get(Kind::Application, *id).await.unwrap().is_some(), "{id} is lost");
    }
    for kind in [Kind::Application, Kind::Key, Kind::Subscription] {
        let total = store.list(&Query::of(kind)).await.unwrap().total;
        assert_eq!(total, head.revision, "{kind:?}: a write is there by half");
    }
    assert_eq!(store.recount().await.unwrap(), store.checksum().await.unwrap());
}
