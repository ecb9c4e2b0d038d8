//! The revision in force, and the changes after it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::admin::PreviewDetail;
use crate::config::StoredApplication;
use crate::store::{Change, GatewayState, Kind, Store, StoreChanges, StoreError, StoreHead};
use crate::supervise::provisioning::applications;
use crate::supervise::provisioning::state::StoreReader;
use crate::supervise::provisioning::tables::StoredTables;

/// A look comes so much of the interval early: to find a change and to put it into force takes
/// time too, and a lost notification delays a change by no more than the interval.
const EARLY: u32 = 10;

/// Changes that are put into force at once.
const AT_ONCE: usize = 1000;

/// The largest number of deleted objects whose application a preview looks up; a call deletes
/// fewer.
const MOST_LOOKED_UP: usize = 1000;

/// A gateway's place in the store's history.
#[derive(Debug)]
pub(in crate::supervise) struct StoreFollower {
    reader: StoreReader,
    /// The revision in force.
    head: StoreHead,
    tables: StoredTables,
    poll_interval: Duration,
    /// The wait for it is given up for each call of the API, and goes on.
    next_look: Instant,
    reporting: GatewayState,
}

/// The way to a later revision.
#[derive(Debug)]
pub(in crate::supervise) enum Step {
    /// No change.
    Nothing,
    /// These changes, in any order; afterwards the gateway is at this revision.
    Changes {
        to: u64,
        more: bool,
        tables: Option<StoredTables>,
        applications: Vec<ChangedApplication>,
    },
    /// The history is no longer known, so everything must be read.
    Everything,
}

/// An application that changed.
#[derive(Debug)]
pub(in crate::supervise) struct ChangedApplication {
    pub(in crate::supervise) former_names: Vec<String>,
    pub(in crate::supervise) current: Option<StoredApplication>,
}

impl StoreFollower {
    pub(in crate::supervise) fn new(
        reader: StoreReader,
        head: StoreHead,
        tables: StoredTables,
        poll_interval: Duration,
        reporting: GatewayState,
    ) -> Self {
        Self { reader, head, tables, poll_interval, next_look: Instant::now(), reporting }
    }

    pub(in crate::supervise) fn reader(&self) -> &StoreReader {
        &self.reader
    }

    pub(in crate::supervise) fn head(&self) -> StoreHead {
        self.head
    }

    fn store(&self) -> &Arc<dyn Store> {
        self.reader.store()
    }

    /// Waits until it is time to look.
    pub(in crate::supervise) async fn due(&self) {
        tokio::select! {
            () = self.store().nudged() => {}
            () = sleep_until(self.next_look) => {}
        }
    }

    /// Begins the time until the next look.
    pub(in crate::supervise) fn looked(&mut self) {
        let wait = self.poll_interval.saturating_sub(self.poll_interval / EARLY);
        let now = Instant::now();
        self.next_look = now.checked_add(wait).unwrap_or(now);
    }

    /// Reads the changes after the revision in force.
    pub(in crate::supervise) async fn step(&self) -> Result<Step, StoreError> {
        let changes = self.store().changes(self.head.revision, AT_ONCE).await?;
        let StoreChanges { head, written, removed, complete_to, known } = changes;
        if head.epoch != self.head.epoch || head.revision < self.head.revision || !known {
            return Ok(Step::Everything);
        }
        if head.revision == self.head.revision {
            return Ok(Step::Nothing);
        }
        let declared = written.iter().any(|own| own.kind.is_declared())
            || removed.iter().any(|own| own.kind.is_declared());
        let tables = declared.then(|| {
            let mut tables = self.tables.clone();
            for own in &removed {
                tables.remove(own.kind, own.id);
            }
            for own in written.iter().filter(|own| own.kind.is_declared()) {
                tables.put(own.clone(), self.reader.keys())?;
            }
            Ok::<_, StoreError>(tables)
        });
        let tables = tables.transpose()?;
        let touched = applications::touched(&written, &removed);
        let mut found = applications::read(self.store(), &touched).await?;
        let mut applications = Vec::new();
        for id in touched {
            let gone = removed.iter().filter(|own| own.kind == Kind::Application && own.id == id);
            let former_names = gone.map(|own| own.name.clone()).collect();
            let current = found.remove(&id).map(applications::Gathering::finish);
            applications.push(ChangedApplication { former_names, current });
        }
        Ok(Step::Changes {
            to: complete_to,
            more: complete_to < head.revision,
            tables,
            applications,
        })
    }

    /// The tables and applications as they would be after changes that are not made yet.
    pub(in crate::supervise) async fn preview(
        &self,
        changes: &[Change],
        detail: PreviewDetail,
    ) -> Result<(Option<StoredTables>, Vec<ChangedApplication>), StoreError> {
        let is_declared = |change: &Change| kind_of(change).is_declared();
        let declared = changes.iter().any(is_declared);
        let keys = self.reader.keys();
        let tables = declared.then(|| self.tables.after(changes, keys)).transpose()?;
        let mut ids = ids_of_applications(changes);
        if detail == PreviewDetail::Access {
            ids.extend(self.parents_of_deleted(changes).await?);
        }
        let mut present = applications::read(self.store(), &ids).await?;
        let mut found = Vec::new();
        for id in ids {
            let current = present.remove(&id);
            let former_names = current.iter().map(|own| own.application.name.clone()).collect();
            let next = applications::after(current, id, changes);
            let current = next.map(applications::Gathering::finish);
            found.push(ChangedApplication { former_names, current });
        }
        Ok((tables, found))
    }

    /// Returns the applications whose keys and subscriptions are deleted.
    async fn parents_of_deleted(&self, changes: &[Change]) -> Result<Vec<Uuid>, StoreError> {
        let mut parents = BTreeSet::new();
        for change in changes.iter().take(MOST_LOOKED_UP) {
            if let Change::Delete { kind: kind @ (Kind::Key | Kind::Subscription), id, .. } = change
            {
                let found = self.store().get(*kind, *id).await?;
                parents.extend(found.and_then(|own| own.parent));
            }
        }
        for named in ids_of_applications(changes) {
            parents.remove(&named);
        }
        Ok(parents.into_iter().collect())
    }

    /// Notes the revision that is in force from now on.
    pub(in crate::supervise) fn arrived(&mut self, head: StoreHead, tables: Option<StoredTables>) {
        self.head = head;
        if let Some(tables) = tables {
            self.tables = tables;
        }
    }

    /// Tells the store that this gateway lives.
    pub(in crate::supervise) async fn report(&mut self) -> Result<(), StoreError> {
        self.reporting.revision = self.head.revision;
        self.reader.store().report(&self.reporting).await
    }
}

fn kind_of(change: &Change) -> Kind {
    match change {
        Change::Create(record) | Change::Update { record, .. } => record.kind,
        Change::Delete { kind, .. } => *kind,
    }
}

/// Returns the applications that changes concern. A deleted key or subscription does not name its
/// application. So a caller that deletes one also names a change of its application. If it does
/// not, the check leaves it out, which is safe: a deletion cannot break anything.
fn ids_of_applications(changes: &[Change]) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Create(record) | Change::Update { record, .. } => match record.kind {
                Kind::Application => Some(record.id),
                Kind::Key | Kind::Subscription => record.parent,
                _ => None,
            },
            Change::Delete { kind: Kind::Application, id, .. } => Some(*id),
            Change::Delete { .. } => None,
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
