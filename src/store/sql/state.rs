//! The one row about the store as a whole.

use uuid::Uuid;

use crate::store::changes::StoreHead;
use crate::store::digest::StateDigest;
use crate::store::error::StoreError;
use crate::store::sql::session::{SqlRow, SqlSession, SqlValue, count_of, id_of, stored};

/// The row of `meta`.
#[derive(Debug, Clone)]
pub(in crate::store) struct StoreState {
    pub(in crate::store) epoch: Uuid,
    pub(in crate::store) revision: u64,
    /// The next free group of rows.
    pub(super) next_group: i64,
    /// Removals after this revision are still known.
    pub(in crate::store) known_from: u64,
    pub(in crate::store) digest: StateDigest,
}

impl StoreState {
    pub(in crate::store) fn head(&self) -> StoreHead {
        StoreHead { epoch: self.epoch, revision: self.revision }
    }
}

const READ: &str = "SELECT epoch, revision, next_group, known_from, checksum FROM meta";

const WRITE: &str = "UPDATE meta SET epoch = $1, revision = $2, next_group = $3, known_from = $4, \
                     checksum = $5";

pub(in crate::store) async fn read_state(
    session: &mut impl SqlSession,
) -> Result<StoreState, StoreError> {
    let rows = session.query(READ, &[], read).await?;
    rows.into_iter().next().ok_or_else(|| StoreError::Unreadable("`meta` has no row".to_owned()))
}

pub(in crate::store) async fn write_state(
    session: &mut impl SqlSession,
    state: &StoreState,
) -> Result<(), StoreError> {
    let digest = state.digest.bytes();
    let values = [
        SqlValue::Id(state.epoch),
        SqlValue::Number(stored(state.revision)),
        SqlValue::Number(state.next_group),
        SqlValue::Number(stored(state.known_from)),
        SqlValue::Bytes(&digest),
    ];
    session.run(WRITE, &values).await
}

fn read(row: &dyn SqlRow) -> Result<StoreState, StoreError> {
    let digest = StateDigest::read(row.bytes(4)?)
        .ok_or_else(|| StoreError::Unreadable("the checksum has no 32 bytes".to_owned()))?;
    Ok(StoreState {
        epoch: id_of(row, 0)?,
        revision: count_of(row, 1)?,
        next_group: row.number(2)?,
        known_from: count_of(row, 3)?,
        digest,
    })
}
