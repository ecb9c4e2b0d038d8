//! The gateways of a store, and the last day on which an application used an API.

use uuid::Uuid;

use crate::store::error::StoreError;
use crate::store::fleet::{GatewayState, LastUse};
use crate::store::sql::session::{SqlRow, SqlSession, SqlValue, count_of, id_of, stored, text_of};

/// The time after its last report at which a gateway is forgotten.
const DAY_MILLIS: i64 = 86_400_000;

/// The most gateways of one store: a row for each name that reported in the last day.
const MOST_GATEWAYS: i64 = 1000;

/// The most APIs of one application that are shown.
const MOST_USES: i64 = 1000;

pub(in crate::store) async fn report(
    session: &mut impl SqlSession,
    state: &GatewayState,
    now: i64,
) -> Result<(), StoreError> {
    let stale = [SqlValue::Number(now.saturating_sub(DAY_MILLIS))];
    session.run("DELETE FROM gateways WHERE seen_at < $1", &stale).await?;
    let sql = "INSERT INTO gateways (name, version, revision, started_at, seen_at) \
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO UPDATE SET \
               version = excluded.version, revision = excluded.revision, \
               started_at = excluded.started_at, seen_at = excluded.seen_at";
    let values = [
        SqlValue::Text(&state.name),
        SqlValue::Text(&state.version),
        SqlValue::Number(stored(state.revision)),
        SqlValue::Number(state.started_at),
        SqlValue::Number(now),
    ];
    session.run(sql, &values).await
}

pub(in crate::store) async fn gateways(
    session: &mut impl SqlSession,
    now: i64,
) -> Result<Vec<GatewayState>, StoreError> {
    let sql = "SELECT name, version, revision, started_at, seen_at FROM gateways \
               WHERE seen_at >= $1 ORDER BY name LIMIT $2";
    let since = SqlValue::Number(now.saturating_sub(DAY_MILLIS));
    session.query(sql, &[since, SqlValue::Number(MOST_GATEWAYS)], read_gateway).await
}

fn read_gateway(row: &dyn SqlRow) -> Result<GatewayState, StoreError> {
    Ok(GatewayState {
        name: text_of(row, 0)?,
        version: text_of(row, 1)?,
        revision: count_of(row, 2)?,
        started_at: row.number(3)?,
        seen_at: row.number(4)?,
    })
}

pub(in crate::store) async fn note_uses(
    session: &mut impl SqlSession,
    uses: &[LastUse],
) -> Result<(), StoreError> {
    let sql = "INSERT INTO last_uses (application, api, day) VALUES ($1, $2, $3) \
               ON CONFLICT (application, api) DO UPDATE SET day = excluded.day \
               WHERE excluded.day > last_uses.day";
    // gateways that note the same rows at once lock them in the same order
    let mut uses: Vec<_> = uses.iter().collect();
    uses.sort_by(|one, two| (one.application, &one.api).cmp(&(two.application, &two.api)));
    for last in uses {
        let values = [
            SqlValue::Id(last.application),
            SqlValue::Text(&last.api),
            SqlValue::Number(i64::from(last.day)),
        ];
        session.run(sql, &values).await?;
    }
    Ok(())
}

pub(in crate::store) async fn last_uses(
    session: &mut impl SqlSession,
    application: Uuid,
) -> Result<Vec<LastUse>, StoreError> {
    let sql = "SELECT application, api, day FROM last_uses WHERE application = $1 \
               ORDER BY api LIMIT $2";
    let values = [SqlValue::Id(application), SqlValue::Number(MOST_USES)];
    session.query(sql, &values, read_use).await
}

fn read_use(row: &dyn SqlRow) -> Result<LastUse, StoreError> {
    Ok(LastUse {
        application: id_of(row, 0)?,
        api: text_of(row, 1)?,
        day: u32::try_from(row.number(2)?).unwrap_or_default(),
    })
}
