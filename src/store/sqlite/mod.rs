//! The store in a database file of SQLite.
//!
//! [`writer`] is the one thread that writes, [`readers`] are some connections that read, and
//! [`session`] is one connection.

mod readers;
mod session;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use crate::model::clock::Clock;
use crate::niceness;
use crate::state_dir;
use crate::store::audit::{AuditEntry, AuditQuery};
use crate::store::changes::{StoreChanges, StoreHead};
use crate::store::error::StoreError;
use crate::store::fleet::{GatewayState, LastUse};
use crate::store::kind::Kind;
use crate::store::query::{Query, StorePage};
use crate::store::record::Record;
use crate::store::served::Served;
use crate::store::sql::{self, SqlSession, stored};
use crate::store::sqlite::readers::Readers;
pub(in crate::store) use crate::store::sqlite::session::{SqliteSession, now};
use crate::store::sqlite::writer::{Job, SqliteWriter};
use crate::store::storage::{Answer, Store};
use crate::store::write::{Write, WriteProgress, Written};

/// Writes that may wait. Callers beyond are refused.
const MOST_WAITING: usize = 1024;

/// The longest wait for a write: the disk of a busy machine takes its time.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// A database file, made when it is missing.
#[derive(Debug)]
pub struct SqliteStore {
    readers: Readers,
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    written: Arc<Notify>,
    clock: Arc<dyn Clock>,
}

impl SqliteStore {
    /// Opens the database, makes it if there is none, and migrates an older one. Waits for the
    /// disk.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::open_for(path, clock, || ())
    }

    /// Like [`SqliteStore::open`], for writes that give way to the workers.
    pub(in crate::store) fn open_giving_way(
        path: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        Self::open_for(path, clock, niceness::give_way)
    }

    /// The thread that writes calls `begin` first.
    fn open_for(path: &Path, clock: Arc<dyn Clock>, begin: fn()) -> Result<Self, StoreError> {
        let unusable =
            |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
        state_dir::open_or_create(path).map_err(unusable)?;
        // other users lose access to an existing one
        state_dir::write(path).map_err(unusable)?;
        let mut session = SqliteSession::open(path)?;
        session.writing(migrate)?;
        let (jobs, queue) = mpsc::channel(MOST_WAITING);
        let written = Arc::new(Notify::new());
        let writer = SqliteWriter {
            session,
            queue,
            clock: Arc::clone(&clock),
            written: Arc::clone(&written),
        };
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                begin();
                writer.run();
            })
            .map_err(unusable)?;
        Ok(Self {
            readers: Readers::new(path),
            jobs: Some(jobs),
            writer: Some(thread),
            written,
            clock,
        })
    }

    /// Opens a database that is there, of today's format, and refuses all writes. Waits for the
    /// disk.
    pub fn open_to_read(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let mut session = SqliteSession::open_to_read(path)?;
        now(sql::is_current(&mut session))?;
        let readers = Readers::read_only(path);
        Ok(Self { readers, jobs: None, writer: None, written: Arc::default(), clock })
    }

    /// Computes the checksum over the rows of the file, which takes seconds for a million
    /// applications. [`Store::checksum`] returns the one that is kept with each change.
    pub async fn recount(&self) -> Result<(StoreHead, [u8; 32]), StoreError> {
        self.readers.read_long(|session| now(sql::recount(session))).await
    }

    fn time(&self) -> i64 {
        stored(self.clock.milliseconds())
    }

    async fn queue(&self, job: Job) -> Result<(), StoreError> {
        let closed = || StoreError::Unavailable("the store is closed".to_owned());
        let jobs = self.jobs.as_ref().ok_or_else(closed)?;
        jobs.send(job).await.map_err(|_| closed())
    }

    /// Runs work on one state of the database.
    pub(in crate::store) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteSession) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.read(work).await
    }

    /// Runs work on the writer's thread, in a transaction of its own, without a time limit.
    pub(in crate::store) async fn work_long<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteSession) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answer) = other(work);
        self.queue(job).await?;
        answer.await.map_err(|_| StoreError::Unavailable("the writer ended".to_owned()))?
    }

    /// Like [`SqliteStore::work_long`], within the time limit of a write.
    pub(in crate::store) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteSession) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answer) = other(work);
        self.answered(job, answer).await
    }

    async fn answered<T>(
        &self,
        job: Job,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let done = timeout(WRITE_TIMEOUT, async {
            self.queue(job).await?;
            answer.await.map_err(|_| StoreError::Unavailable("the writer ended".to_owned()))?
        });
        done.await.map_err(|_| {
            let seconds = WRITE_TIMEOUT.as_secs();
            StoreError::Unavailable(format!("SQLite wrote nothing within {seconds} seconds"))
        })?
    }
}

/// Makes a job for the writer's thread, and the receiver of its result.
fn other<T: Send + 'static>(
    work: impl FnOnce(&mut SqliteSession) -> Result<T, StoreError> + Send + 'static,
) -> (Job, oneshot::Receiver<Result<T, StoreError>>) {
    let (reply, answer) = oneshot::channel();
    let job = Job::Other(Box::new(move |session| {
        let _ = reply.send(session.writing(work));
    }));
    (job, answer)
}

fn migrate(session: &mut SqliteSession) -> Result<(), StoreError> {
    now(session.run(sql::META, &[]))?;
    for step in now(sql::missing(session))? {
        session.batch(step.sqlite)?;
    }
    now(sql::done(session))
}

