//! Writes and removes the row of one object, with everything that is counted of it.

use uuid::Uuid;

use crate::store::error::StoreError;
use crate::store::kind::Kind;
use crate::store::record::Record;
use crate::store::sql::columns::{COLUMNS, check, groups, read_placed, values};
use crate::store::sql::counts::{count_in, count_out, policy_of};
use crate::store::sql::session::{SqlSession, SqlValue, id_of, one_number, stored};
use crate::store::sql::state::StoreState;

/// The distance of two applications' first rows; their keys and subscriptions stand in between.
const GROUP: i64 = 1 << 20;

/// Finds an object with the place of its row.
pub(super) async fn find(
    session: &mut impl SqlSession,
    kind: Kind,
    id: Uuid,
) -> Result<Option<(Record, i64)>, StoreError> {
    let sql = format!("SELECT {COLUMNS}, seq FROM objects WHERE kind = $1 AND id = $2");
    let values = [SqlValue::Text(kind.as_str()), SqlValue::Id(id)];
    Ok(session.query(&sql, &values, read_placed).await?.into_iter().next())
}

/// Refuses a record if another object has its name or its place.
pub(super) async fn refuse_taken(
    session: &mut impl SqlSession,
    record: &Record,
) -> Result<(), StoreError> {
    check(record)?;
    let texts = [("name", Some(&record.name)), ("place", record.place.as_ref())];
    for (column, text) in texts {
        let Some(text) = text else { continue };
        let sql = format!("SELECT id FROM objects WHERE kind = $1 AND {column} = $2");
        let values = [SqlValue::Text(record.kind.as_str()), SqlValue::Text(text)];
        let found = session.query(&sql, &values, |row| id_of(row, 0)).await?;
        if let Some(holder) = found.into_iter().find(|holder| *holder != record.id) {
            return Err(StoreError::Taken { kind: record.kind, name: text.clone(), holder });
        }
    }
    Ok(())
}

/// Writes a new row.
pub(super) async fn insert(
    session: &mut impl SqlSession,
    state: &mut StoreState,
    record: &Record,
) -> Result<(), StoreError> {
    let seq = place_for(session, state, record).await?;
    let sql = format!(
        "INSERT INTO objects ({COLUMNS}, seq) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
    );
    let mut row = values(record)?;
    row.push(SqlValue::Number(seq));
    session.run(&sql, &row).await?;
    let key = [SqlValue::Text(record.kind.as_str()), SqlValue::Id(record.id)];
    session.run("DELETE FROM removals WHERE kind = $1 AND id = $2", &key).await?;
    join_groups(session, record, seq).await?;
    state.digest.add(record);
    count_in(session, record).await
}

/// Replaces a row. An object that moved to another parent gets a row beside that.
pub(super) async fn replace(
    session: &mut impl SqlSession,
    state: &mut StoreState,
    (old, seq): (&Record, i64),
    record: &Record,
) -> Result<(), StoreError> {
    if old.parent != record.parent {
        delete_row(session, state, (old, seq)).await?;
        return insert(session, state, record).await;
    }
    let sql = "UPDATE objects SET kind = $1, id = $2, name = $3, place = $4, owner = $5, \
               parent = $6, target = $7, declared = $8, extra = $9, created_at = $10, \
               updated_at = $11, revision = $12 WHERE seq = $13";
    let mut row = values(record)?;
    row.push(SqlValue::Number(seq));
    session.run(sql, &row).await?;
    if groups(old) != groups(record) {
        session.run("DELETE FROM memberships WHERE seq = $1", &[SqlValue::Number(seq)]).await?;
        join_groups(session, record, seq).await?;
    }
    state.digest.remove(old);
    state.digest.add(record);
    let counted = |own: &'_ Record| {
        (own.name.clone(), own.owner.clone(), own.target.clone(), policy_of(own).map(str::to_owned))
    };
    if counted(old) != counted(record) {
        count_out(session, old).await?;
        count_in(session, record).await?;
    }
    Ok(())
}

