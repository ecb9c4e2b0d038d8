//! One life of the channel, from a connection to its loss.
//!
//! Two keys of the server hold everything. A sorted set has all revocations by their end, so that a
//! gateway that starts or comes back learns what it missed. A short stream has the news. A session
//! begins by comparing: it takes what the set has and gives what the set lacks. So a server that
//! lost its data gets it again from any gateway. The stream is read from before the comparison, so
//! that nothing is lost between the two.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Pipeline, Value, cmd};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::model::clock::{Clock, MARGIN_SECONDS};
use crate::model::redis::RedisServer;
use crate::redis_link::BoundedConnection;
use crate::redis_link::schedule;
use crate::redis_link::{LinkError, connect};
use crate::revocation::channel::message;
use crate::revocation::channel::reply::{self, EntryId, Page};
use crate::revocation::channel::status::ChannelStatus;
use crate::revocation::counts::ChannelMessage;
use crate::revocation::record::RevocationRecord;
use crate::revocation::revocations::{Revocations, SHARDS};

/// The braces keep both in one slot, for servers that are a cluster behind a proxy.
const SET: &str = "{portcullis}:revocations";
const STREAM: &str = "{portcullis}:revocations:news";

/// Entries of the stream; a reader that is further behind compares instead.
const STREAM_LENGTH: usize = 100_000;
/// News in one answer.
const PAGE: usize = 1000;
/// Members of the set in one answer, and so in one write to the disk: a few milliseconds of the
/// server's one thread.
const SCAN: usize = 5000;
/// The most members in one command.
const BATCH: usize = 1000;
/// A read returns after this long without news; well below the time that an answer may take.
const WAIT_MILLISECONDS: u64 = 3000;
/// The pause between two looks at the size of the set: a server that was emptied keeps its
/// connections.
const LOOK: Duration = Duration::from_secs(10);

/// The state of one session.
pub(super) struct Session<'c> {
    pub(super) settings: &'c RedisServer,
    pub(super) revocations: &'c Arc<Revocations>,
    pub(super) clock: &'c Arc<dyn Clock>,
    pub(super) standing: &'c ChannelStatus,
}

