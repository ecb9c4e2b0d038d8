//! Reads single objects, changes and whole states.

use uuid::Uuid;

use crate::store::changes::{Changes, Head, Removal};
use crate::store::digest::StateDigest;
use crate::store::error::StoreError;
use crate::store::kind::Kind;
use crate::store::record::Record;
use crate::store::sql::columns::{COLUMNS, read_kind, read_placed, read_record};
use crate::store::sql::session::{
    SqlRow, SqlSession, SqlValue, count_of, id_of, one_number, stored, text_of,
};
use crate::store::sql::state::read_state;

/// Rows of one answer while everything is read: some hundred kilobytes.
const ROWS: i64 = 1000;

/// Of a row's place, the part that an application shares with what belongs to it.
const GROUP_BITS: u32 = 20;

pub(in crate::store) async fn get(
    session: &mut impl SqlSession,
    kind: Kind,
    id: Uuid,
) -> Result<Option<Record>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM objects WHERE kind = $1 AND id = $2");
    let values = [SqlValue::Text(kind.as_str()), SqlValue::Id(id)];
    Ok(session.query(&sql, &values, read_record).await?.into_iter().next())
}

pub(in crate::store) async fn named(
    session: &mut impl SqlSession,
    kind: Kind,
    name: &str,
) -> Result<Option<Record>, StoreError> {
    if name.contains('\0') {
        return Ok(None);
    }
    let sql = format!("SELECT {COLUMNS} FROM objects WHERE kind = $1 AND name = $2");
    let values = [SqlValue::Text(kind.as_str()), SqlValue::Text(name)];
    Ok(session.query(&sql, &values, read_record).await?.into_iter().next())
}

/// Returns what was written after a revision; the caller holds one state of the database.
pub(in crate::store) async fn changes(
    session: &mut impl SqlSession,
    after: u64,
    most: usize,
) -> Result<Changes, StoreError> {
    let state = read_state(session).await?;
    let mut complete_to = state.revision;
    let most = i64::try_from(most.max(1)).unwrap_or(i64::MAX);
    for table in ["objects", "removals"] {
        // all records of one revision come together
        let sql = format!(
            "SELECT revision FROM {table} WHERE revision > $1 ORDER BY revision \
             LIMIT 1 OFFSET $2"
        );
        let values = [SqlValue::Number(stored(after)), SqlValue::Number(most.saturating_sub(1))];
        if let Some(last) = session.query(&sql, &values, one_number).await?.into_iter().next() {
            complete_to = complete_to.min(u64::try_from(last).unwrap_or_default());
        }
    }
    let between = [SqlValue::Number(stored(after)), SqlValue::Number(stored(complete_to))];
    let sql = format!(
        "SELECT {COLUMNS} FROM objects WHERE revision > $1 AND revision <= $2 \
         ORDER BY revision, seq"
    );
    let written = session.query(&sql, &between, read_record).await?;
    let sql = "SELECT kind, id, name, parent, revision FROM removals \
               WHERE revision > $1 AND revision <= $2 ORDER BY revision";
    let removed = session.query(sql, &between, read_removal).await?;
    let known = after >= state.known_from && after <= state.revision;
    Ok(Changes { head: state.head(), written, removed, complete_to, known })
}

fn read_removal(row: &dyn SqlRow) -> Result<Removal, StoreError> {
    Ok(Removal {
        kind: read_kind(row, 0)?,
        id: id_of(row, 1)?,
        name: text_of(row, 2)?,
        parent: row.id(3)?,
        revision: count_of(row, 4)?,
    })
}

/// Reads all records of some kinds in one state of the database, which the caller holds: each
/// application, then its keys, then its subscriptions.
pub(in crate::store) async fn read_all(
    session: &mut impl SqlSession,
    kinds: &[Kind],
    each: &mut (dyn FnMut(Record) + Send),
) -> Result<Head, StoreError> {
    let head = read_state(session).await?.head();
    // names of our own, never of a caller
    let names: Vec<_> = kinds.iter().map(|kind| format!("'{}'", kind.as_str())).collect();
    let sql = format!(
        "SELECT {COLUMNS}, seq FROM objects WHERE seq > $1 AND kind IN ({}) \
         ORDER BY seq LIMIT $2",
        names.join(", ")
    );
    let mut after = -1;
    let mut family: Vec<(Record, i64)> = Vec::new();
    while !kinds.is_empty() {
        let values = [SqlValue::Number(after), SqlValue::Number(ROWS)];
        let rows = session.query(&sql, &values, read_placed).await?;
        let Some((_, last)) = rows.last() else { break };
        after = *last;
        for (record, seq) in rows {
            if family.last().is_some_and(|(_, last)| last >> GROUP_BITS != seq >> GROUP_BITS) {
                pass(&mut family, each);
            }
            family.push((record, seq));
        }
    }
    pass(&mut family, each);
    Ok(head)
}

/// Passes an application and what belongs to it, keys before subscriptions.
fn pass(family: &mut Vec<(Record, i64)>, each: &mut (dyn FnMut(Record) + Send)) {
    family.sort_by_key(|(record, seq)| (record.kind, *seq));
    family.drain(..).for_each(|(record, _)| each(record));
}

/// Returns the checksum that is kept with every change.
pub(in crate::store) async fn checksum(
    session: &mut impl SqlSession,
) -> Result<(Head, [u8; 32]), StoreError> {
    let state = read_state(session).await?;
    Ok((state.head(), state.digest.bytes()))
}

/// Adds up the checksum of what is really there.
pub(in crate::store) async fn recount(
    session: &mut impl SqlSession,
) -> Result<(Head, [u8; 32]), StoreError> {
    let mut digest = StateDigest::default();
    let head = read_all(session, &Kind::ALL, &mut |record| digest.add(&record)).await?;
    Ok((head, digest.bytes()))
}
