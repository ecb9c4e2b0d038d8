//! Writes the journal, and hands it over to another process.

use std::sync::{MutexGuard, PoisonError};

use crate::revocation::counts::RevocationOrigin;
use crate::revocation::error::RevocationError;
use crate::revocation::journal::{Journal, Opened};
use crate::revocation::keeping::Keeping;
use crate::revocation::record::RevocationRecord;
use crate::revocation::revocations::{Revocations, SHARDS};

impl Revocations {
    /// Writes to this journal from now on, and takes its records.
    pub fn own(&self, opened: Opened) {
        let Opened { journal, records, damage } = opened;
        if damage.is_some() {
            self.counts.journal_damaged();
        }
        *self.keeping() = Keeping::Journal(Box::new(journal));
        let _ = self.apply(&records, RevocationOrigin::Journal);
    }

    /// Lets the journal go: everything that was answered is in it. Writing fails from now on.
    pub fn hand_over(&self) -> Result<(), RevocationError> {
        let kept = if self.is_behind() { self.rewrite() } else { Ok(()) };
        *self.keeping() = Keeping::HandedOver;
        kept
    }

    /// Takes the records that another process wrote to the journal.
    pub fn follow(&self, records: &[RevocationRecord]) {
        let _ = self.apply(records, RevocationOrigin::Journal);
    }

    /// Tells whether this process may revoke.
    pub fn is_owner(&self) -> bool {
        !matches!(*self.keeping(), Keeping::HandedOver)
    }

    pub(super) fn is_behind(&self) -> bool {
        matches!(&*self.keeping(), Keeping::Journal(journal) if journal.is_behind())
    }

    /// Appends records to the known file. If another file stands there, it is written anew.
    pub(super) fn keep(&self, records: &[RevocationRecord]) -> Result<(), RevocationError> {
        if records.is_empty() {
            return Ok(());
        }
        if self.is_damaged() {
            return self.rewrite();
        }
        let written = self.with_journal(|journal| journal.append(records))?;
        if written.is_some() {
            self.counts.journal_written();
        }
        Ok(())
    }

    /// The whole journal anew.
    pub(super) fn rewrite(&self) -> Result<(), RevocationError> {
        let written = self.with_journal(|journal| journal.rewrite(self.kept_records()))?;
        if written.is_some() {
            self.counts.journal_written();
        }
        Ok(())
    }

    /// Looks after the file: that it is still there, and not too long.
    pub(super) fn tidy(&self) -> Result<(), RevocationError> {
        let live = self.count().saturating_add(self.ledger().lifted_count()) as u64;
        let wanted = self.is_damaged()
            || matches!(&*self.keeping(), Keeping::Journal(journal) if journal.wants_rewrite(live));
        if wanted { self.rewrite() } else { Ok(()) }
    }

    /// Tells whether something else removed the journal or changed it.
    fn is_damaged(&self) -> bool {
        let damage = match &mut *self.keeping() {
            Keeping::Journal(journal) => journal.check(),
            Keeping::Memory | Keeping::HandedOver => None,
        };
        if damage.is_some() {
            self.counts.journal_damaged();
        }
        damage.is_some()
    }

    fn kept_records(&self) -> impl Iterator<Item = RevocationRecord> {
        let lifted = self.ledger().lifted();
        (0..SHARDS).flat_map(|shard| self.shard_records(shard)).chain(lifted)
    }

    /// Returns `None` without a journal. A failure is counted, and the first one is logged.
    fn with_journal<T>(
        &self,
        work: impl FnOnce(&mut Journal) -> std::io::Result<T>,
    ) -> Result<Option<T>, RevocationError> {
        let done = match &mut *self.keeping() {
            Keeping::Memory => return Ok(None),
            Keeping::HandedOver => return Err(RevocationError::HandedOver),
            Keeping::Journal(journal) => work(journal),
        };
        done.map(Some).map_err(|error| {
            self.counts.journal_failed(&error);
            RevocationError::Journal(error)
        })
    }

    fn keeping(&self) -> MutexGuard<'_, Keeping> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
