//! The store in PostgreSQL, which several gateways share.
//!
//! [`target`] is the way to the server, [`session`] one connection, [`pool`] several connections,
//! [`listener`] the connection that learns of other writers, and [`nudges`] the followers to wake.

mod listener;
mod nudges;
mod pool;
#[cfg(test)]
#[path = "../../../tests/it/support/servers/postgres.rs"]
pub(crate) mod server;
mod session;
mod target;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

use crate::model::clock::Clock;
use crate::model::store::PostgresServer;
use crate::store::audit::{AuditEntry, AuditQuery};
use crate::store::changes::{StoreChanges, StoreHead};
use crate::store::error::StoreError;
use crate::store::fleet::{GatewayState, LastUse};
use crate::store::kind::Kind;
use crate::store::postgres::nudges::Nudges;
use crate::store::postgres::pool::{MissingTables, PostgresPool, READ, WRITE};
use crate::store::postgres::session::PostgresSession;
use crate::store::query::{Query, StorePage};
use crate::store::record::Record;
use crate::store::served::Served;
use crate::store::sql::{self, SqlSession, StoreReading, stored};
use crate::store::storage::{Answer, Store};
use crate::store::write::{Write, WriteProgress, Written};

/// The longest wait for an answer, including all steps.
const DEADLINE: Duration = Duration::from_secs(10);

/// A database on a server.
#[derive(Debug)]
pub struct PostgresStore {
    pool: Arc<PostgresPool>,
    nudges: Arc<Nudges>,
    /// `None`: the server's clock, which is the same for all gateways.
    clock: Option<Arc<dyn Clock>>,
    _listener: JoinSet<()>,
}

/// Runs work that takes as long as it takes on one transaction of a connection; each step of it has
/// a limit of its own.
macro_rules! within_long {
    ($store:expr, $begin:ident, $session:ident => $work:expr) => {
        async move {
            let mut lease = in_time($store.pool.lease()).await?;
            let $session = in_time(lease.begin($begin)).await?;
            let done = $work;
            in_time(lease.end(done)).await
        }
    };
}

/// Runs work on one transaction of a connection.
macro_rules! within {
    ($store:expr, $begin:ident, $session:ident => $work:expr) => {
        async move {
            let mut lease = $store.pool.lease().await?;
            let $session = lease.begin($begin).await?;
            let done = $work;
            lease.end(done).await
        }
    };
}

impl PostgresStore {
    /// Describes the store; the first call connects, and makes the tables if they are missing.
    pub fn new(server: &PostgresServer, clock: Option<Arc<dyn Clock>>) -> Result<Self, StoreError> {
        Self::with(server, clock, MissingTables::Made)
    }

    /// Describes a store that is there, of today's format, whose tables nobody makes.
    pub fn to_read(server: &PostgresServer) -> Result<Self, StoreError> {
        Self::with(server, None, MissingTables::Refused)
    }

    fn with(
        server: &PostgresServer,
        clock: Option<Arc<dyn Clock>>,
        tables: MissingTables,
    ) -> Result<Self, StoreError> {
        let nudges = Arc::new(Nudges::default());
        let pool = Arc::new(PostgresPool::new(server, &nudges, tables)?);
        let mut listener = JoinSet::new();
        listener.spawn(listener::listen(Arc::clone(&pool), Arc::clone(&nudges)));
        Ok(Self { pool, nudges, clock, _listener: listener })
    }

    /// Computes the checksum over the stored rows.
    pub async fn recount(&self) -> Result<(StoreHead, [u8; 32]), StoreError> {
        within_long!(self, READ, session => sql::recount(session).await).await
    }

    /// Reads everything in groups of rows and returns the state that they belong to. The groups
    /// come in the order in which a copy must take them.
    pub(in crate::store) async fn read_groups(
        &self,
        groups: mpsc::Sender<Vec<Record>>,
    ) -> Result<StoreHead, StoreError> {
        within_long!(self, READ, session => read_into(session, &groups).await).await
    }

    /// Counts the connections to the server that have listened so far.
    pub(in crate::store) fn connections(&self) -> u64 {
        self.nudges.connections()
    }

    /// Waits until there may have been a write, for the copy in `state_dir`.
    pub(in crate::store) async fn nudged_replica(&self) {
        self.nudges.replica.notified().await;
    }
}

fn in_time<'s, T: 's>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 's,
) -> Answer<'s, T> {
    Box::pin(async move {
        timeout(DEADLINE, work).await.map_err(|_| {
            let seconds = DEADLINE.as_secs();
            StoreError::Unavailable(format!("PostgreSQL did not answer within {seconds} seconds"))
        })?
    })
}

async fn read_each<R: StoreReading>(
    session: &mut PostgresSession,
    mut reading: R,
    mut each: Box<dyn FnMut(R::Item) + Send>,
) -> Result<StoreHead, StoreError>
where
    R::Item: 'static,
{
    let head = in_time(sql::read_state(session)).await?.head();
    loop {
        let items = in_time(reading.next(session)).await?;
        if items.is_empty() {
            return Ok(head);
        }
        let passed = tokio::task::spawn_blocking(move || {
            items.into_iter().for_each(&mut each);
            each
        });
        each = passed.await.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    }
}

async fn read_into(
    session: &mut PostgresSession,
    groups: &mpsc::Sender<Vec<Record>>,
) -> Result<StoreHead, StoreError> {
    let head = in_time(sql::read_state(session)).await?.head();
    let mut after = -1;
    loop {
        let rows = in_time(sql::read_rows(session, after)).await?;
        let Some((_, last)) = rows.last() else { return Ok(head) };
        after = *last;
        let group = rows.into_iter().map(|(record, _)| record).collect();
        if groups.send(group).await.is_err() {
            return Err(StoreError::Unavailable("nobody takes the copy".to_owned()));
        }
    }
}

