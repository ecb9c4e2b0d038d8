//! The place of an object that is not in the store among those of a list: what a page of stored and
//! declared objects in one order needs.

use crate::store::error::StoreError;
use crate::store::query::{Query, SortBy};
use crate::store::sql::counts::{blocks, rank};
use crate::store::sql::filter::Filter;
use crate::store::sql::listing::{narrowed, narrowed_table};
use crate::store::sql::session::{SqlSession, SqlValue, one_number, only_count};

const OWNED_BEFORE: &str = "SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM tallies \
                            WHERE kind = $1 AND facet = 'owner' AND value < $2";

/// Returns the number of objects of a list before this owner and name, in the ascending order of
/// its names or of its owners.
pub(in crate::store) async fn rank_in(
    session: &mut impl SqlSession,
    query: &Query,
    owner: &str,
    name: &str,
) -> Result<u64, StoreError> {
    let whole = query.owner.is_none()
        && query.parent.is_none()
        && query.target.is_none()
        && query.groups.is_empty();
    let all = query.prefix.as_deref().unwrap_or_default().is_empty();
    match query.sort_by {
        SortBy::Owner if whole && all => {
            let values = [SqlValue::Text(query.kind.as_str()), SqlValue::Text(owner)];
            let before = only_count(&session.query(OWNED_BEFORE, &values, one_number).await?);
            let own = Query { owner: Some(owner.to_owned()), ..Query::of(query.kind) };
            Ok(before.saturating_add(counted(session, &own, owner, name).await?))
        }
        SortBy::Owner => counted(session, query, owner, name).await,
        _ if whole => {
            let blocks = blocks(session, query.kind).await?;
            let prefix = query.prefix.as_deref().unwrap_or_default();
            let before = rank(session, query.kind, &blocks, prefix).await?;
            let place = rank(session, query.kind, &blocks, name).await?;
            Ok(place.saturating_sub(before))
        }
        _ => counted(session, query, owner, name).await,
    }
}

async fn counted<S: SqlSession>(
    session: &mut S,
    query: &Query,
    owner: &str,
    name: &str,
) -> Result<u64, StoreError> {
    let mut filter: Filter<'_> = narrowed(query);
    if query.sort_by == SortBy::Owner {
        let (owner, name) =
            (filter.value(SqlValue::Text(owner)), filter.value(SqlValue::Text(name)));
        filter.and(&format!("(owner, name) < ({owner}, {name})"));
    } else {
        filter.compare("name", "<", SqlValue::Text(name));
    }
    let sql = format!("SELECT count(*) FROM {} {}", narrowed_table::<S>(query), filter.clause());
    Ok(only_count(&session.query(&sql, filter.values(), one_number).await?))
}
