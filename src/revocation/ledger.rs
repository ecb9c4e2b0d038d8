//! Notes for people: the author, time and object of each revocation, and of each lifting. No
//! request looks at this.
//!
//! A lifted mark stays known until its tokens have expired, because a gateway that was away in the
//! meantime must not bring the revocation back.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::model::clock::UnixSeconds;
use crate::revocation::record::{CallId, Mark, Note, RevocationKind, RevocationRecord};

type Map<V> = HashMap<Mark, V, foldhash::fast::RandomState>;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) noted: Map<MarkNote>,
    lifted: Map<Lifted>,
}

/// The time and author of a call.
#[derive(Debug, Clone, Default)]
pub(super) struct MarkNote {
    pub(super) at: u64,
    pub(super) note: Option<Arc<Note>>,
}

#[derive(Debug)]
struct Lifted {
    at: u64,
    until: UnixSeconds,
    note: Option<Arc<Note>>,
}

impl Ledger {
    /// Tells whether the revocation was lifted after it was made.
    pub(super) fn overrules(&self, record: &RevocationRecord) -> bool {
        !self.lifted.is_empty()
            && self.lifted.get(&record.mark).is_some_and(|lifted| lifted.at >= record.at)
    }

    /// Remembers a lifted mark, and returns whether that is news.
    pub(super) fn lift(&mut self, record: &RevocationRecord) -> bool {
        let known = self.lifted.get(&record.mark);
        if known.is_some_and(|known| known.at >= record.at && known.until >= record.until) {
            return false;
        }
        let until = known.map_or(record.until, |known| known.until.max(record.until));
        let at = known.map_or(record.at, |known| known.at.max(record.at));
        self.lifted.insert(record.mark, Lifted { at, until, note: record.note.clone() });
        true
    }

    pub(super) fn note(&mut self, record: &RevocationRecord) {
        if record.at == 0 && record.note.is_none() {
            return;
        }
        let noted = self.noted.entry(record.mark).or_default();
        if record.at >= noted.at {
            *noted = MarkNote { at: record.at, note: record.note.clone() };
        }
    }

    /// The call under which a mark is listed.
    pub(super) fn call_of(&self, mark: &Mark) -> CallId {
        match self.noted.get(mark) {
            Some(MarkNote { note: Some(note), .. }) => note.call,
            _ => CallId::of_mark(mark),
        }
    }

    /// Returns the record with a time after earlier liftings, since clocks may differ.
    pub(super) fn after_lift(&self, record: &RevocationRecord) -> RevocationRecord {
        match self.lifted.get(&record.mark) {
            Some(lifted) if record.kind != RevocationKind::Lifted => RevocationRecord {
                at: record.at.max(lifted.at.saturating_add(1)),
                ..record.clone()
            },
            _ => record.clone(),
        }
    }

    pub(super) fn said_at(&self, mark: &Mark) -> u64 {
        self.noted.get(mark).map_or(0, |noted| noted.at)
    }

    pub(super) fn forget_lifted(&mut self, now: UnixSeconds) {
        self.lifted.retain(|_, lifted| lifted.until >= now);
    }

    pub(super) fn lifted_count(&self) -> usize {
        self.lifted.len()
    }

    /// Returns the lifted marks, as records.
    pub(super) fn lifted(&self) -> Vec<RevocationRecord> {
        let record = |(mark, lifted): (&Mark, &Lifted)| RevocationRecord {
            mark: *mark,
            kind: RevocationKind::Lifted,
            until: lifted.until,
            at: lifted.at,
            note: lifted.note.clone(),
        };
        self.lifted.iter().map(record).collect()
    }
}

/// The revocations of one call, as they are listed.
#[derive(Debug, Clone)]
pub struct ListedRevocation {
    pub call: CallId,
    pub at: u64,
    /// The records of its marks that still count.
    pub records: Vec<RevocationRecord>,
}
