//! A store that several gateways share: PostgreSQL, with a copy in `state_dir` for the time in
//! which it is down.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::model::clock::Clock;
use crate::model::store::PostgresServer;
use crate::niceness;
use crate::store::audit::{AuditEntry, AuditQuery};
use crate::store::changes::{StoreChanges, StoreHead};
use crate::store::error::StoreError;
use crate::store::fleet::{GatewayState, LastUse};
use crate::store::kind::Kind;
use crate::store::postgres::PostgresStore;
use crate::store::query::{Query, StorePage};
use crate::store::record::Record;
use crate::store::replica::Replica;
use crate::store::served::Served;
use crate::store::storage::{Answer, Store};
use crate::store::write::{Write, WriteProgress, Written};

#[cfg(test)]
mod tests;

/// The changes that the copy takes over in one transaction.
const TOGETHER: usize = 5000;

/// The time from one look of the copy to the next if the server has changes all the time: changes
/// that come together are one transaction of the copy, which a gateway needs when it starts, or
/// when the server is down.
const TOGETHER_FOR: Duration = Duration::from_millis(250);

/// The copy is compared with the server after each reconnection, and this often besides.
const COMPARE: Duration = Duration::from_mins(10);

/// The copy notes this often that it is the same as the server, for a start while that is down.
const NOTE: Duration = Duration::from_secs(30);

/// PostgreSQL, and its copy.
#[derive(Debug)]
pub struct SharedStore {
    both: Arc<Both>,
    _follower: FollowerThread,
}

