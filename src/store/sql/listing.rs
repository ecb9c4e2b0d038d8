//! Lists of one kind: a page, and the number of all that match, without walking along a million
//! rows.

use crate::store::error::StoreError;
use crate::store::kind::Kind;
use crate::store::query::{Query, SortBy, SortOrder, StorePage};
use crate::store::record::Record;
use crate::store::sql::columns::{COLUMNS, read_record};
use crate::store::sql::counts::{NameBlock, blocks, rank, sum, tallied};
use crate::store::sql::filter::{Filter, after_prefix};
use crate::store::sql::session::{SqlSession, SqlValue, one_number, only_count};

/// The most objects of one page.
const MOST_LISTED: u64 = 1000;

/// The most rows to sort. With more, walking along the whole index is faster, because matches are
/// frequent there.
const MOST_SORTED: u64 = 10_000;

/// Lists objects.
pub(in crate::store) async fn list(
    session: &mut impl SqlSession,
    query: &Query,
) -> Result<StorePage, StoreError> {
    let limit = query.limit.min(MOST_LISTED);
    if query.owner.is_none()
        && query.parent.is_none()
        && query.target.is_none()
        && query.groups.is_empty()
    {
        return by_prefix(session, query, limit).await;
    }
    let total = count(session, query).await?;
    let items = page(session, query, total, limit).await?;
    Ok(StorePage { total, items })
}

/// Lists all objects of a kind, or those whose names begin with a prefix.
async fn by_prefix<S: SqlSession>(
    session: &mut S,
    query: &Query,
    limit: u64,
) -> Result<StorePage, StoreError> {
    let blocks = blocks(session, query.kind).await?;
    let prefix = query.prefix.as_deref().unwrap_or_default();
    let before = rank(session, query.kind, &blocks, prefix).await?;
    let end = match after_prefix(prefix) {
        Some(end) => rank(session, query.kind, &blocks, &end).await?,
        None => sum(&blocks),
    };
    let total = end.saturating_sub(before);
    let count = limit.min(total.saturating_sub(query.offset));
    if count == 0 {
        return Ok(StorePage { total, items: Vec::new() });
    }
    if query.sort_by != SortBy::Name {
        let items = page(session, query, total, limit).await?;
        return Ok(StorePage { total, items });
    }
    let skipped = match query.order {
        SortOrder::Ascending => query.offset,
        SortOrder::Descending => total.saturating_sub(query.offset).saturating_sub(count),
    };
    let mut items =
        from_place(session, query.kind, &blocks, before.saturating_add(skipped), count).await?;
    if query.order == SortOrder::Descending {
        items.reverse();
    }
    Ok(StorePage { total, items })
}

/// Returns objects by name, from the one with this number on.
async fn from_place<S: SqlSession>(
    session: &mut S,
    kind: Kind,
    blocks: &[NameBlock],
    place: u64,
    count: u64,
) -> Result<Vec<Record>, StoreError> {
    let (mut first, mut skip) = ("", place);
    for block in blocks {
        first = &block.first;
        if skip < block.names {
            break;
        }
        skip = skip.saturating_sub(block.names);
    }
    let mut filter = Filter::default();
    filter.equals("kind", SqlValue::Text(kind.as_str()));
    filter.compare("name", ">=", SqlValue::Text(first));
    let (limit, offset) = (filter.number(count), filter.number(skip));
    let sql = format!(
        "SELECT {COLUMNS} FROM {} {} ORDER BY name LIMIT {limit} OFFSET {offset}",
        S::objects_by("objects_name"),
        filter.clause()
    );
    session.query(&sql, filter.values(), read_record).await
}

async fn count<S: SqlSession>(session: &mut S, query: &Query) -> Result<u64, StoreError> {
    let plain = query.prefix.is_none() && query.parent.is_none() && query.groups.is_empty();
    match (&query.owner, &query.target) {
        (Some(owner), None) if plain => return tallied(session, query.kind, "owner", owner).await,
        (None, Some(target)) if plain => {
            return tallied(session, query.kind, "target", target).await;
        }
        _ => {}
    }
    let filter = narrowed(query);
    let sql = format!("SELECT count(*) FROM {} {}", narrowed_table::<S>(query), filter.clause());
    let found = session.query(&sql, filter.values(), one_number).await?;
    Ok(only_count(&found))
}

