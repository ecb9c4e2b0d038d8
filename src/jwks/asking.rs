//! Asking for newer keys, and waiting for them.
//!
//! A request that needs newer keys is satisfied by a good fetch that began after it arrived, and by nothing older: a set
//! that was fetched before proves nothing about a key that was published since. It waits for the next fetch that is
//! allowed, within its deadline and in a place of its own ([`crate::budget::shares`]). If no fetch can begin in time, it is
//! told so at once, and the fetch happens all the same: the client's next try finds the keys.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use crate::budget::{ClientSource, Shares};
use crate::jwks::keys::{FetchEnding, KeyManagerKeys, RefetchCause, Refetched, WaitOutcomes};
use crate::jwks::schedule::Moment;

/// Requests that may wait for one key manager.
const MOST_WAITING: usize = 1000;

/// Who asks for newer keys.
#[derive(Debug, Clone, Copy)]
pub struct KeyWaiter {
    /// Only a fetch that begins later can tell that a key does not exist.
    pub arrived: Instant,
    /// The client's address; `None` for the gateway's own questions.
    pub source: Option<IpAddr>,
}

impl KeyWaiter {
    /// Arrives now.
    pub fn now(source: Option<IpAddr>) -> Self {
        Self { arrived: Instant::now(), source }
    }
}

/// What requests and the fetching task tell each other. All moments are nanoseconds since `begun`.
#[derive(Debug)]
pub(super) struct Desk {
    begun: Instant,
    /// The latest arrival that waits for a fetch.
    wanted: AtomicU64,
    /// The latest call of an operator.
    forced: AtomicU64,
    bell: Notify,
    rung: AtomicBool,
    /// When the allowance lets a request cause a fetch, and when it lets a bad signature cause one.
    opens_at: AtomicU64,
    spare_opens_at: AtomicU64,
    background_at: AtomicU64,
    fetching: AtomicBool,
    pub(super) places: Shares,
    results: [AtomicU64; Refetched::LABELS.len()],
}

impl Desk {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            // before any moment: nobody has asked
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

    /// Whether somebody came after the moment at which the last fetch began.
    pub(super) fn is_wanted(&self, last_began: Moment) -> bool {
        let wanted = || self.wanted.load(Ordering::SeqCst) > nanos(last_began);
        if wanted() {
            return true;
        }
        // the next one to come has to ring; whoever came meanwhile rang in vain and is seen now
        self.rung.store(false, Ordering::SeqCst);
        wanted()
    }

    pub(super) fn is_forced(&self, last_began: Moment) -> bool {
        self.forced.load(Ordering::SeqCst) > nanos(last_began)
    }

    /// Returns when somebody has asked since the last fetch began.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// A fetch begins: who asks from now on needs another one. The moment must be read after this call.
    pub(super) fn fetch_begins(&self) {
        self.fetching.store(true, Ordering::SeqCst);
        self.rung.store(false, Ordering::SeqCst);
    }

    pub(super) fn fetch_ended(&self) {
        self.fetching.store(false, Ordering::SeqCst);
    }

    /// When the next fetches can be, as the task sees it.
    pub(super) fn announce(&self, opens_at: Moment, spare_opens_at: Moment, background_at: Moment) {
        self.opens_at.store(nanos(opens_at), Ordering::SeqCst);
        self.spare_opens_at.store(nanos(spare_opens_at), Ordering::SeqCst);
        self.background_at.store(nanos(background_at), Ordering::SeqCst);
    }

    fn want(&self, arrived: Moment) {
        self.wanted.fetch_max(nanos(arrived), Ordering::SeqCst);
        self.ring();
    }

