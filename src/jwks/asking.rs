//! Asking for newer keys, and waiting for them.
//!
//! A request that needs newer keys is satisfied by a good fetch that began after it arrived, and by
//! nothing older: a set that was fetched before proves nothing about a key that was published
//! since. It waits for the next fetch that is allowed, within its deadline and in a place of its
//! own ([`crate::budget::shares`]). If no fetch can begin in time, it is told so at once, and the
//! fetch happens all the same: the client's next try finds the keys.

use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::budget::ClientSource;
use crate::jwks::keys::KeyManagerKeys;
use crate::jwks::outcome::{FetchEnding, RefetchCause, Refetched, WaitOutcomes};

/// A request that asks for newer keys.
#[derive(Debug, Clone, Copy)]
pub struct KeyWaiter {
    /// Only a fetch that begins after this time can prove that a key does not exist.
    pub arrived: Instant,
    /// The client's address; `None` for the gateway's own questions.
    pub source: Option<IpAddr>,
}

impl KeyWaiter {
    /// Makes a request that arrives now.
    pub fn now(source: Option<IpAddr>) -> Self {
        Self { arrived: Instant::now(), source }
    }
}

impl KeyManagerKeys {
    /// Asks for newer keys on the gateway's own account.
    pub async fn refetch(&self, cause: RefetchCause) -> Refetched {
        self.refetch_for(cause, &KeyWaiter::now(None)).await
    }

    /// Asks for newer keys and waits for the result, until `request_timeout` has passed since the
    /// request arrived. All who ask at one time share one fetch. It can be called from any runtime.
    /// Dropping the future stops only the waiting.
    pub async fn refetch_for(&self, cause: RefetchCause, asker: &KeyWaiter) -> Refetched {
        let came = self.newer(cause, asker).await;
        self.refetch_requests.count(came);
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
        let refetch_requests = &self.refetch_requests;
        let (arrived, deadline) = (refetch_requests.moment(asker.arrived), self.deadline(asker));
        let mut outcome = self.outcome.subscribe();
        let generation = self.current().generation;
        if cause == RefetchCause::UnknownKey {
            refetch_requests.want(arrived);
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
            if !refetch_requests.is_fetching() {
                let now = Instant::now();
                if cause == RefetchCause::BadSignature {
                    if !refetch_requests.may_spare(refetch_requests.moment(now)) {
                        return Refetched::NotAllowed;
                    }
                    refetch_requests.want(arrived);
                } else {
                    // any keys will do: those of a fetch that began before, too, and no other one
                    // unless that one fails
                    if cause == RefetchCause::NoKeys {
                        refetch_requests.want(arrived);
                    }
                    if refetch_requests.instant(refetch_requests.next_start()).max(now) > deadline {
                        return Refetched::TooLate;
                    }
                }
            }
            if place.is_none() {
                place = refetch_requests.places.take(asker.source.map(ClientSource::of));
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
        let wait = self
            .refetch_requests
            .next_start()
            .saturating_sub(self.refetch_requests.moment(Instant::now()));
        u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
    }

    /// Fetches now, whatever requests have used up, and waits for the end. Calls at one time share
    /// one fetch, and there is never more than one under way.
    pub async fn refresh(&self) -> Refetched {
        if !self.is_fetched() {
            return Refetched::NotAllowed;
        }
        let called = Instant::now();
        let moment = self.refetch_requests.moment(called);
        let mut outcome: watch::Receiver<WaitOutcomes> = self.outcome.subscribe();
        self.refetch_requests.force(moment);
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

    /// The time until the next background fetch.
    #[cfg(test)]
    pub(super) fn next_background(&self) -> Duration {
        self.refetch_requests
            .background_at()
            .saturating_sub(self.refetch_requests.moment(Instant::now()))
    }

    fn deadline(&self, asker: &KeyWaiter) -> Instant {
        asker.arrived.checked_add(self.wait).unwrap_or(asker.arrived)
    }
}
