//! Finds many objects by their ids or names at once, so that a page needs a few statements and not
//! one for each line.

use uuid::Uuid;

use crate::store::changes::StoreHead;
use crate::store::error::StoreError;
use crate::store::kind::Kind;
use crate::store::record::Record;
use crate::store::sql::columns::{COLUMNS, read_record};
use crate::store::sql::session::{ReadRow, SqlRow, SqlSession, SqlValue, count_of, id_of};
use crate::store::sql::state::read_state;

/// Values of one statement. Two lengths are two statements, which a connection prepares once.
const LENGTHS: [usize; 2] = [25, 250];

/// Returns those of the objects that there are.
pub(in crate::store) async fn get_all(
    session: &mut impl SqlSession,
    kind: Kind,
    ids: &[Uuid],
) -> Result<Vec<Record>, StoreError> {
    let ids: Vec<_> = ids.iter().map(|id| SqlValue::Id(*id)).collect();
    let sql = format!("SELECT {COLUMNS} FROM objects WHERE kind = $1 AND id IN");
    ask(session, &sql, "", kind, &ids, read_record).await
}

/// Returns those of the objects that there are.
pub(in crate::store) async fn named_all(
    session: &mut impl SqlSession,
    kind: Kind,
    names: &[String],
) -> Result<Vec<Record>, StoreError> {
    let fit = names.iter().filter(|name| !name.contains('\0'));
    let names: Vec<_> = fit.map(|name| SqlValue::Text(name)).collect();
    let sql = format!("SELECT {COLUMNS} FROM objects WHERE kind = $1 AND name IN");
    ask(session, &sql, "", kind, &names, read_record).await
}

/// Returns those of the applications that there are, then their keys and subscriptions, and the
/// state that they are of. Those of one application are in the order of their names.
pub(in crate::store) async fn applications<S: SqlSession>(
    session: &mut S,
    ids: &[Uuid],
) -> Result<(StoreHead, Vec<Record>), StoreError> {
    let head = read_state(session).await?.head();
    let mut found = get_all(session, Kind::Application, ids).await?;
    let ids: Vec<_> = ids.iter().map(|id| SqlValue::Id(*id)).collect();
    // left to itself, SQLite would read all objects of the kind by their names
    let from = S::objects_by("objects_parent");
    let sql = format!("SELECT {COLUMNS} FROM {from} WHERE kind = $1 AND parent IN");
    for kind in [Kind::Key, Kind::Subscription] {
        found.extend(ask(session, &sql, " ORDER BY name", kind, &ids, read_record).await?);
    }
    Ok((head, found))
}

/// Returns the number of objects of a kind that belong to each of the parents, if there are any.
pub(in crate::store) async fn child_counts(
    session: &mut impl SqlSession,
    kind: Kind,
    parents: &[Uuid],
) -> Result<Vec<(Uuid, u64)>, StoreError> {
    let ids: Vec<_> = parents.iter().map(|id| SqlValue::Id(*id)).collect();
    let sql = "SELECT parent, count(*) FROM objects WHERE kind = $1 AND parent IN";
    ask(session, sql, " GROUP BY parent", kind, &ids, read_count).await
}

fn read_count(row: &dyn SqlRow) -> Result<(Uuid, u64), StoreError> {
    Ok((id_of(row, 0)?, count_of(row, 1)?))
}

/// Runs a statement over some values at a time. Unused places of a statement are filled with its
/// last value, which changes no answer.
async fn ask<T: Send>(
    session: &mut impl SqlSession,
    before: &str,
    behind: &str,
    kind: Kind,
    wanted: &[SqlValue<'_>],
    read: ReadRow<T>,
) -> Result<Vec<T>, StoreError> {
    let [short, long] = LENGTHS;
    let length = if wanted.len() > short { long } else { short };
    let places: Vec<_> = (0..length).map(|place| format!("${}", place.saturating_add(2))).collect();
    let sql = format!("{before} ({}){behind}", places.join(", "));
    let mut found = Vec::new();
    for some in wanted.chunks(length) {
        let mut values = vec![SqlValue::Text(kind.as_str())];
        values.extend_from_slice(some);
        if let Some(last) = some.last() {
            values.resize(length.saturating_add(1), last.clone());
        }
        found.extend(session.query(&sql, &values, read).await?);
    }
    Ok(found)
}
