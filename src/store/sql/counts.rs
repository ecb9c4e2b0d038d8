//! Numbers of objects that are needed without counting rows: names in blocks, and a tally for each
//! owner, each target and each policy.

use crate::store::error::StoreError;
use crate::store::kind::Kind;
use crate::store::record::Record;
use crate::store::sql::columns::{fits, read_kind};
use crate::store::sql::session::{
    SqlRow, SqlSession, SqlValue, count_of, one_number, only_count, stored, text_of,
};

/// A block with more names is split into two. Counting within one takes about a tenth of a
/// millisecond, and a million names have some hundreds of blocks.
const MOST_NAMES: i64 = 4096;

const BLOCK_OF: &str = "SELECT first, n FROM name_blocks WHERE kind = $1 AND first <= $2 \
                        ORDER BY first DESC LIMIT 1";
const BLOCKS: &str = "SELECT first, n FROM name_blocks WHERE kind = $1 ORDER BY first";
const ALL_COUNTS: &str = "SELECT kind, CAST(sum(n) AS BIGINT) FROM name_blocks GROUP BY kind";
const NEW_BLOCK: &str = "INSERT INTO name_blocks (kind, first, n) VALUES ($1, $2, $3)";
const RESIZE: &str = "UPDATE name_blocks SET n = $3 WHERE kind = $1 AND first = $2";
const TALLY: &str = "SELECT n FROM tallies WHERE kind = $1 AND facet = $2 AND value = $3";
const TALLY_UP: &str = "INSERT INTO tallies (kind, facet, value, n) VALUES ($1, $2, $3, 1) \
                        ON CONFLICT (kind, facet, value) DO UPDATE SET n = tallies.n + 1";
const TALLY_DOWN: &str = "UPDATE tallies SET n = n - 1 \
                          WHERE kind = $1 AND facet = $2 AND value = $3";
const TALLY_GONE: &str = "DELETE FROM tallies \
                          WHERE kind = $1 AND facet = $2 AND value = $3 AND n <= 0";

/// The facet of policies in the table of tallies.
const POLICY: &str = "policy";

/// A block of names: all from `first` to the next block's.
#[derive(Debug, Clone)]
pub(super) struct NameBlock {
    pub(super) first: String,
    pub(super) names: u64,
}

/// Counts an object whose row was just written.
pub(super) async fn count_in(
    session: &mut impl SqlSession,
    record: &Record,
) -> Result<(), StoreError> {
    let kind = record.kind.as_str();
    let found = session
        .query(BLOCK_OF, &[SqlValue::Text(kind), SqlValue::Text(&record.name)], read_block)
        .await?;
    let Some(block) = found.into_iter().next() else {
        let values = [SqlValue::Text(kind), SqlValue::Text(""), SqlValue::Number(1)];
        session.run(NEW_BLOCK, &values).await?;
        return tally(session, record, &[TALLY_UP]).await;
    };
    let names = stored(block.names).saturating_add(1);
    if names > MOST_NAMES {
        split(session, record.kind, &block.first, names).await?;
    } else {
        resize(session, kind, &block.first, names).await?;
    }
    tally(session, record, &[TALLY_UP]).await
}

/// Takes an object out of the counts.
pub(super) async fn count_out(
    session: &mut impl SqlSession,
    record: &Record,
) -> Result<(), StoreError> {
    let kind = record.kind.as_str();
    let found = session
        .query(BLOCK_OF, &[SqlValue::Text(kind), SqlValue::Text(&record.name)], read_block)
        .await?;
    if let Some(block) = found.into_iter().next() {
        resize(session, kind, &block.first, stored(block.names).saturating_sub(1)).await?;
    }
    tally(session, record, &[TALLY_DOWN, TALLY_GONE]).await
}

async fn resize(
    session: &mut impl SqlSession,
    kind: &str,
    first: &str,
    names: i64,
) -> Result<(), StoreError> {
    let values = [SqlValue::Text(kind), SqlValue::Text(first), SqlValue::Number(names)];
    session.run(RESIZE, &values).await
}

