//! States that a write relies on, checked while no other write runs.

use crate::store::error::StoreError;
use crate::store::kind::Kind;
use crate::store::sql::counts::holders;
use crate::store::sql::session::{SqlSession, SqlValue, id_of, stored};
use crate::store::write::WriteCondition;

/// Objects of a kind that were written after a revision.
const WRITTEN: &str = "SELECT id FROM objects WHERE kind = $1 AND revision > $2 LIMIT 1";

/// Checks the conditions that must hold before the changes.
pub(super) async fn check(
    session: &mut impl SqlSession,
    conditions: &[WriteCondition],
) -> Result<(), StoreError> {
    for condition in conditions {
        match condition {
            WriteCondition::Exists { kind, id } => {
                let sql = "SELECT id FROM objects WHERE kind = $1 AND id = $2";
                if !is_any(session, sql, *kind, SqlValue::Id(*id)).await? {
                    return Err(StoreError::Missing { kind: *kind, id: *id });
                }
            }
            WriteCondition::Named { kind, name } => {
                let sql = "SELECT id FROM objects WHERE kind = $1 AND name = $2";
                if !is_any(session, sql, *kind, SqlValue::Text(name)).await? {
                    return Err(StoreError::Gone { kind: *kind, name: name.clone() });
                }
            }
            WriteCondition::Unwritten { kind, since } => {
                let since = SqlValue::Number(stored(*since));
                if is_any(session, WRITTEN, *kind, since).await? {
                    return Err(StoreError::Overtaken(*kind));
                }
            }
            WriteCondition::Untargeted { .. }
            | WriteCondition::Childless { .. }
            | WriteCondition::Unheld { .. } => {}
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
            WriteCondition::Exists { .. }
            | WriteCondition::Named { .. }
            | WriteCondition::Unwritten { .. } => {}
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

async fn is_any(
    session: &mut impl SqlSession,
    sql: &str,
    kind: Kind,
    value: SqlValue<'_>,
) -> Result<bool, StoreError> {
    let values = [SqlValue::Text(kind.as_str()), value];
    Ok(!session.query(sql, &values, |row| id_of(row, 0)).await?.is_empty())
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