async fn time(
    session: &mut impl SqlSession,
    clock: Option<&Arc<dyn Clock>>,
) -> Result<i64, StoreError> {
    if let Some(clock) = clock {
        return Ok(stored(clock.milliseconds()));
    }
    let sql = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
    let found = session.query(sql, &[], sql::one_number).await?;
    Ok(found.first().copied().unwrap_or_default())
}

impl Store for PostgresStore {
    fn head(&self) -> Answer<'_, StoreHead> {
        in_time(within!(self, READ, session => {
            sql::read_state(session).await.map(|state| state.head())
        }))
    }

    fn get(&self, kind: Kind, id: Uuid) -> Answer<'_, Option<Record>> {
        in_time(within!(self, READ, session => sql::get(session, kind, id).await))
    }

    fn named<'s>(&'s self, kind: Kind, name: &'s str) -> Answer<'s, Option<Record>> {
        in_time(within!(self, READ, session => sql::named(session, kind, name).await))
    }

    fn get_all<'s>(&'s self, kind: Kind, ids: &'s [Uuid]) -> Answer<'s, Vec<Record>> {
        in_time(within!(self, READ, session => sql::get_all(session, kind, ids).await))
    }

    fn named_all<'s>(&'s self, kind: Kind, names: &'s [String]) -> Answer<'s, Vec<Record>> {
        in_time(within!(self, READ, session => sql::named_all(session, kind, names).await))
    }

    fn applications<'s>(&'s self, ids: &'s [Uuid]) -> Answer<'s, (StoreHead, Vec<Record>)> {
        in_time(within!(self, READ, session => sql::applications(session, ids).await))
    }

    fn child_counts<'s>(&'s self, kind: Kind, parents: &'s [Uuid]) -> Answer<'s, Vec<(Uuid, u64)>> {
        in_time(within!(self, READ, session => sql::child_counts(session, kind, parents).await))
    }

    fn holders<'s>(&'s self, kind: Kind, policy: &'s str) -> Answer<'s, u64> {
        in_time(within!(self, READ, session => sql::holders(session, kind, policy).await))
    }

    fn counts(&self) -> Answer<'_, Vec<(Kind, u64)>> {
        in_time(within!(self, READ, session => sql::counts(session).await))
    }

    fn list<'s>(&'s self, query: &'s Query) -> Answer<'s, StorePage> {
        in_time(within!(self, READ, session => sql::list(session, query).await))
    }

    fn rank<'s>(&'s self, query: &'s Query, owner: &'s str, name: &'s str) -> Answer<'s, u64> {
        in_time(within!(self, READ, session => sql::rank_in(session, query, owner, name).await))
    }

    fn write(&self, write: Write) -> Answer<'_, Written> {
        in_time(within!(self, WRITE, session => {
            match time(session, self.clock.as_ref()).await {
                Ok(now) => sql::apply(session, &write, now).await,
                Err(error) => Err(error),
            }
        }))
    }

    fn write_long(&self, write: Write, progress: WriteProgress) -> Answer<'_, Written> {
        Box::pin(within_long!(self, WRITE, session => {
            match time(session, self.clock.as_ref()).await {
                Ok(now) => sql::apply_counted(session, &write, now, &progress).await,
                Err(error) => Err(error),
            }
        }))
    }

    fn changes(&self, after: u64, most: usize) -> Answer<'_, StoreChanges> {
        in_time(within!(self, READ, session => sql::changes(session, after, most).await))
    }

    fn read_all<'s>(
        &'s self,
        kinds: &'s [Kind],
        each: Box<dyn FnMut(Record) + Send>,
    ) -> Answer<'s, StoreHead> {
        let reading = sql::FullReading::new(kinds);
        Box::pin(within_long!(self, READ, session => read_each(session, reading, each).await))
    }

    fn read_served<'s>(
        &'s self,
        tables: &'s [Kind],
        each: Box<dyn FnMut(Served) + Send>,
    ) -> Answer<'s, StoreHead> {
        let reading = sql::ServedReading::new(tables);
        Box::pin(within_long!(self, READ, session => read_each(session, reading, each).await))
    }

    fn checksum(&self) -> Answer<'_, (StoreHead, [u8; 32])> {
        in_time(within!(self, READ, session => sql::checksum(session).await))
    }

    fn audit<'s>(&'s self, query: &'s AuditQuery) -> Answer<'s, StorePage<AuditEntry>> {
        in_time(within!(self, READ, session => sql::audit(session, query).await))
    }

    fn report<'s>(&'s self, state: &'s GatewayState) -> Answer<'s, ()> {
        in_time(within!(self, WRITE, session => {
            match time(session, self.clock.as_ref()).await {
                Ok(now) => sql::report(session, state, now).await,
                Err(error) => Err(error),
            }
        }))
    }

    fn gateways(&self) -> Answer<'_, Vec<GatewayState>> {
        in_time(within!(self, READ, session => {
            match time(session, self.clock.as_ref()).await {
                Ok(now) => sql::gateways(session, now).await,
                Err(error) => Err(error),
            }
        }))
    }

    fn note_uses<'s>(&'s self, uses: &'s [LastUse]) -> Answer<'s, ()> {
        in_time(within!(self, WRITE, session => sql::note_uses(session, uses).await))
    }

    fn last_uses(&self, application: Uuid) -> Answer<'_, Vec<LastUse>> {
        in_time(within!(self, READ, session => sql::last_uses(session, application).await))
    }

    fn nudged(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.nudges.gateway.notified())
    }
}
