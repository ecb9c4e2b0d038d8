//! A writer that changes subscriptions of the store again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis::store::{Change, PostgresStore, Record};
use serde_json::json;

use crate::write;

/// Changes a second, in transactions of so many: waiting writes share a commit.
const CHANGES_PER_SECOND: u32 = 1_000;
const AT_ONCE: u32 = 20;

/// Subscriptions that are blocked and unblocked until somebody ends it.
pub(crate) struct Changes {
    stopping: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Made>,
}

pub(crate) struct Made {
    pub(crate) count: u64,
    pub(crate) revision: u64,
    pub(crate) records: Vec<Record>,
}

impl Changes {
    pub(crate) fn begin(store: Arc<PostgresStore>, mut records: Vec<Record>) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stopping);
        #[allow(clippy::disallowed_methods, reason = "its owner waits for it")]
        let task = tokio::spawn(async move {
            let (mut count, mut revision, mut place) = (0, 0, 0);
            let mut due =
                tokio::time::interval(Duration::from_secs(1) * AT_ONCE / CHANGES_PER_SECOND);
            while !stopped.load(Ordering::Relaxed) {
                due.tick().await;
                let mut changes = Vec::new();
                for _ in 0..AT_ONCE {
                    let record = &mut records[place];
                    let blocked = record.declared.get("status") == Some(&json!("blocked"));
                    let status = if blocked { "unblocked" } else { "blocked" };
                    record.declared.insert("status".to_owned(), json!(status));
                    changes.push(Change::Update { record: record.clone(), expected: None });
                    place = (place + 1) % records.len();
                }
                revision = write(&*store, changes).await;
                count += u64::from(AT_ONCE);
            }
            Made { count, revision, records }
        });
        Self { stopping, task }
    }

    pub(crate) async fn end(self) -> Made {
        self.stopping.store(true, Ordering::Relaxed);
        self.task.await.expect("changes")
    }
}