impl Drop for SqliteStore {
    /// Lets the writer finish the queue.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Store for SqliteStore {
    fn head(&self) -> Answer<'_, StoreHead> {
        Box::pin(self.readers.read(|session| Ok(now(sql::read_state(session))?.head())))
    }

    fn get(&self, kind: Kind, id: Uuid) -> Answer<'_, Option<Record>> {
        Box::pin(self.readers.read(move |session| now(sql::get(session, kind, id))))
    }

    fn named<'s>(&'s self, kind: Kind, name: &'s str) -> Answer<'s, Option<Record>> {
        let name = name.to_owned();
        Box::pin(self.readers.read(move |session| now(sql::named(session, kind, &name))))
    }

    fn get_all<'s>(&'s self, kind: Kind, ids: &'s [Uuid]) -> Answer<'s, Vec<Record>> {
        let ids = ids.to_vec();
        Box::pin(self.readers.read(move |session| now(sql::get_all(session, kind, &ids))))
    }

    fn named_all<'s>(&'s self, kind: Kind, names: &'s [String]) -> Answer<'s, Vec<Record>> {
        let names = names.to_vec();
        Box::pin(self.readers.read(move |session| now(sql::named_all(session, kind, &names))))
    }

    fn applications<'s>(&'s self, ids: &'s [Uuid]) -> Answer<'s, (StoreHead, Vec<Record>)> {
        let ids = ids.to_vec();
        Box::pin(self.readers.read(move |session| now(sql::applications(session, &ids))))
    }

    fn child_counts<'s>(&'s self, kind: Kind, parents: &'s [Uuid]) -> Answer<'s, Vec<(Uuid, u64)>> {
        let parents = parents.to_vec();
        Box::pin(self.readers.read(move |session| now(sql::child_counts(session, kind, &parents))))
    }

    fn holders<'s>(&'s self, kind: Kind, policy: &'s str) -> Answer<'s, u64> {
        let policy = policy.to_owned();
        Box::pin(self.readers.read(move |session| now(sql::holders(session, kind, &policy))))
    }

    fn counts(&self) -> Answer<'_, Vec<(Kind, u64)>> {
        Box::pin(self.readers.read(|session| now(sql::counts(session))))
    }

    fn list<'s>(&'s self, query: &'s Query) -> Answer<'s, StorePage> {
        let query = query.clone();
        Box::pin(self.readers.read(move |session| now(sql::list(session, &query))))
    }

    fn rank<'s>(&'s self, query: &'s Query, owner: &'s str, name: &'s str) -> Answer<'s, u64> {
        let (query, owner, name) = (query.clone(), owner.to_owned(), name.to_owned());
        Box::pin(
            self.readers.read(move |session| now(sql::rank_in(session, &query, &owner, &name))),
        )
    }

    fn write(&self, write: Write) -> Answer<'_, Written> {
        let (reply, answer) = oneshot::channel();
        Box::pin(self.answered(Job::Write(Box::new(write), reply), answer))
    }

    fn write_long(&self, write: Write, progress: WriteProgress) -> Answer<'_, Written> {
        let time = self.time();
        Box::pin(async move {
            let work = move |session: &mut SqliteSession| {
                now(sql::apply_counted(session, &write, time, &progress))
            };
            let written = self.work_long(work).await?;
            self.written.notify_one();
            Ok(written)
        })
    }

    fn changes(&self, after: u64, most: usize) -> Answer<'_, StoreChanges> {
        Box::pin(self.readers.read(move |session| now(sql::changes(session, after, most))))
    }

    fn read_all<'s>(
        &'s self,
        kinds: &'s [Kind],
        each: Box<dyn FnMut(Record) + Send>,
    ) -> Answer<'s, StoreHead> {
        Box::pin(self.readers.read_each(sql::FullReading::new(kinds), each))
    }

    fn read_served<'s>(
        &'s self,
        tables: &'s [Kind],
        each: Box<dyn FnMut(Served) + Send>,
    ) -> Answer<'s, StoreHead> {
        Box::pin(self.readers.read_each(sql::ServedReading::new(tables), each))
    }

    fn checksum(&self) -> Answer<'_, (StoreHead, [u8; 32])> {
        Box::pin(self.readers.read(|session| now(sql::checksum(session))))
    }

    fn audit<'s>(&'s self, query: &'s AuditQuery) -> Answer<'s, StorePage<AuditEntry>> {
        let query = query.clone();
        Box::pin(self.readers.read(move |session| now(sql::audit(session, &query))))
    }

    fn report<'s>(&'s self, state: &'s GatewayState) -> Answer<'s, ()> {
        let (state, time) = (state.clone(), self.time());
        Box::pin(self.work(move |session| now(sql::report(session, &state, time))))
    }

    fn gateways(&self) -> Answer<'_, Vec<GatewayState>> {
        let time = self.time();
        Box::pin(self.readers.read(move |session| now(sql::gateways(session, time))))
    }

    fn note_uses<'s>(&'s self, uses: &'s [LastUse]) -> Answer<'s, ()> {
        let uses = uses.to_vec();
        Box::pin(self.work(move |session| now(sql::note_uses(session, &uses))))
    }

    fn last_uses(&self, application: Uuid) -> Answer<'_, Vec<LastUse>> {
        Box::pin(self.readers.read(move |session| now(sql::last_uses(session, application))))
    }

    fn nudged(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.written.notified())
    }
}
