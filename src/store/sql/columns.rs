//! Objects as rows.

use serde_json::{Map, Value};

use crate::store::error::StoreError;
use crate::store::kind::Kind;
use crate::store::record::Record;
use crate::store::sql::session::{SqlRow, SqlValue, count_of, id_of, text_of};

/// The columns that [`read_record`] reads.
pub(super) const COLUMNS: &str = "kind, id, name, place, owner, parent, target, declared, extra, \
                                  created_at, updated_at, revision";

/// The longest text that is unique: PostgreSQL has no longer entries in an index.
const MOST_NAME_BYTES: usize = 2000;

pub(super) fn read_record(row: &dyn SqlRow) -> Result<Record, StoreError> {
    Ok(Record {
        kind: read_kind(row, 0)?,
        id: id_of(row, 1)?,
        name: text_of(row, 2)?,
        place: row.text(3)?.map(str::to_owned),
        owner: row.text(4)?.map(str::to_owned),
        parent: row.id(5)?,
        target: row.text(6)?.map(str::to_owned),
        declared: read_document(row, 7)?,
        extra: read_document(row, 8)?,
        created_at: row.number(9)?,
        updated_at: row.number(10)?,
        revision: count_of(row, 11)?,
    })
}

/// A record with the place of its row.
pub(super) fn read_placed(row: &dyn SqlRow) -> Result<(Record, i64), StoreError> {
    Ok((read_record(row)?, row.number(12)?))
}

pub(super) fn read_kind(row: &dyn SqlRow, column: usize) -> Result<Kind, StoreError> {
    let name = row.text(column)?.unwrap_or_default();
    Kind::named(name).ok_or_else(|| StoreError::Unreadable(format!("{name:?} is no kind")))
}

fn read_document(row: &dyn SqlRow, column: usize) -> Result<Map<String, Value>, StoreError> {
    match row.text(column)? {
        // most documents of a million applications
        None | Some("{}") => Ok(Map::new()),
        Some(text) => serde_json::from_str(text)
            .map_err(|error| StoreError::Unreadable(format!("a document: {error}"))),
    }
}

pub(super) fn document(map: &Map<String, Value>) -> Result<String, StoreError> {
    serde_json::to_string(map).map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// Refuses texts that one of the databases could not keep.
pub(super) fn check(record: &Record) -> Result<(), StoreError> {
    let texts = [Some(&record.name), record.place.as_ref(), record.owner.as_ref()];
    for text in texts.into_iter().chain([record.target.as_ref()]).flatten() {
        if !fits(text) {
            return Err(StoreError::Unfit(record.kind));
        }
    }
    Ok(())
}

/// Tells whether both databases can keep a text in an index.
pub(super) fn fits(text: &str) -> bool {
    text.len() <= MOST_NAME_BYTES && !text.contains('\0')
}

/// The values of a row, in the order of [`COLUMNS`].
pub(super) fn values(record: &Record) -> Result<Vec<SqlValue<'_>>, StoreError> {
    Ok(vec![
        SqlValue::Text(record.kind.as_str()),
        SqlValue::Id(record.id),
        SqlValue::Text(&record.name),
        SqlValue::MaybeText(record.place.as_deref()),
        SqlValue::MaybeText(record.owner.as_deref()),
        SqlValue::MaybeId(record.parent),
        SqlValue::MaybeText(record.target.as_deref()),
        SqlValue::Owned(document(&record.declared)?),
        SqlValue::Owned(document(&record.extra)?),
        SqlValue::Number(record.created_at),
        SqlValue::Number(record.updated_at),
        SqlValue::Number(crate::store::sql::session::stored(record.revision)),
    ])
}

/// The groups that an application is shared with: `extra.groups`.
pub(super) fn groups(record: &Record) -> Vec<&str> {
    let groups = match record.extra.get("groups") {
        Some(Value::Array(groups)) if record.kind == Kind::Application => groups.as_slice(),
        _ => &[],
    };
    let mut names: Vec<_> = groups.iter().filter_map(Value::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names
}
