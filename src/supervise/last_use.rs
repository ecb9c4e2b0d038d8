//! Notes the day on which each application last used each API, for operators who plan to take
//! access away.
//!
//! Workers do nothing for it: they count for the statistics of applications anyway, and this task
//! reads those from time to time. A pair without a place in the statistics is not noted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::model::clock::Clock;
use crate::snapshot::Snapshots;
use crate::store::{Kind, LastUse, Store, StoreError};
use crate::supervise::access_lines::declared_id;
use crate::telemetry::{CallPair, CallReport, CallStatistics};

/// The time between two looks; each sees the last hour.
const EACH: Duration = Duration::from_mins(5);

/// Days that are written in one transaction.
const TOGETHER: usize = 500;

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// The sources of a look.
pub(super) struct LastUses {
    pub(super) statistics: Arc<CallStatistics>,
    pub(super) store: Arc<dyn Store>,
    pub(super) snapshots: Arc<Snapshots>,
    pub(super) clock: Arc<dyn Clock>,
}

/// Pairs that are noted for this day.
#[derive(Debug, Default)]
struct NotedPairs {
    day: u32,
    pairs: BTreeSet<CallPair>,
}

impl LastUses {
    pub(super) async fn keep(self) {
        let mut noted = NotedPairs::default();
        loop {
            tokio::time::sleep(EACH).await;
            if let Err(error) = self.note(&mut noted).await {
                // the next look sees the same hour
                tracing::debug!(target: "portcullis::supervise", %error, "last uses are not noted");
            }
        }
    }

    /// Notes the pairs that were used. A use before midnight may be noted for the day that follows.
    /// That error can only keep access, never take it away.
    async fn note(&self, noted: &mut NotedPairs) -> Result<(), StoreError> {
        let day = u32::try_from(self.clock.now().0 / DAY_SECONDS).unwrap_or_default();
        if noted.day != day {
            *noted = NotedPairs { day, pairs: BTreeSet::new() };
        }
        let new = |pair: &CallPair| !noted.pairs.contains(pair);
        let used: Vec<CallPair> =
            self.statistics.report(new).into_iter().filter(is_used).map(|own| own.pair).collect();
        for pairs in used.chunks(TOGETHER) {
            let mut uses = Vec::with_capacity(pairs.len());
            for pair in pairs {
                uses.extend(self.last_use(pair, day).await?);
            }
            self.store.note_uses(&uses).await?;
            noted.pairs.extend(pairs.iter().cloned());
        }
        Ok(())
    }

    /// Returns the use of an application that is still there.
    async fn last_use(&self, pair: &CallPair, day: u32) -> Result<Option<LastUse>, StoreError> {
        let snapshot = self.snapshots.load();
        let found = snapshot.directory.named(&pair.application);
        let application = match found.map(|own| own.place.revision()) {
            None => return Ok(None),
            Some(None) => declared_id(&pair.application),
            Some(Some(_)) => {
                let kept = self.store.named(Kind::Application, &pair.application).await?;
                let Some(kept) = kept else { return Ok(None) };
                kept.id
            }
        };
        Ok(Some(LastUse { application, api: format!("{}:{}", pair.api, pair.version), day }))
    }
}

/// A request that was refused is no use.
fn is_used(report: &CallReport) -> bool {
    let refused: u64 = report.hour.refusals().iter().map(|(_, count)| count).sum();
    report.hour.requests() > refused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::jwks::KeySets;
    use crate::model::clock::UnixSeconds;
    use crate::model::identity::Identities;
    use crate::model::reason::Reason;
    use crate::snapshot::compile::Compiler;
    use crate::store::SqliteStore;
    use crate::supervise::clock::SystemClock;
    use crate::telemetry::Metrics;

    const FILE: &str = "[[listeners]]\nname = \"http\"\naddress = \"127.0.0.1:0\"\n\
                        [[apis]]\nname = \"orders\"\nversion = \"1\"\ncontext = \"/o\"\n\
                        production = { urls = [\"http://127.0.0.1:1\"] }\n\
                        [[applications]]\nname = \"shop\"\n";

    #[derive(Debug)]
    struct DayClock;

    impl Clock for DayClock {
        fn now(&self) -> UnixSeconds {
            UnixSeconds(20_000 * DAY_SECONDS + 7)
        }
    }

    #[tokio::test]
    async fn what_was_forwarded_is_noted_once_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        std::fs::write(&path, FILE).unwrap();
        let model = config::load_gateway(&path, &Identities::default()).unwrap().model;
        let keys = KeySets::new(folder.path(), Arc::new(SystemClock)).reconcile(&[]);
        let metrics = Arc::new(Metrics::new(1, 0));
        let snapshot = Compiler::new(Arc::clone(&metrics), 1).compile(model, keys).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(DayClock);
        let store = SqliteStore::open(&folder.path().join("s.db"), Arc::clone(&clock)).unwrap();
        let statistics = metrics.keep_statistics(Arc::clone(&clock));
        let operation = metrics.operation("orders", "1", "/*");
        let calls = |application: &str, reason| {
            statistics.of(application, "", &operation).record(0, reason, Duration::ZERO);
        };
        let uses = LastUses {
            statistics: Arc::clone(&statistics),
            store: Arc::new(store),
            snapshots: Arc::new(Snapshots::new(snapshot)),
            clock,
        };
        let mut noted = NotedPairs::default();
        let kept = async || uses.store.last_uses(declared_id("shop")).await.unwrap();
        calls("shop", Reason::InsufficientScope);
        uses.note(&mut noted).await.unwrap();
        assert_eq!(kept().await, [], "a refusal is no use");
        calls("shop", Reason::Forwarded);
        calls("gone", Reason::Forwarded);
        uses.note(&mut noted).await.unwrap();
        let api = "orders:1".to_owned();
        let last = LastUse { application: declared_id("shop"), api, day: 20_000 };
        assert_eq!(kept().await, [last]);
        assert_eq!(uses.store.last_uses(declared_id("gone")).await.unwrap(), []);
        assert_eq!(noted.pairs.len(), 2, "nobody is asked for again today");
    }
}