/// The thread that keeps the copy up to date, behind all others. It ends with its owner.
#[derive(Debug)]
struct FollowerThread {
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Both {
    server: PostgresStore,
    replica: Replica,
    /// The last call found no server: reads do not wait for it until the follower has found it.
    down: AtomicBool,
    /// The comparisons that found another state than the copy had at the same revision.
    rewritten: AtomicU64,
    /// The follower's last failure, so that each is logged once.
    failure: Mutex<Option<String>>,
}

impl SharedStore {
    /// Opens the copy and begins to follow the server, whether or not that can be reached. Waits
    /// for the disk.
    pub fn open(
        server: &PostgresServer,
        state_dir: &Path,
        poll_interval: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let both = Arc::new(Both {
            server: PostgresStore::new(server, None)?,
            replica: Replica::open(state_dir, clock)?,
            down: AtomicBool::new(false),
            rewritten: AtomicU64::new(0),
            failure: Mutex::default(),
        });
        let follower = FollowerThread::begin(Arc::clone(&both), poll_interval);
        let unusable = |error: io::Error| StoreError::Unavailable(error.to_string());
        Ok(Self { both, _follower: follower.map_err(unusable)? })
    }
}

impl FollowerThread {
    fn begin(both: Arc<Both>, poll_interval: Duration) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let follower = move || {
            niceness::give_way();
            runtime.block_on(async {
                tokio::select! {
                    () = follow(both, poll_interval) => {}
                    () = stopped.notified() => {}
                }
            });
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("replica".to_owned()).spawn(follower)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for FollowerThread {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn follow(both: Arc<Both>, poll_interval: Duration) {
    let (mut noted, mut compared): (Option<Instant>, Option<Instant>) = (None, None);
    let mut connections = 0;
    loop {
        let rested = sleep(TOGETHER_FOR);
        let now = both.server.connections();
        let reconnected = std::mem::replace(&mut connections, now) != now;
        compared = compared.filter(|_| !reconnected);
        let done = both.step(&mut noted, &mut compared).await;
        both.told(&done);
        compared = compared.filter(|_| done.is_ok());
        // a nudge of the meantime is kept
        rested.await;
        tokio::select! {
            () = both.server.nudged_replica() => {}
            () = sleep(poll_interval) => {}
        }
    }
}

impl Both {
    /// Takes new changes over, and compares the copy when it is time.
    async fn step(
        &self,
        noted: &mut Option<Instant>,
        compared: &mut Option<Instant>,
    ) -> Result<(), StoreError> {
        loop {
            let Some(head) = self.replica.head().await? else {
                self.replica.copy(&self.server).await?;
                continue;
            };
            let changes = self.server.changes(head.revision, TOGETHER).await?;
            if changes.head.epoch != head.epoch || !changes.known {
                tracing::warn!(
                    target: "portcullis::store",
                    own = head.revision,
                    server = changes.head.revision,
                    "PostgreSQL has another state than the copy in state_dir can follow, such as \
                     an old backup; everything is read again"
                );
                self.replica.copy(&self.server).await?;
                continue;
            }
            if changes.complete_to == head.revision {
                break;
            }
            self.replica.follow(changes).await?;
        }
        if noted.is_none_or(|at| at.elapsed() >= NOTE) {
            self.replica.is_current().await?;
            *noted = Some(Instant::now());
        }
        if compared.is_none_or(|at| at.elapsed() >= COMPARE) && self.compare().await? {
            *compared = Some(Instant::now());
        }
        Ok(())
    }

    /// Computes the checksum of the copy and compares it with the server's. Returns false if there
    /// was a change in the meantime.
    async fn compare(&self) -> Result<bool, StoreError> {
        let (own, sum) = self.replica.recount().await?;
        let (theirs, expected) = self.server.checksum().await?;
        if own != theirs {
            return Ok(false);
        }
        if sum != expected {
            tracing::warn!(
                target: "portcullis::store",
                revision = own.revision,
                "the copy of the store in state_dir differs from PostgreSQL and is made again"
            );
            self.replica.copy(&self.server).await?;
            self.rewritten.fetch_add(1, Ordering::Relaxed);
        }
        Ok(true)
    }

    /// Notes whether the server answers, and logs a change of that.
    fn told(&self, done: &Result<(), StoreError>) {
        let down = matches!(done, Err(StoreError::Unavailable(_)));
        self.down.store(down, Ordering::Relaxed);
        let failure = done.as_ref().err().map(ToString::to_string);
        let mut before = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if *before == failure {
            return;
        }
        match &failure {
            Some(error) => tracing::warn!(
                target: "portcullis::store",
                error,
                "the store cannot be followed; the gateway goes on with what it has"
            ),
            None => tracing::info!(target: "portcullis::store", "the store is followed again"),
        }
        *before = failure;
    }

    fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// Tells whether the server can be read from. Nothing may come twice: the choice between it and
    /// the copy is made before anything is read.
    async fn answers(&self) -> bool {
        !self.is_down() && self.server.head().await.is_ok()
    }

    /// Returns the server's answer, or that of the copy if the server gives none.
    async fn either<T>(
        &self,
        server: impl Future<Output = Result<T, StoreError>> + Send,
        copy: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        if !self.is_down() {
            match server.await {
                Err(StoreError::Unavailable(_)) => self.down.store(true, Ordering::Relaxed),
                done => return done,
            }
        }
        copy.await
    }
}

/// The copy's answer to one who has a later revision than the copy: it knows nothing of later ones.
/// Only the server can tell of an older backup.
fn not_backwards(changes: StoreChanges, after: u64) -> StoreChanges {
    if changes.head.revision >= after {
        return changes;
    }
    let head = StoreHead { revision: after, ..changes.head };
    StoreChanges { head, complete_to: after, known: true, ..changes }
}

/// Asks the server, and its copy if the server does not answer.
macro_rules! either {
    ($own:ident, $call:ident($($value:expr),*)) => {{
        let both = &$own.both;
        Box::pin(both.either(both.server.$call($($value),*), async move {
            both.replica.complete().await?.$call($($value),*).await
        }))
    }};
}

impl Store for SharedStore {
    fn head(&self) -> Answer<'_, StoreHead> {
        either!(self, head())
    }

    fn rewritten(&self) -> u64 {
        self.both.rewritten.load(Ordering::Relaxed)
    }

    fn copied_at(&self) -> Answer<'_, Option<u64>> {
        Box::pin(async {
            let answers = self.both.answers().await;
            if answers { Ok(None) } else { self.both.replica.was_current().await }
        })
    }

    fn get(&self, kind: Kind, id: Uuid) -> Answer<'_, Option<Record>> {
        either!(self, get(kind, id))
    }

