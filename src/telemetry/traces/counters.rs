//! Counts spans that were exported, and those that were lost.

use std::sync::atomic::{AtomicU64, Ordering};

/// The reasons why spans are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DroppedSpans {
    /// The queue to the exporter was full.
    QueueFull,
    /// The collector could not be reached for too long.
    Unreachable,
    /// The collector refused them.
    Rejected,
}

impl DroppedSpans {
    pub(in crate::telemetry) const ALL: [Self; 3] =
        [Self::QueueFull, Self::Unreachable, Self::Rejected];

    pub(in crate::telemetry) fn label(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Unreachable => "unreachable",
            Self::Rejected => "rejected",
        }
    }
}

/// The counts of all workers and of the exporter: touched for a batch, never for a request.
#[derive(Debug, Default)]
pub struct TraceCounters {
    exported: AtomicU64,
    dropped: [AtomicU64; DroppedSpans::ALL.len()],
    /// The last delivery failed.
    down: AtomicU64,
}

impl TraceCounters {
    /// Counts spans that the collector accepted.
    pub fn exported(&self, spans: usize) {
        self.exported.fetch_add(spans as u64, Ordering::Relaxed);
    }

    pub fn dropped(&self, why: DroppedSpans, spans: usize) {
        if let Some(count) = self.dropped.get(why as usize) {
            count.fetch_add(spans as u64, Ordering::Relaxed);
        }
    }

    /// The last delivery succeeded, or failed.
    pub fn collector_up(&self, up: bool) {
        self.down.store(u64::from(!up), Ordering::Relaxed);
    }

    pub(in crate::telemetry) fn exported_total(&self) -> u64 {
        self.exported.load(Ordering::Relaxed)
    }

    pub(in crate::telemetry) fn dropped_total(&self, why: DroppedSpans) -> u64 {
        self.dropped.get(why as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    pub(in crate::telemetry) fn is_up(&self) -> bool {
        self.down.load(Ordering::Relaxed) == 0
    }
}
