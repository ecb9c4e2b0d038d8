//! The numbers of a scrape.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::revocation::counts::{KINDS, SOURCES};
use crate::revocation::revocations::Revocations;
use crate::telemetry::{ChannelFacts, RevocationFacts};

impl Revocations {
    /// Returns the facts for a scrape.
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

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn load_size(count: &AtomicUsize) -> u64 {
    count.load(Ordering::Relaxed) as u64
}
