//! The numbered steps that bring a database to today's tables. Steps go forward only.

use uuid::Uuid;

use crate::store::digest::StateDigest;
use crate::store::error::StoreError;
use crate::store::sql::session::{SqlSession, SqlValue, one_number};

/// One step, in both dialects.
#[derive(Debug)]
pub(in crate::store) struct Migration {
    pub(in crate::store) sqlite: &'static str,
    pub(in crate::store) postgres: &'static str,
}

/// All steps, from the first on. A released step is never changed.
pub(in crate::store) const MIGRATIONS: &[Migration] = &[
    Migration {
        sqlite: include_str!("migrations/0001.sqlite.sql"),
        postgres: include_str!("migrations/0001.postgres.sql"),
    },
    Migration {
        sqlite: include_str!("migrations/0002.sqlite.sql"),
        postgres: include_str!("migrations/0002.postgres.sql"),
    },
];

/// The table of this row is made first, and never changed: every version can read it.
pub(in crate::store) const META: &str = "CREATE TABLE IF NOT EXISTS meta (\
    one BIGINT PRIMARY KEY CHECK (one = 1), format BIGINT NOT NULL, epoch UUID NOT NULL, \
    revision BIGINT NOT NULL, next_group BIGINT NOT NULL, known_from BIGINT NOT NULL, \
    checksum BYTEA NOT NULL)";

/// Returns the steps that a database still needs; the caller holds its lock.
pub(in crate::store) async fn missing(
    session: &mut impl SqlSession,
) -> Result<&'static [Migration], StoreError> {
    let found = session.query("SELECT format FROM meta", &[], one_number).await?;
    let format = match found.first() {
        Some(format) => usize::try_from(*format).unwrap_or(usize::MAX),
        None => {
            found_store(session).await?;
            0
        }
    };
    MIGRATIONS.get(format..).ok_or_else(|| {
        StoreError::Unreadable(format!(
            "the database has format {format}, and this version of Portcullis knows formats up to \
             {}; start the version that wrote it, or a later one",
            MIGRATIONS.len()
        ))
    })
}

/// Refuses a database of another format, and changes nothing.
pub(in crate::store) async fn is_current(session: &mut impl SqlSession) -> Result<(), StoreError> {
    let found = session.query("SELECT format FROM meta", &[], one_number).await?;
    let format = found.first().and_then(|format| usize::try_from(*format).ok());
    if format == Some(MIGRATIONS.len()) {
        return Ok(());
    }
    let text = "the database has another format than this version of Portcullis; a gateway of this \
                version converts an earlier one when it starts";
    Err(StoreError::Unreadable(text.to_owned()))
}

/// Notes that all steps are done.
pub(in crate::store) async fn done(session: &mut impl SqlSession) -> Result<(), StoreError> {
    let format = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    session.run("UPDATE meta SET format = $1", &[SqlValue::Number(format)]).await
}

async fn found_store(session: &mut impl SqlSession) -> Result<(), StoreError> {
    let sql = "INSERT INTO meta (one, format, epoch, revision, next_group, known_from, checksum) \
               VALUES (1, 0, $1, 0, 1, 0, $2)";
    let nothing = StateDigest::default().bytes();
    session.run(sql, &[SqlValue::Id(Uuid::new_v4()), SqlValue::Bytes(&nothing)]).await
}
