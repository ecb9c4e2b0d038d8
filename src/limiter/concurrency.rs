//! Limits the requests of an API in flight at a time, over all workers, and those that wait for a
//! place.
//!
//! Stands beside the snapshots: an API whose rule did not change keeps its limit through a reload.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::model::api::Concurrency;

#[derive(Debug)]
pub struct ConcurrencyLimit {
    pub rule: Concurrency,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A place among the requests in flight; dropping it lets the next one in.
#[derive(Debug)]
pub struct Permit(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// There was no place and no room to wait, or no place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the API has reached `max_concurrent_requests`, and its queue is full or took too long")]
pub struct Full;

/// A request that waits. Dropping it makes room, since its client may leave.
struct WaitingRequest<'g>(&'g AtomicUsize);

impl Drop for WaitingRequest<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ConcurrencyLimit {
    pub fn new(rule: Concurrency) -> Self {
        let places = Arc::new(Semaphore::new(rule.most.min(Semaphore::MAX_PERMITS)));
        Self { rule, places, waiting: AtomicUsize::new(0) }
    }

    /// A place at once, or after a wait that the rule bounds.
    pub async fn enter(&self) -> Result<Permit, Full> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(Permit(place));
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = WaitingRequest(&self.waiting);
        if before >= self.rule.queue {
            return Err(Full);
        }
        match timeout(self.rule.queue_timeout, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(Permit(place)),
            _ => Err(Full),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_place_a_queue_and_then_nothing() {
        let gate = ConcurrencyLimit::new(Concurrency {
            most: 1,
            queue: 1,
            queue_timeout: Duration::from_millis(30),
        });
        let first = gate.enter().await.unwrap();
        assert!(gate.enter().await.is_err(), "waited in vain");
        let (second, third) = tokio::join!(gate.enter(), gate.enter());
        assert!(second.is_err() && third.is_err());
        let waits = gate.enter();
        let leaves = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            drop(first);
        };
        let (pass, ()) = tokio::join!(waits, leaves);
        assert!(pass.is_ok());
        assert_eq!(gate.waiting.load(Ordering::Relaxed), 0);
    }
}
