//! Reads the served objects in one state of the database, which the caller holds.

use crate::store::error::StoreError;
use crate::store::kind::Kind;
use crate::store::served::{Served, ServedApplication};
use crate::store::sql::columns::read_kind;
use crate::store::sql::reading::{FullReading, GROUP_BITS, ROWS, StoreReading};
use crate::store::sql::session::{SqlRow, SqlSession, SqlValue, count_of, text_of};

/// Some kinds by name first, then applications, each with its keys and subscriptions.
#[derive(Debug)]
pub(in crate::store) struct ServedReading {
    tables: FullReading,
    seq: i64,
    family: Option<ApplicationRows>,
    ended: bool,
}

/// An application whose rows are being read.
#[derive(Debug)]
struct ApplicationRows {
    /// The part of `seq` that its rows have in common.
    group: i64,
    revision: u64,
    application: String,
    keys: String,
    subscriptions: String,
}

/// The columns of a row that are needed.
struct ApplicationRow {
    kind: Kind,
    document: String,
    revision: u64,
    seq: i64,
}

impl ServedReading {
    pub(in crate::store) fn new(tables: &[Kind]) -> Self {
        Self { tables: FullReading::new(tables), seq: -1, family: None, ended: false }
    }

    fn take(&mut self, row: ApplicationRow, whole: &mut Vec<Served>) {
        self.seq = row.seq;
        let group = row.seq >> GROUP_BITS;
        if row.kind == Kind::Application {
            whole.extend(self.family.take().map(ApplicationRows::finish));
            self.family = Some(ApplicationRows {
                group,
                revision: row.revision,
                application: row.document,
                keys: String::new(),
                subscriptions: String::new(),
            });
            return;
        }
        // nothing of one application ever counts for another
        let Some(family) = self.family.as_mut().filter(|own| own.group == group) else { return };
        let list = match row.kind {
            Kind::Key => &mut family.keys,
            Kind::Subscription => &mut family.subscriptions,
            _ => return,
        };
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(&row.document);
        family.revision = family.revision.max(row.revision);
    }
}

impl ApplicationRows {
    fn finish(self) -> Served {
        let Self { revision, application: mut line, keys, subscriptions, .. } = self;
        // "{...}" is opened once more
        line.pop();
        if line.len() > 1 {
            line.push(',');
        }
        for part in ["\"keys\":[", &keys, "],\"subscriptions\":[", &subscriptions, "]}"] {
            line.push_str(part);
        }
        Served::Application(ServedApplication { revision, line })
    }
}

impl StoreReading for ServedReading {
    type Item = Served;

    async fn next<S: SqlSession>(&mut self, session: &mut S) -> Result<Vec<Served>, StoreError> {
        let tables = self.tables.next(session).await?;
        if !tables.is_empty() {
            return Ok(tables.into_iter().map(Served::Table).collect());
        }
        let sql = "SELECT kind, declared, revision, seq FROM objects WHERE seq > $1 \
                   ORDER BY seq LIMIT $2";
        let mut whole = Vec::new();
        while whole.is_empty() && !self.ended {
            let values = [SqlValue::Number(self.seq), SqlValue::Number(ROWS)];
            let rows = session.query(sql, &values, read_row).await?;
            self.ended = rows.is_empty();
            for row in rows {
                self.take(row, &mut whole);
            }
            if self.ended {
                whole.extend(self.family.take().map(ApplicationRows::finish));
            }
        }
        Ok(whole)
    }
}

fn read_row(row: &dyn SqlRow) -> Result<ApplicationRow, StoreError> {
    Ok(ApplicationRow {
        kind: read_kind(row, 0)?,
        document: text_of(row, 1)?,
        revision: count_of(row, 2)?,
        seq: row.number(3)?,
    })
}
