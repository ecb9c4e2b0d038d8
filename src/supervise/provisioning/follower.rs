//! The revision in force, and the changes after it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use crate::admin::PreviewDetail;
use crate::config::StoredApplication;
use crate::store::{Change, GatewayState, Kind, Store, StoreChanges, StoreError, StoreHead};
use crate::supervise::provisioning::applications;
use crate::supervise::provisioning::pace::{Due, Pace};
use crate::supervise::provisioning::state::StoreReader;
use crate::supervise::provisioning::tables::StoredTables;

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
    /// [`Store::rewritten`] before everything was read.
    rewritten: u64,
    tables: Arc<StoredTables>,
    pace: Pace,
    /// Calls of the API that wait until a revision is in force.
    waiting: Vec<(u64, oneshot::Sender<()>)>,
    reporting: GatewayState,
}

/// A reading of the changes after a revision, for any thread.
#[derive(Debug)]
pub(in crate::supervise) struct StepReading {
    reader: StoreReader,
    head: StoreHead,
    rewritten: u64,
    tables: Arc<StoredTables>,
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
        let pace = Pace::new(poll_interval, Instant::now());
        let tables = Arc::new(tables);
        Self { reader, head, rewritten: 0, tables, pace, waiting: Vec::new(), reporting }
    }

    pub(in crate::supervise) fn reader(&self) -> &StoreReader {
        &self.reader
    }

    pub(in crate::supervise) fn head(&self) -> StoreHead {
        self.head
    }

    pub(in crate::supervise) fn poll_interval(&self) -> Duration {
        self.pace.poll_interval
    }

    fn store(&self) -> &Arc<dyn Store> {
        self.reader.store()
    }

    /// Waits until it is time to look, or to report.
    pub(in crate::supervise) async fn due(&self) -> Due {
        self.pace.due(!self.waiting.is_empty(), self.store().nudged()).await
    }

    /// Notes a look that began at this moment, and begins the time until the next one.
    pub(in crate::supervise) fn looked(&mut self, began: Instant) {
        self.pace.looked(began, Instant::now());
    }

    /// Remembers a call that waits for a revision; it is answered by [`Self::answer_waiting`].
    pub(in crate::supervise) fn wait_for(&mut self, revision: u64, reply: oneshot::Sender<()>) {
        self.waiting.push((revision, reply));
    }

    /// Answers the calls whose revision is in force. After a look that failed the others are given
    /// up: their callers are told that the change is not in force yet.
    pub(in crate::supervise) fn answer_waiting(&mut self, failed: bool) {
        let revision = self.head.revision;
        let (done, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(own, _)| *own <= revision);
        for (_, reply) in done {
            // the caller may have left
            let _ = reply.send(());
        }
        if !failed {
            // a caller that has left waits no more, even for a revision that never comes
            self.waiting = left.into_iter().filter(|(_, reply)| !reply.is_closed()).collect();
        }
    }

    /// Returns the reading of the changes after the revision in force.
    pub(in crate::supervise) fn reading(&self) -> StepReading {
        let Self { reader, head, rewritten, tables, .. } = self;
        let (reader, tables) = (reader.clone(), Arc::clone(tables));
        StepReading { reader, head: *head, rewritten: *rewritten, tables }
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
        let any = StoreHead { revision: 0, ..self.head };
        let mut present = applications::read(self.store(), &ids, any).await?;
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
            self.tables = Arc::new(tables);
        }
    }

    /// Notes that everything was read. `rewritten` is [`Store::rewritten`] from before that.
    pub(in crate::supervise) fn read_again(
        &mut self,
        rewritten: u64,
        head: StoreHead,
        tables: StoredTables,
    ) {
        self.rewritten = rewritten;
        self.arrived(head, Some(tables));
    }

    /// Tells the store that this gateway lives. Returns `None` if it told so a moment ago: it is
    /// due later then.
    pub(in crate::supervise) async fn report(&mut self) -> Option<Result<(), StoreError>> {
        if !self.pace.may_report(Instant::now()) {
            return None;
        }
        self.reporting.revision = self.head.revision;
        Some(self.reader.store().report(&self.reporting).await)
    }
}

impl StepReading {
    /// Waits for the store on a thread that may wait, and that has the priority of the work.
    pub(in crate::supervise) fn step_here(self) -> Result<Step, StoreError> {
        let runtime = self.reader.runtime().clone();
        runtime.block_on(self.step())
    }

    /// Reads the changes after the revision in force.
    pub(in crate::supervise) async fn step(self) -> Result<Step, StoreError> {
        let store = self.reader.store();
        if store.rewritten() != self.rewritten {
            return Ok(Step::Everything);
        }
        let changes = store.changes(self.head.revision, AT_ONCE).await?;
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
            let mut tables = StoredTables::clone(&self.tables);
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
        let from = StoreHead { revision: complete_to, ..head };
        let mut found = applications::read(store, &touched, from).await?;
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
