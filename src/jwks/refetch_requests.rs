//! The meeting place of requests and the fetching task: the requests for newer keys, and the times
//! of the next fetches.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::budget::Shares;
use crate::jwks::outcome::Refetched;
use crate::jwks::schedule::Moment;

/// Requests that may wait for one key manager.
const MOST_WAITING: usize = 1000;

/// The state that requests and the fetching task share. All moments are nanoseconds since `begun`.
#[derive(Debug)]
pub(super) struct RefetchRequests {
    begun: Instant,
    /// The latest arrival that waits for a fetch.
    wanted: AtomicU64,
    /// The latest call of an operator.
    forced: AtomicU64,
    bell: Notify,
    rung: AtomicBool,
    /// The times from which the allowance lets a request, or a bad signature, cause a fetch.
    opens_at: AtomicU64,
    spare_opens_at: AtomicU64,
    background_at: AtomicU64,
    fetching: AtomicBool,
    pub(super) places: Shares,
    results: [AtomicU64; Refetched::LABELS.len()],
}

impl RefetchRequests {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            // before any moment: no request has asked
            wanted: AtomicU64::new(0),
            forced: AtomicU64::new(0),
            bell: Notify::new(),
            rung: AtomicBool::new(false),
            opens_at: AtomicU64::new(0),
            spare_opens_at: AtomicU64::new(0),
            background_at: AtomicU64::new(0),
            fetching: AtomicBool::new(false),
            places: Shares::new(MOST_WAITING),
            results: Default::default(),
        }
    }

    /// The time that has passed, never zero.
    pub(super) fn moment(&self, at: Instant) -> Moment {
        at.saturating_duration_since(self.begun).max(Duration::from_nanos(1))
    }

    pub(super) fn instant(&self, moment: Moment) -> Instant {
        self.begun.checked_add(moment).unwrap_or(self.begun)
    }

    /// Tells whether a request came after the last fetch began.
    pub(super) fn is_wanted(&self, last_began: Moment) -> bool {
        let wanted = || self.wanted.load(Ordering::SeqCst) > nanos(last_began);
        if wanted() {
            return true;
        }
        // the next request must ring; one that came in the meantime is seen now
        self.rung.store(false, Ordering::SeqCst);
        wanted()
    }

    pub(super) fn is_forced(&self, last_began: Moment) -> bool {
        self.forced.load(Ordering::SeqCst) > nanos(last_began)
    }

    /// Returns when a request has asked since the last fetch began.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Notes that a fetch begins: later requests need another one. The moment must be read after
    /// this call.
    pub(super) fn fetch_begins(&self) {
        self.fetching.store(true, Ordering::SeqCst);
        self.rung.store(false, Ordering::SeqCst);
    }

    pub(super) fn fetch_ended(&self) {
        self.fetching.store(false, Ordering::SeqCst);
    }

    /// Announces the times of the next fetches, as the task sees them.
    pub(super) fn announce(&self, opens_at: Moment, spare_opens_at: Moment, background_at: Moment) {
        self.opens_at.store(nanos(opens_at), Ordering::SeqCst);
        self.spare_opens_at.store(nanos(spare_opens_at), Ordering::SeqCst);
        self.background_at.store(nanos(background_at), Ordering::SeqCst);
    }

    pub(super) fn want(&self, arrived: Moment) {
        self.wanted.fetch_max(nanos(arrived), Ordering::SeqCst);
        self.ring();
    }

    pub(super) fn force(&self, arrived: Moment) {
        self.forced.fetch_max(nanos(arrived), Ordering::SeqCst);
        // a request may have rung before, and its fetch may be far off
        self.bell.notify_one();
    }

    /// A flood of askers wakes the task once.
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            self.bell.notify_one();
        }
    }

    pub(super) fn is_fetching(&self) -> bool {
        self.fetching.load(Ordering::SeqCst)
    }

    /// The earliest moment at which a fetch can begin that a request asks for.
    pub(super) fn next_start(&self) -> Moment {
        let at = |moment: &AtomicU64| Duration::from_nanos(moment.load(Ordering::SeqCst));
        at(&self.opens_at).min(at(&self.background_at))
    }

    pub(super) fn may_spare(&self, now: Moment) -> bool {
        self.spare_opens_at.load(Ordering::SeqCst) <= nanos(now)
    }

    pub(super) fn count(&self, came: Refetched) {
        if let Some(count) = came.position().and_then(|position| self.results.get(position)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[cfg(test)]
    pub(super) fn background_at(&self) -> Moment {
        Duration::from_nanos(self.background_at.load(Ordering::SeqCst))
    }

    /// The outcomes of asking, counted by result.
    pub(super) fn results(&self) -> Vec<(&'static str, u64)> {
        let counts = self.results.iter().map(|count| count.load(Ordering::Relaxed));
        Refetched::LABELS.into_iter().zip(counts).collect()
    }
}

fn nanos(moment: Moment) -> u64 {
    u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX)
}
