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
const PRUNE_EVERY: u64 = 1000;

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
    if revision.is_multiple_of(PRUNE_EVERY) {
        prune_removals(session, &mut state).await?;
    }
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

async fn prune_removals(
    session: &mut impl SqlSession,
    state: &mut StoreState,
) -> Result<(), StoreError> {
    let sql = "SELECT revision FROM removals ORDER BY revision DESC LIMIT 1 OFFSET $1";
    let oldest = session.query(sql, &[SqlValue::Number(stored(MOST_REMOVALS))], one_number).await?;
    let Some(oldest) = oldest.into_iter().next() else { return Ok(()) };
    session.run("DELETE FROM removals WHERE revision <= $1", &[SqlValue::Number(oldest)]).await?;
    state.known_from = u64::try_from(oldest).unwrap_or_default();
    Ok(())
}
