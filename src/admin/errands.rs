//! Work at other servers that is finished although its caller has left: half of it would leave a
//! client there that nobody knows.

use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use crate::admin::refused::Refused;

/// Servers answer within seconds, and an administrator of one makes fewer clients than this at a
/// time.
const MOST_ERRANDS: usize = 32;

/// The errands that are under way.
#[derive(Debug)]
pub(super) struct Errands {
    tasks: Mutex<JoinSet<()>>,
    places: Arc<Semaphore>,
}

impl Default for Errands {
    fn default() -> Self {
        Self { tasks: Mutex::default(), places: Arc::new(Semaphore::new(MOST_ERRANDS)) }
    }
}

impl Errands {
    /// Does something to its end, and returns what came of it if the caller still waits.
    pub(super) async fn finish<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Refused>> + Send + 'static,
    ) -> Result<T, Refused> {
        let busy = || {
            let mut refused = Refused::plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many calls to authorization servers are under way; try again",
            );
            refused.retry_after = Some(1);
            refused
        };
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return Err(busy()) };
        let (sender, receiver) = oneshot::channel();
        {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(async move {
                let done = work.await;
                drop(place);
                // the caller may have left
                let _ = sender.send(done);
            });
        }
        receiver.await.unwrap_or_else(|_| Err(busy()))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::Poll;

    use super::*;

    async fn poll<F: Future>(call: &mut Pin<Box<F>>) -> Poll<F::Output> {
        std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await
    }

    #[tokio::test]
    async fn work_is_finished_without_its_caller() {
        let errands = Errands::default();
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
        let errands = Errands::default();
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
}