async fn split<S: SqlSession>(
    session: &mut S,
    kind: Kind,
    first: &str,
    names: i64,
) -> Result<(), StoreError> {
    let half = names / 2;
    let sql = format!(
        "SELECT name FROM {} WHERE kind = $1 AND name >= $2 ORDER BY name LIMIT 1 OFFSET $3",
        S::objects_by("objects_name")
    );
    let values = [SqlValue::Text(kind.as_str()), SqlValue::Text(first), SqlValue::Number(half)];
    let middle = session.query(&sql, &values, |row| text_of(row, 0)).await?;
    let Some(middle) = middle.into_iter().next() else {
        return resize(session, kind.as_str(), first, names).await;
    };
    resize(session, kind.as_str(), first, half).await?;
    let rest = names.saturating_sub(half);
    let values = [SqlValue::Text(kind.as_str()), SqlValue::Text(&middle), SqlValue::Number(rest)];
    session.run(NEW_BLOCK, &values).await
}

async fn tally(
    session: &mut impl SqlSession,
    record: &Record,
    statements: &[&str],
) -> Result<(), StoreError> {
    let facets = [
        ("owner", record.owner.as_deref()),
        ("target", record.target.as_deref()),
        (POLICY, policy_of(record)),
    ];
    for (facet, value) in facets {
        let Some(value) = value else { continue };
        let values =
            [SqlValue::Text(record.kind.as_str()), SqlValue::Text(facet), SqlValue::Text(value)];
        for statement in statements {
            session.run(statement, &values).await?;
        }
    }
    Ok(())
}

/// Returns the policy that an application or a subscription has.
pub(super) fn policy_of(record: &Record) -> Option<&str> {
    let holds = matches!(record.kind, Kind::Application | Kind::Subscription);
    let policy = holds.then(|| record.text("policy")).flatten()?;
    fits(policy).then_some(policy)
}

/// Returns the number of applications, or of subscriptions, that have a policy.
pub(in crate::store) async fn holders(
    session: &mut impl SqlSession,
    kind: Kind,
    policy: &str,
) -> Result<u64, StoreError> {
    if fits(policy) { tallied(session, kind, POLICY, policy).await } else { Ok(0) }
}

/// Returns the number of objects of each kind of which there are some.
pub(in crate::store) async fn counts(
    session: &mut impl SqlSession,
) -> Result<Vec<(Kind, u64)>, StoreError> {
    session.query(ALL_COUNTS, &[], |row| Ok((read_kind(row, 0)?, count_of(row, 1)?))).await
}

/// Returns the blocks of a kind, by name.
pub(super) async fn blocks(
    session: &mut impl SqlSession,
    kind: Kind,
) -> Result<Vec<NameBlock>, StoreError> {
    session.query(BLOCKS, &[SqlValue::Text(kind.as_str())], read_block).await
}

/// Returns the number of objects with this owner or target.
pub(super) async fn tallied(
    session: &mut impl SqlSession,
    kind: Kind,
    facet: &'static str,
    value: &str,
) -> Result<u64, StoreError> {
    let values = [SqlValue::Text(kind.as_str()), SqlValue::Text(facet), SqlValue::Text(value)];
    let found = session.query(TALLY, &values, one_number).await?;
    Ok(only_count(&found))
}

/// Returns the number of names of a kind before this one.
pub(super) async fn rank<S: SqlSession>(
    session: &mut S,
    kind: Kind,
    blocks: &[NameBlock],
    name: &str,
) -> Result<u64, StoreError> {
    let at = blocks.partition_point(|block| block.first.as_str() <= name);
    let Some((block, before)) = blocks.get(..at).and_then(<[NameBlock]>::split_last) else {
        return Ok(0);
    };
    let sql = format!(
        "SELECT count(*) FROM {} WHERE kind = $1 AND name >= $2 AND name < $3",
        S::objects_by("objects_name")
    );
    let values =
        [SqlValue::Text(kind.as_str()), SqlValue::Text(&block.first), SqlValue::Text(name)];
    let within = session.query(&sql, &values, one_number).await?;
    Ok(sum(before).saturating_add(only_count(&within)))
}

/// Adds up all names of some blocks.
pub(super) fn sum(blocks: &[NameBlock]) -> u64 {
    blocks.iter().map(|block| block.names).sum()
}

fn read_block(row: &dyn SqlRow) -> Result<NameBlock, StoreError> {
    let names = u64::try_from(row.number(1)?).unwrap_or_default();
    Ok(NameBlock { first: text_of(row, 0)?, names })
}
