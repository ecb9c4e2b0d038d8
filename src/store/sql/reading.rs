//! Reads single objects, changes and whole states.

use uuid::Uuid;

use crate::store::changes::{Removal, StoreChanges, StoreHead};
use crate::store::digest::StateDigest;
use crate::store::error::StoreError;
use crate::store::kind::Kind;
use crate::store::record::Record;
use crate::store::sql::columns::{COLUMNS, read_kind, read_placed, read_record};
use crate::store::sql::filter::Filter;
use crate::store::sql::session::{
    SqlRow, SqlSession, SqlValue, count_of, id_of, one_number, stored, text_of,
};
use crate::store::sql::state::read_state;

/// Rows of one answer while everything is read: some hundred kilobytes.
pub(super) const ROWS: i64 = 1000;

/// The bits of a row's place that an application shares with its keys and subscriptions.
pub(super) const GROUP_BITS: u32 = 20;

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

/// Returns the changes after a revision; the caller holds one state of the database.
pub(in crate::store) async fn changes(
    session: &mut impl SqlSession,
    after: u64,
    most: usize,
) -> Result<StoreChanges, StoreError> {
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
    Ok(StoreChanges { head: state.head(), written, removed, complete_to, known })
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

/// A reading of much in one state of the database, which the caller holds.
pub(in crate::store) trait StoreReading: Send {
    type Item: Send;

    /// Returns the next object; `None` at the end.
    fn next<S: SqlSession>(
        &mut self,
        session: &mut S,
    ) -> impl Future<Output = Result<Vec<Self::Item>, StoreError>> + Send;
}

/// A reading of everything in one state of the database, which the caller holds. Applications come
/// last, each followed by its keys and its subscriptions.
#[derive(Debug)]
pub(in crate::store) struct FullReading {
    /// Kinds that are still to be read by name, the next one last.
    by_name: Vec<Kind>,
    /// The last name of the kind that is being read.
    name: Option<String>,
    of_applications: Vec<Kind>,
    seq: i64,
    family: Vec<(Record, i64)>,
    ended: bool,
}

impl FullReading {
    pub(in crate::store) fn new(kinds: &[Kind]) -> Self {
        let (of_applications, mut by_name): (Vec<Kind>, Vec<Kind>) =
            kinds.iter().partition(|kind| kind.is_of_applications());
        by_name.reverse();
        let ended = of_applications.is_empty();
        Self { by_name, name: None, of_applications, seq: -1, family: Vec::new(), ended }
    }
}

impl StoreReading for FullReading {
    type Item = Record;

    async fn next<S: SqlSession>(&mut self, session: &mut S) -> Result<Vec<Record>, StoreError> {
        while let Some(kind) = self.by_name.last() {
            let records = read_named(session, *kind, self.name.as_deref()).await?;
            self.name = records.last().map(|record| record.name.clone());
            if !records.is_empty() {
                return Ok(records);
            }
            self.by_name.pop();
        }
        let mut whole = Vec::new();
        while whole.is_empty() && !self.ended {
            let rows = read_rows(session, self.seq).await?;
            self.ended = rows.is_empty();
            for (record, seq) in rows {
                if self.seq >> GROUP_BITS != seq >> GROUP_BITS {
                    finish(&mut self.family, &mut whole);
                }
                self.seq = seq;
                if self.of_applications.contains(&record.kind) {
                    self.family.push((record, seq));
                }
            }
            if self.ended {
                finish(&mut self.family, &mut whole);
            }
        }
        Ok(whole)
    }
}

/// Moves an application with its keys and then its subscriptions.
fn finish(family: &mut Vec<(Record, i64)>, whole: &mut Vec<Record>) {
    family.sort_by_key(|(record, seq)| (record.kind, *seq));
    whole.extend(family.drain(..).map(|(record, _)| record));
}

async fn read_named(
    session: &mut impl SqlSession,
    kind: Kind,
    after: Option<&str>,
) -> Result<Vec<Record>, StoreError> {
    let mut filter = Filter::default();
    filter.equals("kind", SqlValue::Text(kind.as_str()));
    if let Some(after) = after {
        filter.compare("name", ">", SqlValue::Text(after));
    }
    let clause = filter.clause().to_owned();
    let limit = filter.value(SqlValue::Number(ROWS));
    let sql = format!("SELECT {COLUMNS} FROM objects {clause} ORDER BY name LIMIT {limit}");
    session.query(&sql, filter.values(), read_record).await
}

/// Reads the next rows behind one, in their order. They are not narrowed to some kinds: a database
/// would take that for a reason to sort them all for each answer.
pub(in crate::store) async fn read_rows(
    session: &mut impl SqlSession,
    after: i64,
) -> Result<Vec<(Record, i64)>, StoreError> {
    let sql = format!("SELECT {COLUMNS}, seq FROM objects WHERE seq > $1 ORDER BY seq LIMIT $2");
    let values = [SqlValue::Number(after), SqlValue::Number(ROWS)];
    session.query(&sql, &values, read_placed).await
}

/// Returns the checksum that is kept with every change.
pub(in crate::store) async fn checksum(
    session: &mut impl SqlSession,
) -> Result<(StoreHead, [u8; 32]), StoreError> {
    let state = read_state(session).await?;
    Ok((state.head(), state.digest.bytes()))
}

/// Computes the checksum over the stored rows.
pub(in crate::store) async fn recount(
    session: &mut impl SqlSession,
) -> Result<(StoreHead, [u8; 32]), StoreError> {
    let mut digest = StateDigest::default();
    let head = read_state(session).await?.head();
    let mut after = -1;
    loop {
        let rows = read_rows(session, after).await?;
        let Some((_, last)) = rows.last() else { return Ok((head, digest.bytes())) };
        after = *last;
        for (record, _) in &rows {
            digest.add(record);
        }
    }
}
