//! One connection to a database, with the parts that SQLite and PostgreSQL share.

use uuid::Uuid;

use crate::store::error::StoreError;

/// A value of a statement, numbered `$1`, `$2` and so on.
#[derive(Debug, Clone)]
pub(in crate::store) enum SqlValue<'v> {
    Text(&'v str),
    MaybeText(Option<&'v str>),
    Owned(String),
    Number(i64),
    Id(Uuid),
    MaybeId(Option<Uuid>),
    Bytes(&'v [u8]),
}

/// One row of an answer, its columns counted from 0.
pub(in crate::store) trait SqlRow {
    fn text(&self, column: usize) -> Result<Option<&str>, StoreError>;
    fn number(&self, column: usize) -> Result<i64, StoreError>;
    fn id(&self, column: usize) -> Result<Option<Uuid>, StoreError>;
    fn bytes(&self, column: usize) -> Result<&[u8], StoreError>;
}

/// Reads one row.
pub(in crate::store) type ReadRow<T> = fn(&dyn SqlRow) -> Result<T, StoreError>;

/// A connection. Statements are written once for both databases.
pub(in crate::store) trait SqlSession: Send {
    fn query<T: Send>(
        &mut self,
        sql: &str,
        values: &[SqlValue<'_>],
        read: ReadRow<T>,
    ) -> impl Future<Output = Result<Vec<T>, StoreError>> + Send;

    /// Runs a statement that answers nothing.
    fn run(
        &mut self,
        sql: &str,
        values: &[SqlValue<'_>],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Names the table with the index that a statement must use.
    fn by_index(table: &'static str, index: &'static str) -> String;

    /// Names the table of objects, whose rows are found by their places and by no index.
    fn objects_by_place() -> &'static str;

    /// Names the table of objects with the index that a list must use.
    fn objects_by(index: &'static str) -> String {
        Self::by_index("objects", index)
    }

    /// Keeps other writers out until the transaction ends.
    fn exclude(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Tells the followers of a new revision when the transaction is committed.
    fn announce(&mut self, revision: i64) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Reads a number that is alone in its row.
pub(in crate::store) fn one_number(row: &dyn SqlRow) -> Result<i64, StoreError> {
    row.number(0)
}

/// Returns the number of an answer of [`one_number`]; 0 without a row.
pub(in crate::store) fn only_count(found: &[i64]) -> u64 {
    found.first().map_or(0, |number| u64::try_from(*number).unwrap_or_default())
}

/// Reads a text that must be there.
pub(in crate::store) fn text_of(row: &dyn SqlRow, column: usize) -> Result<String, StoreError> {
    row.text(column)?.map(str::to_owned).ok_or_else(|| missing(column))
}

/// Reads an id that must be there.
pub(in crate::store) fn id_of(row: &dyn SqlRow, column: usize) -> Result<Uuid, StoreError> {
    row.id(column)?.ok_or_else(|| missing(column))
}

/// Reads a number that is never negative.
pub(in crate::store) fn count_of(row: &dyn SqlRow, column: usize) -> Result<u64, StoreError> {
    let number = row.number(column)?;
    u64::try_from(number).map_err(|_| StoreError::Unreadable(format!("{number} is negative")))
}

/// Returns a number in the type that databases keep.
pub(in crate::store) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn missing(column: usize) -> StoreError {
    StoreError::Unreadable(format!("column {column} is empty"))
}
