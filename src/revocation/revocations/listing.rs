//! Lists revocations with their authors and times, and lifts them.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::model::clock::UnixSeconds;
use crate::revocation::error::RevocationError;
use crate::revocation::ledger::ListedRevocation;
use crate::revocation::record::{CallId, Mark, Note, RevocationKind, RevocationRecord};
use crate::revocation::revocations::{Revocations, SHARDS};

impl Revocations {
    /// Lists the calls that count, the newest first: `count` calls behind the first `skip`, and
    /// their number in all.
    pub fn list(
        &self,
        skip: usize,
        count: usize,
        now: UnixSeconds,
    ) -> (Vec<ListedRevocation>, usize) {
        let mut calls: HashMap<CallId, Vec<RevocationRecord>> = HashMap::new();
        for record in self.all_records().filter(|record| record.until >= now) {
            calls.entry(record.call()).or_default().push(record);
        }
        let mut listed: Vec<_> = calls
            .into_iter()
            .map(|(call, mut records)| {
                records.sort_by_key(|record| record.mark);
                let at = records.iter().map(|record| record.at).max().unwrap_or_default();
                ListedRevocation { call, at, records }
            })
            .collect();
        listed.sort_by_key(|listed| (std::cmp::Reverse(listed.at), listed.call));
        let all = listed.len();
        (listed.into_iter().skip(skip).take(count).collect(), all)
    }

    /// Lifts the revocations of a call: here, in the journal, and on the other gateways. Returns
    /// their number. Waits for the disk.
    pub fn take_back(&self, call: CallId, by: &str, now: u64) -> Result<usize, RevocationError> {
        let lifts: Vec<_> = self
            .all_records()
            .filter(|record| record.call() == call)
            .map(|record| {
                let of = record.note.as_ref().map(|note| note.of.clone()).unwrap_or_default();
                RevocationRecord {
                    kind: RevocationKind::Lifted,
                    // it must be later than the revocation, whatever the clocks say
                    at: now.max(record.at),
                    note: Some(Arc::new(Note { call, by: by.into(), of })),
                    ..record
                }
            })
            .collect();
        self.revoke(&lifts)?;
        Ok(lifts.len())
    }

    /// The calls under which these marks are listed.
    pub fn calls(&self, marks: &[Mark]) -> Vec<CallId> {
        let ledger = self.ledger();
        let mut calls: Vec<_> = marks.iter().map(|mark| ledger.call_of(mark)).collect();
        calls.sort();
        calls.dedup();
        calls
    }

    /// Makes a call count after all earlier liftings, since clocks may differ.
    pub(super) fn after_lifts(&self, records: &[RevocationRecord]) -> Vec<RevocationRecord> {
        let ledger = self.ledger();
        records.iter().map(|record| ledger.after_lift(record)).collect()
    }

    /// Returns the lifted marks that are still remembered.
    pub(in crate::revocation) fn lifted_records(&self) -> Vec<RevocationRecord> {
        self.ledger().lifted()
    }

    /// Returns all records that count, shard by shard.
    fn all_records(&self) -> impl Iterator<Item = RevocationRecord> {
        (0..SHARDS).flat_map(|shard| self.shard_records(shard))
    }
}
