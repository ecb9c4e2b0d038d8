//! The audit log: one entry for each changed object, written in the transaction of the change.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::store::audit::{AuditEntry, AuditQuery, FieldChange};
use crate::store::difference::difference;
use crate::store::error::StoreError;
use crate::store::query::StorePage;
use crate::store::record::Record;
use crate::store::sql::columns::read_kind;
use crate::store::sql::filter::Filter;
use crate::store::sql::session::{
    SqlRow, SqlSession, SqlValue, count_of, id_of, one_number, only_count, stored, text_of,
};
use crate::store::write::Write;

/// The oldest entries go when there are more: nothing that callers can grow is without a bound.
pub(super) const MOST_ENTRIES: i64 = 1_000_000;

/// The most entries of one page.
const MOST_LISTED: u64 = 1000;

/// The most entries that a narrowed list counts and shows: counting a million takes long.
const MOST_COUNTED: u64 = 10_000;

/// The entries of one write.
#[derive(Debug)]
pub(super) struct AuditTrail<'w> {
    write: &'w Write,
    address: Option<String>,
    revision: u64,
    at: i64,
    last: i64,
}

impl<'w> AuditTrail<'w> {
    pub(super) async fn begin(
        session: &mut impl SqlSession,
        write: &'w Write,
        revision: u64,
        at: i64,
    ) -> Result<Self, StoreError> {
        let last =
            session.query("SELECT coalesce(max(entry), 0) FROM audit", &[], one_number).await?;
        Ok(Self {
            write,
            address: write.author.address.map(|address| address.to_string()),
            revision,
            at,
            last: last.first().copied().unwrap_or_default(),
        })
    }

    pub(super) async fn note(
        &mut self,
        session: &mut impl SqlSession,
        before: Option<&Record>,
        after: Option<&Record>,
    ) -> Result<(), StoreError> {
        let Some(object) = after.or(before) else { return Ok(()) };
        self.last = self.last.saturating_add(1);
        let sql = "INSERT INTO audit \
                   (entry, revision, at, author, address, action, kind, id, name, fields) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        // no database keeps a NUL in a text
        let author = self.write.author.name.replace('\0', "");
        let values = [
            SqlValue::Number(self.last),
            SqlValue::Number(stored(self.revision)),
            SqlValue::Number(self.at),
            SqlValue::Text(&author),
            SqlValue::MaybeText(self.address.as_deref()),
            SqlValue::Text(self.write.action),
            SqlValue::Text(object.kind.as_str()),
            SqlValue::Id(object.id),
            SqlValue::Text(&object.name),
            SqlValue::Owned(written(difference(before, after))),
        ];
        session.run(sql, &values).await
    }

    /// Deletes the oldest entries if there are too many: at most twice as many as this write added,
    /// so that no write must remove a million.
    pub(super) async fn prune(
        self,
        session: &mut impl SqlSession,
        most: i64,
    ) -> Result<(), StoreError> {
        let sql = "SELECT coalesce(min(entry), 0) FROM audit";
        let first = session.query(sql, &[], one_number).await?;
        let first = first.first().copied().unwrap_or_default();
        let surplus = self.last.saturating_sub(first).saturating_add(1).saturating_sub(most);
        if surplus <= 0 {
            return Ok(());
        }
        let added = i64::try_from(self.write.changes.len()).unwrap_or(i64::MAX);
        let gone = surplus.min(added.saturating_mul(2));
        let values = [SqlValue::Number(first.saturating_add(gone))];
        session.run("DELETE FROM audit WHERE entry < $1", &values).await
    }
}

fn written(fields: Vec<FieldChange>) -> String {
    let fields = fields.into_iter().map(|change| {
        let FieldChange { field, before, after } = change;
        json!({"field": field, "before": before.map(|value| [value]),
               "after": after.map(|value| [value])})
    });
    Value::Array(fields.collect()).to_string()
}

fn read_fields(text: &str) -> Option<Vec<FieldChange>> {
    let Ok(Value::Array(fields)) = serde_json::from_str(text) else { return None };
    // in a list of one: a value of null is not the same as no value
    let side = |field: &Value, name| field.get(name)?.get(0).cloned();
    fields
        .iter()
        .map(|field| {
            Some(FieldChange {
                field: field.get("field")?.as_str()?.to_owned(),
                before: side(field, "before"),
                after: side(field, "after"),
            })
        })
        .collect()
}