impl Session<'_> {
    /// Runs until something fails.
    pub(super) async fn run(&self, queue: &mut mpsc::Receiver<RevocationRecord>) -> LinkError {
        let connected = Box::pin(async {
            Ok::<_, LinkError>((connect(self.settings).await?, connect(self.settings).await?))
        })
        .await;
        let ((reader, reading), (writer, writing)) = match connected {
            Ok(connections) => connections,
            Err(error) => return error,
        };
        let bounds = [reader.bound(), writer.bound()];
        let error = tokio::select! {
            () = reading => LinkError::Closed,
            () = writing => LinkError::Closed,
            error = self.both(reader, writer, queue) => error,
        };
        if bounds.iter().any(|bound| bound.is_exceeded()) { LinkError::Endless } else { error }
    }

    async fn both(
        &self,
        mut reader: BoundedConnection,
        writer: BoundedConnection,
        queue: &mut mpsc::Receiver<RevocationRecord>,
    ) -> LinkError {
        let newest: Result<Value, _> = cmd("XREVRANGE")
            .arg(STREAM)
            .arg("+")
            .arg("-")
            .arg("COUNT")
            .arg(1)
            .query_async(&mut reader)
            .await;
        let from = match newest.map_err(LinkError::from).and_then(|value| reply::edge(&value)) {
            Ok(newest) => newest.unwrap_or_default(),
            Err(error) => return error,
        };
        tokio::select! {
            error = self.listen(reader, from) => error,
            error = Box::pin(self.speak(writer, queue)) => error,
        }
    }

    /// Reads news and applies it.
    async fn listen(&self, mut reader: BoundedConnection, mut last: EntryId) -> LinkError {
        loop {
            let mut read = cmd("XREAD");
            read.arg("COUNT")
                .arg(PAGE)
                .arg("BLOCK")
                .arg(WAIT_MILLISECONDS)
                .arg("STREAMS")
                .arg(STREAM)
                .arg(last.to_string());
            let page = match ask(&mut reader, &read).await.and_then(|value| reply::news(&value)) {
                Ok(page) => page,
                Err(error) => return error,
            };
            let Some((newest, _)) = page.last() else { continue };
            let (newest, full) = (*newest, page.len() >= PAGE);
            self.take(
                page.into_iter().map(|(_, line)| line.and_then(|line| message::read_line(&line))),
            )
            .await;
            last = newest;
            if full && let Err(error) = self.compare_if_behind(&mut reader, last).await {
                return error;
            }
        }
    }

    /// Compares again if a burst has outrun the reader: the set has the entries that the stream
    /// dropped.
    async fn compare_if_behind(
        &self,
        reader: &mut BoundedConnection,
        last: EntryId,
    ) -> Result<(), LinkError> {
        let oldest =
            ask(reader, cmd("XRANGE").arg(STREAM).arg("-").arg("+").arg("COUNT").arg(1)).await?;
        if reply::edge(&oldest)?.is_some_and(|oldest| oldest > last) {
            self.revocations.outbox.compare.notify_one();
        }
        Ok(())
    }

    /// Sends news, and compares at the beginning and on request. A server that refuses is asked
    /// again later; its news is read in the meantime.
    async fn speak(
        &self,
        mut writer: BoundedConnection,
        queue: &mut mpsc::Receiver<RevocationRecord>,
    ) -> LinkError {
        let mut refusals = 0_u32;
        loop {
            let Err(error) = self.compare_and_tell(&mut writer, queue, &mut refusals).await;
            if !error.is_refusal() {
                return error;
            }
            self.standing.down(&error, &self.revocations.counts);
            refusals = refusals.saturating_add(1);
            sleep(schedule::retry(refusals, schedule::LONGEST_AFTER_REFUSAL)).await;
        }
    }

    async fn compare_and_tell(
        &self,
        writer: &mut BoundedConnection,
        queue: &mut mpsc::Receiver<RevocationRecord>,
        refusals: &mut u32,
    ) -> Result<std::convert::Infallible, LinkError> {
        self.compare(writer, queue).await?;
        *refusals = 0;
        self.standing.up(&self.revocations.counts);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        look.reset();
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                received = queue.recv_many(&mut batch, BATCH) => match received {
                    // the owner has closed the channel; this task is about to be ended
                    0 => return std::future::pending().await,
                    _ => self.publish(writer, &batch).await?,
                },
                () = self.revocations.outbox.compare.notified() => {
                    self.compare(writer, queue).await?;
                }
                _ = look.tick() => {
                    let held = ask(writer, cmd("ZCARD").arg(SET)).await?;
                    if reply::count(&held)? < self.revocations.count() as u64 {
                        self.compare(writer, queue).await?;
                    }
                }
            }
        }
    }

    /// Takes what the server has and gives what it lacks. News in the meantime goes first.
    async fn compare(
        &self,
        writer: &mut BoundedConnection,
        queue: &mut mpsc::Receiver<RevocationRecord>,
    ) -> Result<(), LinkError> {
        self.prune(writer).await?;
        let mut cursor = b"0".to_vec();
        loop {
            self.publish_waiting(writer, queue).await?;
            let page =
                ask(writer, cmd("ZSCAN").arg(SET).arg(&cursor).arg("COUNT").arg(SCAN)).await?;
            let page = Page::of(&page)?;
            self.take(page.members().map(|(member, score)| message::read_member(member, score)))
                .await;
            if page.next == b"0" {
                break;
            }
            cursor = page.next.to_vec();
        }
        // lifted revocations go first, so that a gateway that starts never holds one
        let lifted = std::iter::once_with(|| self.revocations.lifted_records());
        let shards = (0..SHARDS).map(|shard| self.revocations.shard_records(shard));
        for records in lifted.chain(shards) {
            self.publish_waiting(writer, queue).await?;
            let now = self.clock.forget_before();
            let current: Vec<_> =
                records.into_iter().filter(|record| record.until >= now).collect();
            for batch in current.chunks(BATCH) {
                self.publish(writer, batch).await?;
            }
        }
        self.revocations.counts.compared();
        Ok(())
    }

    /// Removes entries from the set that expired a day ago by two clocks, the gateway's and the
    /// server's. So a gateway with a wrong clock removes nothing that others need.
    async fn prune(&self, writer: &mut BoundedConnection) -> Result<(), LinkError> {
        let servers = match ask(writer, &cmd("TIME")).await {
            Ok(time) => reply::time(&time)?,
            Err(error) if error.is_refusal() => {
                self.standing.no_time();
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.standing.compare_clocks(self.clock.now(), servers);
        let servers = servers.0.saturating_sub(MARGIN_SECONDS);
        let over = self.clock.forget_before().0.min(servers);
        ask(writer, cmd("ZREMRANGEBYSCORE").arg(SET).arg("-inf").arg(over)).await?;
        Ok(())
    }

    async fn publish_waiting(
        &self,
        writer: &mut BoundedConnection,
        queue: &mut mpsc::Receiver<RevocationRecord>,
    ) -> Result<(), LinkError> {
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Ok(record) = queue.try_recv()
        {
            batch.push(record);
        }
        if batch.is_empty() { Ok(()) } else { self.publish(writer, &batch).await }
    }

    /// Adds missing revocations to the set and to the stream, both or neither.
    async fn publish(
        &self,
        writer: &mut BoundedConnection,
        records: &[RevocationRecord],
    ) -> Result<(), LinkError> {
        let mut known = cmd("ZMSCORE");
        known.arg(SET);
        for record in records {
            known.arg(message::member(record));
        }
        let scores = ask(writer, &known).await?;
        let scores = reply::scores(&scores, records.len())?;
        let lacking: Vec<_> = records
            .iter()
            .zip(scores)
            .filter(|(record, score)| {
                score.is_none_or(|score| score < message::score(record).into())
            })
            .map(|(record, _)| record)
            .collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let mut add = Pipeline::new();
        add.atomic();
        for record in &lacking {
            add.cmd("ZADD")
                .arg(SET)
                .arg("GT")
                .arg(message::score(record))
                .arg(message::member(record))
                .ignore();
            add.cmd("XADD")
                .arg(STREAM)
                .arg("MAXLEN")
                .arg("~")
                .arg(STREAM_LENGTH)
                .arg("*")
                .arg(reply::FIELD)
                .arg(message::line(record));
            add.ignore();
        }
        add.query_async::<()>(writer).await?;
        self.revocations.counts.published(lacking.len());
        Ok(())
    }

    /// Applies the readable entries and counts the others. Another thread waits for the disk.
    async fn take(&self, read: impl Iterator<Item = Option<RevocationRecord>>) {
        let counts = &self.revocations.counts;
        let count = |record: &Option<RevocationRecord>| {
            counts.message(if record.is_some() {
                ChannelMessage::Read
            } else {
                ChannelMessage::Unreadable
            });
        };
        let records: Vec<_> = read.inspect(count).flatten().collect();
        if records.is_empty() {
            return;
        }
        let (revocations, now) = (Arc::clone(self.revocations), self.clock.forget_before());
        // failures are reported and counted there
        let _ = tokio::task::spawn_blocking(move || revocations.take(&records, now)).await;
    }
}

async fn ask(connection: &mut BoundedConnection, command: &Cmd) -> Result<Value, LinkError> {
    Ok(command.query_async(connection).await?)
}
