//! Makes the changes of one write within a transaction that the caller began.

use crate::store::error::StoreError;
use crate::store::record::Record;
use crate::store::sql::auditing::{AuditTrail, MOST_ENTRIES};
use crate::store::sql::columns::check;
use crate::store::sql::conditions;
use crate::store::sql::rows::{find, insert, refuse_taken, remove, replace};
use crate::store::sql::session::{SqlSession, SqlValue, one_number, stored};
use crate::store::sql::state::{StoreState, read_state, write_state};
use crate::store::write::{Change, Write, WriteProgress, Written};

/// Followers that missed more removals than this read everything again.
const MOST_REMOVALS: u64 = 100_000;

/// The number of revisions between two deletions of old rows.
const PRUNE_EVERY: u64 = 50;

/// The most rows of one such deletion: some ten milliseconds of the write that makes it. What a
/// large import removed goes little by little.
const MOST_PRUNED: u64 = 5000;

/// Makes all changes, or returns an error after which the transaction must be rolled back.
pub(in crate::store) async fn apply(
    session: &mut impl SqlSession,
    write: &Write,
    now: i64,
) -> Result<Written, StoreError> {
    apply_counted(session, write, now, &WriteProgress::default()).await
}

/// Like [`apply`], and reports its progress.
pub(in crate::store) async fn apply_counted(
    session: &mut impl SqlSession,
    write: &Write,
    now: i64,
    progress: &WriteProgress,
) -> Result<Written, StoreError> {
    session.exclude().await?;
    let mut state = read_state(session).await?;
    conditions::check(session, &write.conditions).await?;
    if write.changes.is_empty() && write.notes.is_empty() {
        conditions::check_kept(session, &write.conditions).await?;
        return Ok(Written { revision: state.revision, records: Vec::new() });
    }
    let revision = state.revision.saturating_add(1);
    state.revision = revision;
    let mut audit = AuditTrail::begin(session, write, revision, now).await?;
    let mut records = Vec::new();
    for change in &write.changes {
        let (before, after) = make(session, &mut state, change, now).await?;
        audit.note(session, before.as_ref(), after.as_ref()).await?;
        records.extend(after);
        progress.step();
    }
    for note in &write.notes {
        audit.note(session, None, Some(note)).await?;
    }
    // a condition must also hold after the changes: a write's own additions count
    conditions::check_kept(session, &write.conditions).await?;
    prune(session, &mut state, revision.saturating_sub(1)).await?;
    audit.prune(session, MOST_ENTRIES).await?;
    write_state(session, &state).await?;
    session.announce(stored(revision)).await?;
    Ok(Written { revision, records })
}

async fn make(
    session: &mut impl SqlSession,
    state: &mut StoreState,
    change: &Change,
    now: i64,
) -> Result<(Option<Record>, Option<Record>), StoreError> {
    match change {
        Change::Create(record) => {
            check(record)?;
            if let Some((held, _)) = find(session, record.kind, record.id).await? {
                let (kind, holder) = (held.kind, held.id);
                return Err(StoreError::Taken { kind, name: held.name, holder });
            }
            refuse_taken(session, record).await?;
            let mut record = record.clone();
            (record.created_at, record.updated_at) = (now, now);
            record.revision = state.revision;
            insert(session, state, &record).await?;
            Ok((None, Some(record)))
        }
        Change::Update { record, expected } => {
            let (old, seq) = expect(session, record, *expected).await?;
            refuse_taken(session, record).await?;
            let mut record = record.clone();
            (record.created_at, record.updated_at) = (old.created_at, now);
            record.revision = state.revision;
            replace(session, state, (&old, seq), &record).await?;
            Ok((Some(old), Some(record)))
        }
        Change::Delete { kind, id, expected } => {
            let named = Record::new(*kind, *id, "");
            let (old, seq) = expect(session, &named, *expected).await?;
            let revision = state.revision;
            remove(session, state, (&old, seq), revision).await?;
            Ok((Some(old), None))
        }
    }
}