/// Removes a row and remembers that it is gone.
pub(super) async fn remove(
    session: &mut impl SqlSession,
    state: &mut StoreState,
    (old, seq): (&Record, i64),
    revision: u64,
) -> Result<(), StoreError> {
    delete_row(session, state, (old, seq)).await?;
    let sql = "INSERT INTO removals (kind, id, name, parent, revision) \
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (kind, id) DO UPDATE SET \
               name = excluded.name, parent = excluded.parent, revision = excluded.revision";
    let values = [
        SqlValue::Text(old.kind.as_str()),
        SqlValue::Id(old.id),
        SqlValue::Text(&old.name),
        SqlValue::MaybeId(old.parent),
        SqlValue::Number(stored(revision)),
    ];
    session.run(sql, &values).await?;
    if old.kind == Kind::Application {
        let gone = [SqlValue::Id(old.id)];
        session.run("DELETE FROM last_uses WHERE application = $1", &gone).await?;
    }
    Ok(())
}

async fn delete_row(
    session: &mut impl SqlSession,
    state: &mut StoreState,
    (old, seq): (&Record, i64),
) -> Result<(), StoreError> {
    session.run("DELETE FROM objects WHERE seq = $1", &[SqlValue::Number(seq)]).await?;
    if !groups(old).is_empty() {
        session.run("DELETE FROM memberships WHERE seq = $1", &[SqlValue::Number(seq)]).await?;
    }
    state.digest.remove(old);
    count_out(session, old).await
}

async fn join_groups(
    session: &mut impl SqlSession,
    record: &Record,
    seq: i64,
) -> Result<(), StoreError> {
    for group in groups(record) {
        let values = [SqlValue::Text(group), SqlValue::Number(seq)];
        session.run("INSERT INTO memberships (grp, seq) VALUES ($1, $2)", &values).await?;
    }
    Ok(())
}

/// Finds a row beside the parent's, or the first of a new group.
async fn place_for(
    session: &mut impl SqlSession,
    state: &mut StoreState,
    record: &Record,
) -> Result<i64, StoreError> {
    let parent_kind = match record.kind {
        Kind::Key | Kind::Subscription => Some(Kind::Application),
        Kind::ApiRevision => Some(Kind::Api),
        _ => None,
    };
    if let (Some(kind), Some(parent)) = (parent_kind, record.parent) {
        let values = [SqlValue::Text(kind.as_str()), SqlValue::Id(parent)];
        let sql = "SELECT seq FROM objects WHERE kind = $1 AND id = $2";
        let found = session.query(sql, &values, one_number).await?;
        if let Some(first) = found.first()
            && let Some(free) = free_beside(session, *first).await?
        {
            return Ok(free);
        }
    }
    let group = state.next_group;
    state.next_group = group.saturating_add(1);
    Ok(group.saturating_mul(GROUP))
}

async fn free_beside(session: &mut impl SqlSession, first: i64) -> Result<Option<i64>, StoreError> {
    let end = first.saturating_add(GROUP);
    let within = [SqlValue::Number(first), SqlValue::Number(end)];
    let last = "SELECT max(seq) FROM objects WHERE seq >= $1 AND seq < $2";
    let found = session.query(last, &within, one_number).await?;
    let next = found.first().map_or(end, |last| last.saturating_add(1));
    if next < end {
        return Ok(Some(next));
    }
    // the last one is taken, but earlier ones may be free
    let gap = "SELECT seq + 1 FROM objects AS o WHERE seq >= $1 AND seq + 1 < $2 AND NOT EXISTS \
               (SELECT 1 FROM objects AS n WHERE n.seq = o.seq + 1) ORDER BY seq LIMIT 1";
    Ok(session.query(gap, &within, one_number).await?.into_iter().next())
}
