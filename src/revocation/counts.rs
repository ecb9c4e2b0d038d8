//! Counts revocations for operators: their number, their origin, and the state of the channel.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::revocation::record::{RevocationKind, RevocationRecord};

/// The source of a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RevocationOrigin {
    /// A notice or a call.
    Management,
    /// Another gateway.
    Channel,
    /// The journal, at the start.
    Journal,
}

/// The fate of a message on the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChannelMessage {
    Read,
    /// Not one of the gateway's entries: skipped.
    Unreadable,
}

pub(super) const SOURCES: [(RevocationOrigin, &str); 3] = [
    (RevocationOrigin::Management, "management"),
    (RevocationOrigin::Channel, "channel"),
    (RevocationOrigin::Journal, "journal"),
];
pub(super) const KINDS: [&str; 2] = ["token", "holder"];

/// Accesses are relaxed, because each number is independent.
#[derive(Debug, Default)]
pub(super) struct RevocationCounters {
    pub(super) applied: [[AtomicU64; 2]; 3],
    pub(super) expired: AtomicU64,
    pub(super) full: AtomicU64,
    pub(super) journal_failures: AtomicU64,
    journal_failing: AtomicBool,
    pub(super) journal_damages: AtomicU64,
    pub(super) lifted: AtomicU64,
    pub(super) has_channel: AtomicBool,
    pub(super) channel_up: AtomicBool,
    pub(super) channel_failures: AtomicU64,
    pub(super) read: AtomicU64,
    pub(super) unreadable: AtomicU64,
    pub(super) published: AtomicU64,
    pub(super) overflows: AtomicU64,
    pub(super) comparisons: AtomicU64,
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

    /// Counts a revocation for which there was no room.
    pub(super) fn refused_full(&self) {
        if self.full.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::error!(
                target: "portcullis::revocation",
                "there are too many revocations; new ones do not hold",
            );
        }
    }

    /// Notes a failure; the first after a success is logged.
    pub(super) fn journal_failed(&self, error: &std::io::Error) {
        add(&self.journal_failures, 1);
        if !self.journal_failing.swap(true, Ordering::Relaxed) {
            tracing::error!(
                target: "portcullis::revocation",
                %error,
                "the journal of revocations cannot be written; they hold, and a restart forgets \
                 them",
            );
        }
    }

    pub(super) fn journal_written(&self) {
        if self.journal_failing.swap(false, Ordering::Relaxed) {
            tracing::info!(
                target: "portcullis::revocation",
                "the journal of revocations can be written again",
            );
        }
    }

    /// Counts damage by a disk or another program; the finder of the damage logs it.
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

fn add(count: &AtomicU64, amount: u64) {
    count.fetch_add(amount, Ordering::Relaxed);
}
