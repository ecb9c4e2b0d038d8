//! One connection to the server.

use std::collections::HashMap;
use std::error::Error as _;

use bytes::BytesMut;
use tokio::task::JoinSet;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Error, Row, Statement};
use uuid::Uuid;

use crate::store::error::StoreError;
use crate::store::sql::{ReadRow, SqlRow, SqlSession, SqlValue};

/// Prepared statements of a connection. There are fewer, except for lists of many groups.
const STATEMENTS: usize = 200;

/// The lock of all writers of a store: "portculi" in ASCII.
const WRITE_LOCK: i64 = 0x706f_7274_6375_6c69;

/// The channel on which writers announce new revisions.
pub(super) const CHANNEL: &str = "portcullis_store";

/// The longest text of an error that is passed on.
const MOST_TOLD: usize = 300;

#[derive(Debug)]
pub(super) struct PostgresSession {
    client: Client,
    statements: HashMap<String, Statement>,
    /// Moves the connection's bytes, and ends with it.
    _driver: JoinSet<()>,
}

impl PostgresSession {
    pub(super) fn new(client: Client, driver: JoinSet<()>) -> Self {
        Self { client, statements: HashMap::new(), _driver: driver }
    }

    /// Runs statements that take no values.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.client.batch_execute(sql).await.map_err(told)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    async fn prepared(&mut self, sql: &str) -> Result<Statement, StoreError> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await.map_err(told)?;
        if self.statements.len() >= STATEMENTS {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

impl SqlSession for PostgresSession {
    async fn query<T: Send>(
        &mut self,
        sql: &str,
        values: &[SqlValue<'_>],
        read: ReadRow<T>,
    ) -> Result<Vec<T>, StoreError> {
        let statement = self.prepared(sql).await?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        let rows = self.client.query(&statement, &values).await.map_err(told)?;
        rows.iter().map(|row| read(row)).collect()
    }

    async fn run(&mut self, sql: &str, values: &[SqlValue<'_>]) -> Result<(), StoreError> {
        let statement = self.prepared(sql).await?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        self.client.execute(&statement, &values).await.map(drop).map_err(told)
    }

    /// The server's planner knows how many rows there are.
    fn objects_by_place() -> &'static str {
        "objects"
    }

    fn by_index(table: &'static str, _index: &'static str) -> String {
        table.to_owned()
    }

    /// Writers come one after another, so that revisions become visible in their order.
    async fn exclude(&mut self) -> Result<(), StoreError> {
        self.run("SELECT pg_advisory_xact_lock($1)", &[SqlValue::Number(WRITE_LOCK)]).await
    }

    async fn announce(&mut self, revision: i64) -> Result<(), StoreError> {
        let values = [SqlValue::Text(CHANNEL), SqlValue::Owned(revision.to_string())];
        self.run("SELECT pg_notify($1, $2)", &values).await
    }
}

impl SqlRow for Row {
    fn text(&self, column: usize) -> Result<Option<&str>, StoreError> {
        self.try_get(column).map_err(told)
    }

    fn number(&self, column: usize) -> Result<i64, StoreError> {
        self.try_get(column).map_err(told)
    }

    fn id(&self, column: usize) -> Result<Option<Uuid>, StoreError> {
        self.try_get(column).map_err(told)
    }

    fn bytes(&self, column: usize) -> Result<&[u8], StoreError> {
        self.try_get(column).map_err(told)
    }
}

impl ToSql for SqlValue<'_> {
    fn to_sql(
        &self,
        wanted: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Text(text) => text.to_sql_checked(wanted, out),
            Self::MaybeText(text) => text.to_sql_checked(wanted, out),
            Self::Owned(text) => text.to_sql_checked(wanted, out),
            Self::Number(number) => number.to_sql_checked(wanted, out),
            Self::Id(id) => id.to_sql_checked(wanted, out),
            Self::MaybeId(id) => id.to_sql_checked(wanted, out),
            Self::Bytes(bytes) => bytes.to_sql_checked(wanted, out),
        }
    }

    /// Accepts all types, because each value checks its own.
    fn accepts(_wanted: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Words an error of the library as one of the store: on one line, with its cause.
#[allow(clippy::needless_pass_by_value, reason = "results give it away")]
pub(super) fn told(error: Error) -> StoreError {
    if error.code() == Some(&SqlState::DISK_FULL) {
        return StoreError::Full;
    }
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    let text = format!("PostgreSQL: {error}{cause}")
        .chars()
        .take(MOST_TOLD)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    StoreError::Unavailable(text)
}