    fn force(&self, arrived: Moment) {
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

    fn is_fetching(&self) -> bool {
        self.fetching.load(Ordering::SeqCst)
    }

    /// The earliest moment at which a fetch can begin that a request asks for.
    fn next_start(&self) -> Moment {
        let at = |moment: &AtomicU64| Duration::from_nanos(moment.load(Ordering::SeqCst));
        at(&self.opens_at).min(at(&self.background_at))
    }

    fn may_spare(&self, now: Moment) -> bool {
        self.spare_opens_at.load(Ordering::SeqCst) <= nanos(now)
    }

    fn count(&self, came: Refetched) {
        if let Some(count) = came.position().and_then(|position| self.results.get(position)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What came of asking, by result.
    pub(super) fn results(&self) -> Vec<(&'static str, u64)> {
        let counts = self.results.iter().map(|count| count.load(Ordering::Relaxed));
        Refetched::LABELS.into_iter().zip(counts).collect()
    }
}

fn nanos(moment: Moment) -> u64 {
    u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX)
}

impl KeyManagerKeys {
    /// Asks for newer keys on the gateway's own account.
    pub async fn refetch(&self, cause: RefetchCause) -> Refetched {
        self.refetch_for(cause, &KeyWaiter::now(None)).await
    }

    /// Asks for newer keys and waits for what comes of it, until `request_timeout` has passed since the asker arrived. All
    /// who ask at one time share one fetch. Callable from any runtime; dropping the future stops the waiting only.
    pub async fn refetch_for(&self, cause: RefetchCause, asker: &KeyWaiter) -> Refetched {
        let came = self.newer(cause, asker).await;
        self.desk.count(came);
        came
    }

    async fn newer(&self, cause: RefetchCause, asker: &KeyWaiter) -> Refetched {
        if !self.is_fetched() {
            return Refetched::NotAllowed;
        }
        if self.is_retired() {
            // the next snapshot has others in their place
            return Refetched::TooLate;
        }
        let desk = &self.desk;
        let (arrived, deadline) = (desk.moment(asker.arrived), self.deadline(asker));
        let mut outcome = self.outcome.subscribe();
        let generation = self.current().generation;
        if cause == RefetchCause::UnknownKey {
            desk.want(arrived);
        }
        let mut place = None;
        loop {
            let ended = *outcome.borrow_and_update();
            let state = self.current();
            if state.generation != generation
                || self.is_retired()
                || (cause == RefetchCause::NoKeys && state.keys.is_some())
            {
                return Refetched::Changed;
            }
            drop(state);
            if let Some(came) = ended.answers(arrived) {
                return came;
            }
            if !desk.is_fetching() {
                let now = Instant::now();
                if cause == RefetchCause::BadSignature {
                    if !desk.may_spare(desk.moment(now)) {
                        return Refetched::NotAllowed;
                    }
                    desk.want(arrived);
                } else {
                    // any keys will do: those of a fetch that began before, too, and no other one unless that one fails
                    if cause == RefetchCause::NoKeys {
                        desk.want(arrived);
                    }
                    if desk.instant(desk.next_start()).max(now) > deadline {
                        return Refetched::TooLate;
                    }
                }
            }
            if place.is_none() {
                place = desk.places.take(asker.source.map(ClientSource::of));
                if place.is_none() {
                    return Refetched::Crowded;
                }
            }
            if timeout_at(deadline, outcome.changed()).await.is_err() {
                return Refetched::TimedOut;
            }
        }
    }

    /// Seconds after which a client may try again: by then the next fetch has begun.
    pub fn retry_after(&self) -> u32 {
        let wait = self.desk.next_start().saturating_sub(self.desk.moment(Instant::now()));
        u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
    }

    /// Fetches now, whatever requests have used up, and waits for the end. Calls at one time share one fetch, and there
    /// is never more than one under way.
    pub async fn refresh(&self) -> Refetched {
        if !self.is_fetched() {
            return Refetched::NotAllowed;
        }
        let called = Instant::now();
        let moment = self.desk.moment(called);
        let mut outcome: watch::Receiver<WaitOutcomes> = self.outcome.subscribe();
        self.desk.force(moment);
        // the one under way, then this one; each may read two documents
        let longest = self.wait.saturating_mul(4).saturating_add(Duration::from_secs(1));
        let deadline = called.checked_add(longest).unwrap_or(called);
        let ended = timeout_at(
            deadline,
            outcome.wait_for(|outcome| outcome.last_began.is_some_and(|began| began >= moment)),
        );
        match ended.await {
            Err(_) => Refetched::TimedOut,
            Ok(Err(_)) => Refetched::Failed,
            Ok(Ok(outcome)) => match outcome.ending {
                FetchEnding::Changed => Refetched::Changed,
                FetchEnding::Unchanged => Refetched::Unchanged,
                FetchEnding::Pending | FetchEnding::Failed => Refetched::Failed,
            },
        }
    }

    /// How long until the next background fetch.
    #[cfg(test)]
    pub(super) fn next_background(&self) -> Duration {
        let at = Duration::from_nanos(self.desk.background_at.load(Ordering::SeqCst));
        at.saturating_sub(self.desk.moment(Instant::now()))
    }

    fn deadline(&self, asker: &KeyWaiter) -> Instant {
        asker.arrived.checked_add(self.wait).unwrap_or(asker.arrived)
    }
}

impl WaitOutcomes {
    /// What the fetches that have ended say to somebody who arrived then.
    fn answers(&self, arrived: Moment) -> Option<Refetched> {
        let since = |began: Option<Moment>| began.is_some_and(|began| began >= arrived);
        if since(self.last_good_began) {
            Some(Refetched::Unchanged)
        } else if since(self.last_began) {
            Some(Refetched::Failed)
        } else {
            None
        }
    }
}
