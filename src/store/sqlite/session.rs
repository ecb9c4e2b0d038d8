//! One connection to the database file.

use std::future::ready;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, ToSql, params_from_iter};
use uuid::Uuid;

use crate::store::error::StoreError;
use crate::store::sql::{ReadRow, SqlRow, SqlSession, SqlValue};

/// The time to wait for another process, such as an export: a write takes milliseconds.
const BUSY: Duration = Duration::from_secs(5);

/// Prepared statements that are kept; there are fewer.
const STATEMENTS: usize = 128;

/// Each connection sees its changes and lists by itself. The log of changes shrinks to 64 MiB after
/// a large import, and nothing is written outside of the database's folder.
const SETTINGS: &str = "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; \
                        PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864; \
                        PRAGMA cache_size = -16384;";

#[derive(Debug)]
pub(in crate::store) struct SqliteSession {
    connection: Connection,
}

impl SqliteSession {
    pub(in crate::store) fn open(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(told)?;
        connection.busy_timeout(BUSY).map_err(told)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let mode: String = connection
            .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
            .map_err(told)?;
        if mode != "wal" {
            let text = format!("the file system of {} has no shared memory", path.display());
            return Err(StoreError::Unavailable(text));
        }
        connection.execute_batch(SETTINGS).map_err(told)?;
        Ok(Self { connection })
    }

    /// Opens a database that this connection changes nothing in, not even its mode.
    pub(in crate::store) fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(told)?;
        connection.busy_timeout(BUSY).map_err(told)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self { connection })
    }

    /// Runs statements that take no values.
    pub(in crate::store) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.connection.execute_batch(sql).map_err(told)
    }

    /// Tells whether no transaction is open: SQLite may give one up by itself.
    pub(super) fn outside_transaction(&self) -> bool {
        self.connection.is_autocommit()
    }

    /// Runs work on one state of the database.
    pub(super) fn reading<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.between("BEGIN", work)
    }

    /// Runs work that is kept whole or not at all.
    pub(in crate::store) fn writing<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.between("BEGIN IMMEDIATE", work)
    }

    fn between<T>(
        &mut self,
        begin: &str,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.batch(begin)?;
        let done = work(self).and_then(|done| self.batch("COMMIT").map(|()| done));
        if done.is_err() && !self.outside_transaction() {
            self.batch("ROLLBACK")?;
        }
        done
    }

    fn rows<T>(
        &self,
        sql: &str,
        values: &[SqlValue<'_>],
        read: ReadRow<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(&numbered(sql)).map_err(told)?;
        let mut rows = statement.query(params_from_iter(values)).map_err(told)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(told)? {
            all.push(read(row)?);
        }
        Ok(all)
    }

    fn execute(&self, sql: &str, values: &[SqlValue<'_>]) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached(&numbered(sql)).map_err(told)?;
        statement.execute(params_from_iter(values)).map(drop).map_err(told)
    }
}

impl SqlSession for SqliteSession {
    fn query<T: Send>(
        &mut self,
        sql: &str,
        values: &[SqlValue<'_>],
        read: ReadRow<T>,
    ) -> impl Future<Output = Result<Vec<T>, StoreError>> + Send {
        ready(self.rows(sql, values, read))
    }

    fn run(
        &mut self,
        sql: &str,
        values: &[SqlValue<'_>],
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        ready(self.execute(sql, values))
    }

    fn objects_by_place() -> &'static str {
        // left to itself, SQLite would read all objects of the kind
        "objects NOT INDEXED"
    }

    fn by_index(table: &'static str, index: &'static str) -> String {
        format!("{table} INDEXED BY {index}")
    }

    /// The transaction began as the only one that writes.
    fn exclude(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send {
        ready(Ok(()))
    }

    /// The writer tells followers after the commit.
    fn announce(&mut self, _revision: i64) -> impl Future<Output = Result<(), StoreError>> + Send {
        ready(Ok(()))
    }
}

/// Finishes work on a session of SQLite, which never waits for anything.
pub(in crate::store) fn now<T>(
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => Err(StoreError::Unavailable("SQLite does not wait".to_owned())),
    }
}

/// Returns the statement with SQLite's sign for values.
fn numbered(sql: &str) -> String {
    sql.replace('$', "?")
}

impl SqlRow for Row<'_> {
    fn text(&self, column: usize) -> Result<Option<&str>, StoreError> {
        let value = self.get_ref(column).map_err(told)?;
        value.as_str_or_null().map_err(|error| StoreError::Unreadable(error.to_string()))
    }

    fn number(&self, column: usize) -> Result<i64, StoreError> {
        self.get(column).map_err(told)
    }

    fn id(&self, column: usize) -> Result<Option<Uuid>, StoreError> {
        let unreadable = |error: String| StoreError::Unreadable(error);
        let value = self.get_ref(column).map_err(told)?;
        let bytes = value.as_blob_or_null().map_err(|error| unreadable(error.to_string()))?;
        bytes.map(Uuid::from_slice).transpose().map_err(|error| unreadable(error.to_string()))
    }

    fn bytes(&self, column: usize) -> Result<&[u8], StoreError> {
        let value = self.get_ref(column).map_err(told)?;
        value.as_blob().map_err(|error| StoreError::Unreadable(error.to_string()))
    }
}

impl ToSql for SqlValue<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Text(text) | Self::MaybeText(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Owned(text) => ValueRef::Text(text.as_bytes()),
            Self::Number(number) => ValueRef::Integer(*number),
            Self::Id(id) | Self::MaybeId(Some(id)) => ValueRef::Blob(id.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
            Self::MaybeText(None) | Self::MaybeId(None) => ValueRef::Null,
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

/// Words an error of the library as one of the store.
#[allow(clippy::needless_pass_by_value, reason = "results give it away")]
fn told(error: rusqlite::Error) -> StoreError {
    let rusqlite::Error::SqliteFailure(failure, _) = &error else {
        return StoreError::Unreadable(error.to_string());
    };
    match failure.code {
        ErrorCode::DiskFull => StoreError::Full,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            StoreError::Unreadable(error.to_string())
        }
        _ => StoreError::Unavailable(error.to_string()),
    }
}