    fn named<'s>(&'s self, kind: Kind, name: &'s str) -> Answer<'s, Option<Record>> {
        either!(self, named(kind, name))
    }

    fn get_all<'s>(&'s self, kind: Kind, ids: &'s [Uuid]) -> Answer<'s, Vec<Record>> {
        either!(self, get_all(kind, ids))
    }

    fn named_all<'s>(&'s self, kind: Kind, names: &'s [String]) -> Answer<'s, Vec<Record>> {
        either!(self, named_all(kind, names))
    }

    fn applications<'s>(&'s self, ids: &'s [Uuid]) -> Answer<'s, (StoreHead, Vec<Record>)> {
        either!(self, applications(ids))
    }

    fn child_counts<'s>(&'s self, kind: Kind, parents: &'s [Uuid]) -> Answer<'s, Vec<(Uuid, u64)>> {
        either!(self, child_counts(kind, parents))
    }

    fn holders<'s>(&'s self, kind: Kind, policy: &'s str) -> Answer<'s, u64> {
        either!(self, holders(kind, policy))
    }

    fn counts(&self) -> Answer<'_, Vec<(Kind, u64)>> {
        either!(self, counts())
    }

    fn list<'s>(&'s self, query: &'s Query) -> Answer<'s, StorePage> {
        either!(self, list(query))
    }

    fn rank<'s>(&'s self, query: &'s Query, owner: &'s str, name: &'s str) -> Answer<'s, u64> {
        either!(self, rank(query, owner, name))
    }

    fn write(&self, write: Write) -> Answer<'_, Written> {
        self.both.server.write(write)
    }

    fn write_long(&self, write: Write, progress: WriteProgress) -> Answer<'_, Written> {
        self.both.server.write_long(write, progress)
    }

    fn changes(&self, after: u64, most: usize) -> Answer<'_, StoreChanges> {
        let both = &self.both;
        Box::pin(both.either(both.server.changes(after, most), async move {
            let changes = both.replica.complete().await?.changes(after, most).await?;
            Ok(not_backwards(changes, after))
        }))
    }

    fn read_all<'s>(
        &'s self,
        kinds: &'s [Kind],
        each: Box<dyn FnMut(Record) + Send>,
    ) -> Answer<'s, StoreHead> {
        Box::pin(async move {
            if self.both.answers().await {
                self.both.server.read_all(kinds, each).await
            } else {
                self.both.replica.complete().await?.read_all(kinds, each).await
            }
        })
    }

    fn read_served<'s>(
        &'s self,
        tables: &'s [Kind],
        each: Box<dyn FnMut(Served) + Send>,
    ) -> Answer<'s, StoreHead> {
        Box::pin(async move {
            if self.both.answers().await {
                self.both.server.read_served(tables, each).await
            } else {
                self.both.replica.complete().await?.read_served(tables, each).await
            }
        })
    }

    fn checksum(&self) -> Answer<'_, (StoreHead, [u8; 32])> {
        either!(self, checksum())
    }

    fn audit<'s>(&'s self, query: &'s AuditQuery) -> Answer<'s, StorePage<AuditEntry>> {
        self.both.server.audit(query)
    }

    fn report<'s>(&'s self, state: &'s GatewayState) -> Answer<'s, ()> {
        self.both.server.report(state)
    }

    fn gateways(&self) -> Answer<'_, Vec<GatewayState>> {
        self.both.server.gateways()
    }

    fn note_uses<'s>(&'s self, uses: &'s [LastUse]) -> Answer<'s, ()> {
        self.both.server.note_uses(uses)
    }

    fn last_uses(&self, application: Uuid) -> Answer<'_, Vec<LastUse>> {
        self.both.server.last_uses(application)
    }

    fn nudged(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.both.server.nudged()
    }
}
