//! What operators see of revocations: how many came, from where, and how the channel stands.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::revocation::Revocations;
use crate::revocation::record::{RevocationKind, RevocationRecord};
use crate::telemetry::{ChannelFacts, RevocationFacts};

/// How a revocation became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RevocationOrigin {
    /// A notice or a call.
    Management,
    /// Another gateway.
    Channel,
    /// Kept from before the start.
    Journal,
}

/// What became of a message on the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChannelMessage {
    Read,
    /// Not one of ours: skipped.
    Unreadable,
}

const SOURCES: [(RevocationOrigin, &str); 3] = [
    (RevocationOrigin::Management, "management"),
    (RevocationOrigin::Channel, "channel"),
    (RevocationOrigin::Journal, "journal"),
];
const KINDS: [&str; 2] = ["token", "holder"];

/// Relaxed throughout: each number stands for itself.
#[derive(Debug, Default)]
pub(super) struct RevocationCounters {
    applied: [[AtomicU64; 2]; 3],
    expired: AtomicU64,
    full: AtomicU64,
    journal_failures: AtomicU64,
    journal_failing: AtomicBool,
    journal_damages: AtomicU64,
    lifted: AtomicU64,
    has_channel: AtomicBool,
    channel_up: AtomicBool,
    channel_failures: AtomicU64,
    read: AtomicU64,
    unreadable: AtomicU64,
    published: AtomicU64,
    overflows: AtomicU64,
    comparisons: AtomicU64,
}

impl RevocationCounters {
    pub(super) fn applied(&self, record: &RevocationRecord, source: RevocationOrigin) {
        if record.kind == RevocationKind::Lifted {
            add(&self.lifted, 1);
            return;
        }
        let kind = usize::from(matches!(record.kind, RevocationKind::Holder { .. }));
        if let Some(count) = self.applied.get(source as usize).and_then(|kinds| kinds.get(kind)) {
            add(count, 1);
        }
    }

    pub(super) fn expired(&self, count: usize) {
        add(&self.expired, count as u64);
    }

    /// No room for one more.
    pub(super) fn refused_full(&self) {
        if self.full.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::error!(target: "portcullis::revocation", "there are too many revocations; new ones do not hold");
        }
    }

    /// The first failure after a success is told.
    pub(super) fn journal_failed(&self, error: &std::io::Error) {
        add(&self.journal_failures, 1);
        if !self.journal_failing.swap(true, Ordering::Relaxed) {
            tracing::error!(target: "portcullis::revocation", %error, "the journal of revocations cannot be written; they hold, and a restart forgets them");
        }
    }

    pub(super) fn journal_written(&self) {
        if self.journal_failing.swap(false, Ordering::Relaxed) {
            tracing::info!(target: "portcullis::revocation", "the journal of revocations can be written again");
        }
    }

    /// Something else changed it, or a disk did; told where it was found.
    pub(super) fn journal_damaged(&self) {
        add(&self.journal_damages, 1);
    }

    pub(super) fn channel_configured(&self, configured: bool) {
        self.has_channel.store(configured, Ordering::Relaxed);
        self.channel_up.store(false, Ordering::Relaxed);
    }

    pub(super) fn channel_came_up(&self) {
        self.channel_up.store(true, Ordering::Relaxed);
    }

    pub(super) fn channel_failed(&self) {
        self.channel_up.store(false, Ordering::Relaxed);
        add(&self.channel_failures, 1);
    }

    pub(super) fn message(&self, message: ChannelMessage) {
        add(if message == ChannelMessage::Read { &self.read } else { &self.unreadable }, 1);
    }

    pub(super) fn published(&self, count: usize) {
        add(&self.published, count as u64);
    }

    pub(super) fn overflowed(&self) {
        add(&self.overflows, 1);
    }

    pub(super) fn compared(&self) {
        add(&self.comparisons, 1);
    }
}

impl Revocations {
    /// For a scrape.
    pub fn facts(&self) -> RevocationFacts {
        let counts = &self.counts;
        let applied = SOURCES.iter().flat_map(|(source, name)| {
            let kinds = counts.applied.get(*source as usize).into_iter().flatten();
            KINDS.iter().zip(kinds).map(|(kind, count)| (*kind, *name, load(count)))
        });
        RevocationFacts {
            held: vec![("token", load_size(&self.tokens)), ("holder", load_size(&self.holders))],
            bytes: self.bytes() as u64,
            applied: applied.collect(),
            expired: load(&counts.expired),
            full: load(&counts.full),
            journal_failures: load(&counts.journal_failures),
            journal_damages: load(&counts.journal_damages),
            lifted: load(&counts.lifted),
            channel: counts.has_channel.load(Ordering::Relaxed).then(|| ChannelFacts {
                up: counts.channel_up.load(Ordering::Relaxed),
                failures: load(&counts.channel_failures),
                messages: vec![
                    ("read", load(&counts.read)),
                    ("unreadable", load(&counts.unreadable)),
                ],
                published: load(&counts.published),
                overflows: load(&counts.overflows),
                comparisons: load(&counts.comparisons),
                claims: self.claims.counts(),
            }),
        }
    }
}

fn add(count: &AtomicU64, amount: u64) {
    count.fetch_add(amount, Ordering::Relaxed);
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn load_size(count: &std::sync::atomic::AtomicUsize) -> u64 {
    count.load(Ordering::Relaxed) as u64
}
