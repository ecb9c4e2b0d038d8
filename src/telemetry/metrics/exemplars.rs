//! The last traced exchange of each bucket of a histogram, for scrapes in the OpenMetrics format.

use std::sync::Mutex;
use std::time::Duration;

use super::histogram::BUCKETS;
use super::histogram::bucket_of;
use crate::telemetry::access_log::UnixMillis;
use crate::telemetry::traces::TraceId;

/// An exchange that a collector of traces knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exemplar {
    pub(super) trace: TraceId,
    pub(super) value: Duration,
    pub(super) at: UnixMillis,
}

/// The exemplars of a histogram, by bucket.
pub(super) type Exemplars = [Option<Exemplar>; BUCKETS];

/// The exemplars of one worker. Few exchanges are traced, so a lock between the worker and a scrape
/// does; the worker does not wait for it.
#[derive(Debug, Default)]
pub(super) struct ExemplarCells(Mutex<Option<Box<Exemplars>>>);

impl ExemplarCells {
    pub(super) fn note(&self, exemplar: Exemplar) {
        // a scrape is reading: the next one will do
        let Ok(mut kept) = self.0.try_lock() else { return };
        let kept = kept.get_or_insert_with(|| Box::new([None; BUCKETS]));
        if let Some(place) = kept.get_mut(bucket_of(exemplar.value)) {
            *place = Some(exemplar);
        }
    }

    /// Puts the newer exemplars into `newest`.
    pub(super) fn add_to(&self, newest: &mut Exemplars) {
        let Ok(kept) = self.0.lock() else { return };
        let Some(kept) = kept.as_deref() else { return };
        for (newest, kept) in newest.iter_mut().zip(kept) {
            let at = |exemplar: &Option<Exemplar>| exemplar.map(|exemplar| exemplar.at);
            if at(kept) > at(newest) {
                *newest = *kept;
            }
        }
    }
}
