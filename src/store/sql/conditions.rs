//! States that a write relies on, checked while no other write runs.

use crate::store::error::StoreError;
use crate::store::kind::Kind;
use crate::store::sql::counts::holders;
use crate::store::sql::session::{SqlSession, SqlValue, id_of};
use crate::store::write::WriteCondition;

/// Checks the conditions that must hold before the changes.
pub(super) async fn check(
    session: &mut impl SqlSession,
    conditions: &[WriteCondition],
) -> Result<(), StoreError> {
    for condition in conditions {
        if let WriteCondition::Exists { kind, id } = condition {
            let values = [SqlValue::Text(kind.as_str()), SqlValue::Id(*id)];
            let sql = "SELECT id FROM objects WHERE kind = $1 AND id = $2";
            if session.query(sql, &values, |row| id_of(row, 0)).await?.is_empty() {
                return Err(StoreError::Missing { kind: *kind, id: *id });
            }
        }
    }
    Ok(())
}

/// Checks the conditions that must hold after the changes, since a write may remove an obstacle
/// itself.
pub(super) async fn check_kept(
    session: &mut impl SqlSession,
    conditions: &[WriteCondition],
) -> Result<(), StoreError> {
    for condition in conditions {
        match condition {
            WriteCondition::Exists { .. } => {}
            WriteCondition::Untargeted { kind, target } => {
                refuse_user(session, *kind, "target", SqlValue::Text(target)).await?;
            }
            WriteCondition::Childless { kind, parent } => {
                refuse_user(session, *kind, "parent", SqlValue::Id(*parent)).await?;
            }
            WriteCondition::Unheld { kind, policy } => {
                if holders(session, *kind, policy).await? > 0 {
                    return Err(StoreError::InUse { kind: *kind, by: None });
                }
            }
        }
    }
    Ok(())
}

async fn refuse_user(
    session: &mut impl SqlSession,
    kind: Kind,
    column: &str,
    value: SqlValue<'_>,
) -> Result<(), StoreError> {
    let sql = format!("SELECT id FROM objects WHERE kind = $1 AND {column} = $2 LIMIT 1");
    let values = [SqlValue::Text(kind.as_str()), value];
    match session.query(&sql, &values, |row| id_of(row, 0)).await?.into_iter().next() {
        Some(by) => Err(StoreError::InUse { kind, by: Some(by) }),
        None => Ok(()),
    }
}
