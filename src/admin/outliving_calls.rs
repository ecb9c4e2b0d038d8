//! Calls to other servers that are finished although their caller has left: half of one would leave
//! an unknown client there. A gateway that stops waits for them within `drain_timeout`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};
use tokio::task::JoinSet;

use crate::admin::refused::Refused;
use crate::telemetry::ManagementCounters;

/// Servers answer within seconds, and an administrator of one makes fewer clients than this at a
/// time.
const MOST_ERRANDS: usize = 32;

/// The errands that are under way.
#[derive(Debug)]
pub struct Errands {
    tasks: Mutex<JoinSet<()>>,
    places: Arc<Semaphore>,
    counters: Arc<ManagementCounters>,
}

/// An errand's place; its end is counted however the errand ends.
struct ErrandPlace {
    _permit: OwnedSemaphorePermit,
    counters: Arc<ManagementCounters>,
}

impl Drop for ErrandPlace {
    fn drop(&mut self) {
        self.counters.errand_ended();
    }
}

impl Errands {
    pub fn new(counters: Arc<ManagementCounters>) -> Self {
        let places = Arc::new(Semaphore::new(MOST_ERRANDS));
        Self { tasks: Mutex::default(), places, counters }
    }

    /// Runs a call to its end, and returns the result if the caller still waits.
    pub(super) async fn finish<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Refused>> + Send + 'static,
    ) -> Result<T, Refused> {
        let place = self.place()?;
        let (sender, receiver) = oneshot::channel();
        {
            let mut tasks = self.lock();
            while tasks.try_join_next().is_some() {}
            tasks.spawn(async move {
                let done = work.await;
                drop(place);
                // the caller may have left
                let _ = sender.send(done);
            });
        }
        let ended = || busy("the gateway ended before the authorization server had answered");
        receiver.await.unwrap_or_else(|_| Err(ended()))
    }

    fn place(&self) -> Result<ErrandPlace, Refused> {
        let permit = Arc::clone(&self.places).try_acquire_owned().map_err(|error| {
            self.counters.errand_refused();
            match error {
                TryAcquireError::Closed => busy("the gateway is about to end; try again"),
                TryAcquireError::NoPermits => {
                    busy("too many calls to authorization servers are under way; try again")
                }
            }
        })?;
        self.counters.errand_began();
        Ok(ErrandPlace { _permit: permit, counters: Arc::clone(&self.counters) })
    }

    /// Accepts no more errands, and returns when the last one has ended. The caller decides how
    /// long to wait.
    pub async fn close(&self) {
        self.places.close();
        std::future::poll_fn(|context| {
            let mut tasks = self.lock();
            loop {
                match tasks.poll_join_next(context) {
                    Poll::Ready(Some(_)) => {}
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
    }

    /// The number of errands that have not ended.
    pub fn under_way(&self) -> usize {
        let mut tasks = self.lock();
        while tasks.try_join_next().is_some() {}
        tasks.len()
    }

    fn lock(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn busy(why: &str) -> Refused {
    let mut refused = Refused::plain(StatusCode::SERVICE_UNAVAILABLE, why);
    refused.retry_after = Some(1);
    refused
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use super::*;

    async fn poll<F: Future>(call: &mut Pin<Box<F>>) -> Poll<F::Output> {
        std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await
    }

    #[tokio::test]
    async fn work_is_finished_without_its_caller() {
        let errands = Errands::new(Arc::default());
        let (begin, begun) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel();
        let work = async move {
            let _ = begun.await;
            let _ = end.send(());
            Ok(())
        };
        let mut call = Box::pin(errands.finish(work));
        assert!(poll(&mut call).await.is_pending());
        drop(call);
        begin.send(()).unwrap();
        ended.await.unwrap();
    }

    #[tokio::test]
    async fn more_errands_than_places_are_refused() {
        let errands = Errands::new(Arc::default());
        let mut calls = Vec::new();
        for _ in 0..MOST_ERRANDS {
            let mut call = Box::pin(errands.finish(std::future::pending::<Result<(), Refused>>()));
            assert!(poll(&mut call).await.is_pending());
            calls.push(call);
        }
        let refused = errands.finish(async { Ok(()) }).await.unwrap_err();
        assert_eq!(
            (refused.status, refused.retry_after),
            (StatusCode::SERVICE_UNAVAILABLE, Some(1))
        );
    }

    #[tokio::test]
    async fn the_end_waits_for_errands_and_takes_no_more() {
        let errands = Errands::new(Arc::default());
        let (begin, begun) = oneshot::channel::<()>();
        let work = async move {
            let _ = begun.await;
            Ok(())
        };
        let mut call = Box::pin(errands.finish(work));
        assert!(poll(&mut call).await.is_pending());
        drop(call);
        let mut end = Box::pin(errands.close());
        assert!(poll(&mut end).await.is_pending());
        let refused = errands.finish(async { Ok(()) }).await.unwrap_err();
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(errands.under_way(), 1);
        begin.send(()).unwrap();
        end.await;
        assert_eq!(errands.under_way(), 0);
    }
}