/// Lists entries, the latest first. Of a narrowed list the latest [`MOST_COUNTED`] are shown.
pub(in crate::store) async fn audit(
    session: &mut impl SqlSession,
    query: &AuditQuery,
) -> Result<StorePage<AuditEntry>, StoreError> {
    let mut filter = Filter::default();
    if let Some(author) = &query.author {
        filter.equals("author", SqlValue::Text(author));
    }
    if let Some(kind) = query.kind {
        filter.equals("kind", SqlValue::Text(kind.as_str()));
    }
    if let Some(id) = query.id {
        filter.equals("id", SqlValue::Id(id));
    }
    if let Some(since) = query.since {
        filter.compare("at", ">=", SqlValue::Number(since));
        if let Some(first) = first_since(session, since).await? {
            filter.compare("entry", ">=", SqlValue::Number(first));
        }
    }
    if filter.clause().is_empty() {
        return everything(session, query).await;
    }
    let counted = stored(MOST_COUNTED);
    let clause = filter.clause().to_owned();
    let mut values = filter.values().to_vec();
    values.push(SqlValue::Number(counted));
    let most = values.len();
    let sql =
        format!("SELECT count(*) FROM (SELECT entry FROM audit {clause} LIMIT ${most}) AS found");
    let total = only_count(&session.query(&sql, &values, one_number).await?);
    let limit = query.limit.min(MOST_LISTED).min(total.saturating_sub(query.offset));
    let items = entries(session, filter, limit, query.offset).await?;
    Ok(StorePage { total, items })
}

/// Lists entries of all kinds: their numbers have no gaps.
async fn everything(
    session: &mut impl SqlSession,
    query: &AuditQuery,
) -> Result<StorePage<AuditEntry>, StoreError> {
    let ends = "SELECT coalesce(max(entry), 0) FROM audit UNION ALL \
                SELECT coalesce(min(entry), 1) FROM audit";
    let ends = session.query(ends, &[], one_number).await?;
    let [last, first] = ends.as_slice() else {
        return Ok(StorePage { total: 0, items: Vec::new() });
    };
    let total = u64::try_from(last.saturating_sub(*first).saturating_add(1)).unwrap_or_default();
    let mut filter = Filter::default();
    let from = last.saturating_sub(stored(query.offset));
    filter.compare("entry", "<=", SqlValue::Number(from));
    let items = entries(session, filter, query.limit.min(MOST_LISTED), 0).await?;
    Ok(StorePage { total, items })
}

async fn entries(
    session: &mut impl SqlSession,
    mut filter: Filter<'_>,
    limit: u64,
    offset: u64,
) -> Result<Vec<AuditEntry>, StoreError> {
    let clause = filter.clause().to_owned();
    let (limit, offset) = (filter.number(limit), filter.number(offset));
    let sql = format!(
        "SELECT revision, at, author, address, action, kind, id, name, fields FROM audit {clause} \
         ORDER BY entry DESC LIMIT {limit} OFFSET {offset}"
    );
    session.query(&sql, filter.values(), read_entry).await
}

/// Returns the first entry since a time; `None` if there are so many since then that one is soon
/// found among the latest.
async fn first_since(session: &mut impl SqlSession, since: i64) -> Result<Option<i64>, StoreError> {
    // clocks can go back, so the first by time may not be the first of all
    let sql = "SELECT count(*), coalesce(min(entry), 0) FROM \
               (SELECT entry FROM audit WHERE at >= $1 LIMIT $2) AS found";
    let most = stored(MOST_COUNTED);
    let values = [SqlValue::Number(since), SqlValue::Number(most)];
    let found = session.query(sql, &values, |row| Ok((row.number(0)?, row.number(1)?))).await?;
    Ok(found.into_iter().next().filter(|(count, _)| *count < most).map(|(_, first)| first))
}

fn read_entry(row: &dyn SqlRow) -> Result<AuditEntry, StoreError> {
    let fields = row.text(8)?.and_then(read_fields);
    Ok(AuditEntry {
        revision: count_of(row, 0)?,
        at: row.number(1)?,
        author: text_of(row, 2)?,
        address: row.text(3)?.and_then(|address| address.parse::<IpAddr>().ok()),
        action: text_of(row, 4)?,
        kind: read_kind(row, 5)?,
        id: id_of(row, 6)?,
        name: text_of(row, 7)?,
        fields: fields
            .ok_or_else(|| StoreError::Unreadable("the fields of an audit entry".to_owned()))?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::sqlite::{SqliteStore, now};
    use crate::store::suite::{SetClock, application, write_of};
    use crate::store::{Change, Store};

    #[tokio::test]
    async fn the_oldest_entries_go_some_with_each_write() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SetClock::default());
        let store = SqliteStore::open(&folder.path().join("db"), clock).unwrap();
        for n in 0..10 {
            let created = Change::Create(application(&format!("a{n}"), "anna"));
            store.write(write_of(vec![created])).await.unwrap();
        }
        for (most, left) in [(20, 10), (10, 10), (5, 8), (5, 6), (5, 5), (5, 5)] {
            let prune = move |session: &mut crate::store::sqlite::SqliteSession| {
                let write = write_of(vec![Change::Create(application("one", "anna"))]);
                now(async {
                    let trail = AuditTrail::begin(session, &write, 11, 0).await?;
                    trail.prune(session, most).await
                })
            };
            store.work(prune).await.unwrap();
            let page =
                store.audit(&AuditQuery { limit: 20, ..AuditQuery::default() }).await.unwrap();
            assert_eq!(page.total, left);
            assert!(page.items.iter().all(|entry| entry.revision > 10 - left));
        }
    }
}
