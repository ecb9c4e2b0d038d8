//! Counts the objects of the store for the metrics: everything that users of the REST API can grow.

use std::sync::Arc;
use std::time::Duration;

use crate::store::{Kind, Store, StoreError};
use crate::telemetry::Metrics;

/// The time between two counts, each of which reads some hundred rows at most.
const EACH: Duration = Duration::from_mins(1);

/// Counts until it is stopped. While the store does not answer, the last counts stay.
pub(super) async fn keep(store: Arc<dyn Store>, metrics: Arc<Metrics>) {
    loop {
        if let Err(error) = note(&*store, &metrics).await {
            tracing::debug!(target: "portcullis::supervise", %error, "objects are not counted");
        }
        tokio::time::sleep(EACH).await;
    }
}

async fn note(store: &dyn Store, metrics: &Metrics) -> Result<(), StoreError> {
    let counts = store.counts().await?;
    let of = |kind: Kind| counts.iter().find(|(own, _)| *own == kind).map_or(0, |(_, n)| *n);
    metrics.store_has(Kind::ALL.into_iter().map(|kind| (kind.as_str(), of(kind))).collect());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Change, Record, SqliteStore, write_of};
    use crate::supervise::clock::SystemClock;

    #[tokio::test]
    async fn objects_are_counted_by_kind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portcullis.db");
        let store = SqliteStore::open(&path, Arc::new(SystemClock)).unwrap();
        let metrics = Metrics::new(1, 1000);
        assert!(!metrics.render().contains("portcullis_store_objects{"), "nothing is counted yet");
        note(&store, &metrics).await.unwrap();
        assert!(metrics.render().contains("portcullis_store_objects{kind=\"ended_token\"} 0"));
        let ended = Record::new(Kind::EndedToken, uuid::Uuid::new_v4(), "one");
        store.write(write_of(vec![Change::Create(ended)])).await.unwrap();
        note(&store, &metrics).await.unwrap();
        assert!(metrics.render().contains("portcullis_store_objects{kind=\"ended_token\"} 1"));
    }
}
