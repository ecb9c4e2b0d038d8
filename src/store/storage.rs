//! The interface of a database. SQLite and PostgreSQL implement it.

use std::fmt::Debug;
use std::future::ready;
use std::pin::Pin;

use uuid::Uuid;

use crate::store::audit::{AuditEntry, AuditQuery};
use crate::store::changes::{StoreChanges, StoreHead};
use crate::store::error::StoreError;
use crate::store::fleet::{GatewayState, LastUse};
use crate::store::kind::Kind;
use crate::store::query::{Query, StorePage};
use crate::store::record::Record;
use crate::store::served::Served;
use crate::store::write::{Write, WriteProgress, Written};

/// The answer of a store. It always comes, because each call has a deadline.
pub type Answer<'s, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 's>>;

/// A database with the objects of the management API.
pub trait Store: Debug + Send + Sync {
    fn head(&self) -> Answer<'_, StoreHead>;

    /// Counts how often the objects were found to be others than their revision says, as after the
    /// restore of a backup that was written to before anybody looked. Then a reader reads
    /// everything again.
    fn rewritten(&self) -> u64 {
        0
    }

    /// Returns the time at which a copy was last known to be the same as its server, in
    /// milliseconds since the epoch; `None` if reads are not answered from a copy.
    fn copied_at(&self) -> Answer<'_, Option<u64>> {
        Box::pin(ready(Ok(None)))
    }

    fn get(&self, kind: Kind, id: Uuid) -> Answer<'_, Option<Record>>;

    /// Finds an object by its unique name.
    fn named<'s>(&'s self, kind: Kind, name: &'s str) -> Answer<'s, Option<Record>>;

    /// Finds some objects by their ids, and leaves out those that do not exist.
    fn get_all<'s>(&'s self, kind: Kind, ids: &'s [Uuid]) -> Answer<'s, Vec<Record>>;

    /// Finds some objects by their unique names, and leaves out those that do not exist.
    fn named_all<'s>(&'s self, kind: Kind, names: &'s [String]) -> Answer<'s, Vec<Record>>;

    /// Finds some applications as they all were at one revision, which is returned, and leaves out
    /// those that do not exist. The applications come first, then the keys, then the subscriptions.
    /// Those of one application are in the order of their names.
    fn applications<'s>(&'s self, ids: &'s [Uuid]) -> Answer<'s, (StoreHead, Vec<Record>)>;

    /// Returns how many objects of a kind belong to each of these parents, if there are any.
    fn child_counts<'s>(&'s self, kind: Kind, parents: &'s [Uuid]) -> Answer<'s, Vec<(Uuid, u64)>>;

    /// Returns the number of applications, or of subscriptions, that have a policy.
    fn holders<'s>(&'s self, kind: Kind, policy: &'s str) -> Answer<'s, u64>;

    /// Returns the number of objects of each kind of which there are some.
    fn counts(&self) -> Answer<'_, Vec<(Kind, u64)>>;

    fn list<'s>(&'s self, query: &'s Query) -> Answer<'s, StorePage>;

    /// Returns the number of objects of a list before this owner and name, in the ascending order
    /// of its names or of its owners; the page of the query does not matter.
    fn rank<'s>(&'s self, query: &'s Query, owner: &'s str, name: &'s str) -> Answer<'s, u64>;

    /// Makes all changes of a write or none, with its audit entries, under the next revision.
    fn write(&self, write: Write) -> Answer<'_, Written>;

    /// Like [`Store::write`], without a time limit; other writers wait, or give up.
    fn write_long(&self, write: Write, progress: WriteProgress) -> Answer<'_, Written>;

    /// Returns the changes after a revision: about `most` records at most.
    fn changes(&self, after: u64, most: usize) -> Answer<'_, StoreChanges>;

    /// Passes every record of these kinds to `each`, as they all were at one revision, which is
    /// returned. Applications come last, each followed by its keys and its subscriptions. `each`
    /// runs on a thread where waiting is allowed.
    fn read_all<'s>(
        &'s self,
        kinds: &'s [Kind],
        each: Box<dyn FnMut(Record) + Send>,
    ) -> Answer<'s, StoreHead>;

    /// Passes the records of some kinds to `each`, and then all applications, as they all were at
    /// one revision, which is returned. `each` runs on a thread where waiting is allowed.
    fn read_served<'s>(
        &'s self,
        tables: &'s [Kind],
        each: Box<dyn FnMut(Served) + Send>,
    ) -> Answer<'s, StoreHead>;

    /// Returns a checksum over all objects at one revision, the same in every database.
    fn checksum(&self) -> Answer<'_, (StoreHead, [u8; 32])>;

    fn audit<'s>(&'s self, query: &'s AuditQuery) -> Answer<'s, StorePage<AuditEntry>>;

    /// Says that a gateway lives and which revision it has in force.
    fn report<'s>(&'s self, state: &'s GatewayState) -> Answer<'s, ()>;

    /// Returns the gateways that reported in the last day.
    fn gateways(&self) -> Answer<'_, Vec<GatewayState>>;

    /// Notes days on which applications used APIs.
    fn note_uses<'s>(&'s self, uses: &'s [LastUse]) -> Answer<'s, ()>;

    fn last_uses(&self, application: Uuid) -> Answer<'_, Vec<LastUse>>;

    /// Waits until there may have been a write. The nudge can be lost.
    fn nudged(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}