async fn expect(
    session: &mut impl SqlSession,
    record: &Record,
    expected: Option<u64>,
) -> Result<(Record, i64), StoreError> {
    let (kind, id) = (record.kind, record.id);
    let (old, seq) = find(session, kind, id).await?.ok_or(StoreError::Missing { kind, id })?;
    match expected {
        Some(expected) if expected != old.revision => {
            Err(StoreError::Changed { kind, id, revision: old.revision })
        }
        _ => Ok((old, seq)),
    }
}

/// Forgets some of the oldest removals when the store passes certain revisions. `before` is its
/// revision before the changes.
pub(super) async fn prune(
    session: &mut impl SqlSession,
    state: &mut StoreState,
    before: u64,
) -> Result<(), StoreError> {
    if before / PRUNE_EVERY == state.revision / PRUNE_EVERY {
        return Ok(());
    }
    prune_removals(session, state, (MOST_REMOVALS, MOST_PRUNED)).await
}

/// Forgets the oldest removals if there are more than `most`: no more than `at_once` of them.
async fn prune_removals(
    session: &mut impl SqlSession,
    state: &mut StoreState,
    (most, at_once): (u64, u64),
) -> Result<(), StoreError> {
    let newest = [SqlValue::Number(stored(most))];
    let sql = "SELECT revision FROM removals ORDER BY revision DESC LIMIT 1 OFFSET $1";
    let surplus = session.query(sql, &newest, one_number).await?;
    let Some(surplus) = surplus.into_iter().next() else { return Ok(()) };
    let last = [SqlValue::Number(surplus), SqlValue::Number(stored(at_once.saturating_sub(1)))];
    let sql = "SELECT revision FROM removals WHERE revision <= $1 ORDER BY revision \
               LIMIT 1 OFFSET $2";
    let last = session.query(sql, &last, one_number).await?;
    let last = last.into_iter().next().unwrap_or(surplus);
    // a revision of which some removals are forgotten is not known as a whole any more
    state.known_from = state.known_from.max(u64::try_from(last).unwrap_or_default());
    let values = [SqlValue::Number(surplus), SqlValue::Number(stored(at_once))];
    let sql = "DELETE FROM removals WHERE (kind, id) IN (SELECT kind, id FROM removals \
               WHERE revision <= $1 ORDER BY revision LIMIT $2)";
    session.run(sql, &values).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::sqlite::{SqliteSession, SqliteStore, now};
    use crate::store::suite::{SetClock, application, write_of};
    use crate::store::{Kind, Store};

    fn delete(record: &Record) -> Change {
        Change::Delete { kind: Kind::Application, id: record.id, expected: None }
    }

    #[tokio::test]
    async fn old_removals_go_some_at_a_time_and_a_follower_learns_which_it_missed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let store = SqliteStore::open(&path, Arc::new(SetClock::default())).unwrap();
        let all: Vec<_> = (0..10).map(|n| application(&format!("a{n}"), "anna")).collect();
        store.write(write_of(all.iter().cloned().map(Change::Create).collect())).await.unwrap();
        // revision 2 removes four, and each of 3 to 8 one
        store.write(write_of(all[..4].iter().map(delete).collect())).await.unwrap();
        for one in &all[4..] {
            store.write(write_of(vec![delete(one)])).await.unwrap();
        }
        for (left, known_from) in [(7, 2), (5, 3), (5, 3)] {
            let prune = |session: &mut SqliteSession| {
                now(async {
                    let mut state = read_state(session).await?;
                    prune_removals(session, &mut state, (5, 3)).await?;
                    write_state(session, &state).await
                })
            };
            store.work(prune).await.unwrap();
            let of = async |after| store.changes(after, 100).await.unwrap();
            assert!(!of(known_from - 1).await.known);
            let changes = of(known_from).await;
            assert!(changes.known);
            assert_eq!(changes.removed.len() as u64, 8 - known_from);
            let rows = store.read(|session| {
                now(session.query("SELECT count(*) FROM removals", &[], one_number))
            });
            assert_eq!(rows.await.unwrap(), [left]);
        }
    }
}