/// Reads a page from the nearer end of the list, walking over the rows before it.
async fn page<S: SqlSession>(
    session: &mut S,
    query: &Query,
    total: u64,
    limit: u64,
) -> Result<Vec<Record>, StoreError> {
    let limit = limit.min(total.saturating_sub(query.offset));
    if limit == 0 {
        return Ok(Vec::new());
    }
    let behind = total.saturating_sub(query.offset).saturating_sub(limit);
    let turned = behind < query.offset;
    let skipped = if turned { behind } else { query.offset };
    let way = match (query.order, turned) {
        (SortOrder::Ascending, false) | (SortOrder::Descending, true) => "ASC",
        (SortOrder::Descending, false) | (SortOrder::Ascending, true) => "DESC",
    };
    let mut filter = narrowed(query);
    let from = source::<S>(query, total, &mut filter);
    let order = match query.sort_by {
        SortBy::Name => format!("name {way}"),
        SortBy::Owner => format!("owner {way}, name {way}"),
        SortBy::CreatedAt => format!("created_at {way}, seq {way}"),
        SortBy::UpdatedAt => format!("updated_at {way}, seq {way}"),
    };
    let clause = filter.clause().to_owned();
    let (limit, offset) = (filter.number(limit), filter.number(skipped));
    let sql = format!(
        "SELECT {COLUMNS} FROM {from} {clause} ORDER BY {order} LIMIT {limit} OFFSET {offset}"
    );
    let mut items = session.query(&sql, filter.values(), read_record).await?;
    if turned {
        items.reverse();
    }
    Ok(items)
}

/// Returns the table, with the index of the order where sorting would take longer.
fn source<S: SqlSession>(query: &Query, total: u64, filter: &mut Filter<'_>) -> String {
    let index = match query.sort_by {
        SortBy::CreatedAt => "objects_created",
        SortBy::UpdatedAt => "objects_updated",
        SortBy::Owner => "objects_owner",
        SortBy::Name => return narrowed_table::<S>(query).to_owned(),
    };
    let whole = query.owner.is_none() && query.groups.is_empty() && query.prefix.is_none();
    let sorted = total <= MOST_SORTED && !(query.sort_by == SortBy::Owner && whole);
    if sorted || query.kind != Kind::Application {
        return narrowed_table::<S>(query).to_owned();
    }
    if query.sort_by == SortBy::Owner {
        // every application has one, which this condition tells the planner
        filter.and("owner IS NOT NULL");
        return S::objects_by(index);
    }
    // those indexes hold applications alone, which this condition tells the planner
    filter.and("kind = 'application'");
    S::objects_by(index)
}

/// Returns the table for a list that is narrowed by its conditions. The applications of groups are
/// found by the places of their rows.
pub(super) fn narrowed_table<S: SqlSession>(query: &Query) -> &'static str {
    if query.groups.is_empty() { "objects" } else { S::objects_by_place() }
}

pub(super) fn narrowed(query: &Query) -> Filter<'_> {
    let mut filter = Filter::default();
    let kind = SqlValue::Text(query.kind.as_str());
    filter.equals("kind", kind.clone());
    if let Some(parent) = query.parent {
        filter.equals("parent", SqlValue::Id(parent));
    }
    if let Some(target) = &query.target {
        filter.equals("target", SqlValue::Text(target));
    }
    if let Some(prefix) = &query.prefix {
        filter.compare("name", ">=", SqlValue::Text(prefix));
        if let Some(end) = after_prefix(prefix) {
            filter.compare("name", "<", SqlValue::Owned(end));
        }
    }
    match (&query.owner, query.groups.as_slice()) {
        (Some(owner), []) => filter.equals("owner", SqlValue::Text(owner)),
        (None, []) => {}
        (owner, groups) => {
            let places: Vec<_> =
                groups.iter().map(|group| filter.value(SqlValue::Text(group))).collect();
            let mut union =
                format!("SELECT seq FROM memberships WHERE grp IN ({})", places.join(", "));
            if let Some(owner) = owner {
                let (kind, owner) = (filter.value(kind), filter.value(SqlValue::Text(owner)));
                union = format!(
                    "{union} UNION SELECT seq FROM objects WHERE kind = {kind} AND owner = {owner}"
                );
            }
            filter.and(&format!("seq IN ({union})"));
        }
    }
    filter
}
