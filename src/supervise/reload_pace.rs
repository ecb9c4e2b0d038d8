//! Reloads that follow each other without a pause leave the processors to the workers for most of
//! the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::{Instant, sleep_until};

/// The rest after a reload, in the processor time that it took: reloads take a tenth of a
/// processor, but for the longest ones.
const REST: u32 = 9;

/// The longest rest: who corrects a file with a million applications does not wait longer.
const LONGEST: Duration = Duration::from_secs(5);

/// A reload that took no more of a processor is followed at once: the files of most gateways are
/// small.
const SHORT: Duration = Duration::from_millis(50);

/// The time before which no other reload begins. A signal does not wait for it.
#[derive(Debug, Default)]
pub(super) struct ReloadPace {
    /// Nanoseconds of a processor that the reload under way has taken.
    spent: Arc<AtomicU64>,
    rested_at: Option<Instant>,
}

impl ReloadPace {
    /// Returns work of a reload that notes its processor time. It does not count what the work
    /// waits for, such as files that are still written.
    pub(super) fn metered<T>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl FnOnce() -> T + Send + 'static {
        let spent = Arc::clone(&self.spent);
        move || {
            let began = thread_time();
            let done = work();
            let took = thread_time().saturating_sub(began);
            spent.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
            done
        }
    }

    /// Notes that a reload has ended, whatever came of it.
    pub(super) fn ended(&mut self) {
        let spent = Duration::from_nanos(self.spent.swap(0, Ordering::Relaxed));
        self.rested_at = rest_after(spent).and_then(|rest| Instant::now().checked_add(rest));
    }

    /// Waits for something that asks for a reload, but not before the end of the rest. What was
    /// asked for is kept if the wait is given up.
    pub(super) fn after_rest<F: Future>(
        &self,
        wanted: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        let rested_at = self.rested_at;
        async move {
            if let Some(rested_at) = rested_at {
                sleep_until(rested_at).await;
            }
            wanted.await
        }
    }
}

fn rest_after(spent: Duration) -> Option<Duration> {
    (spent > SHORT).then(|| spent.saturating_mul(REST).min(LONGEST))
}

/// The processor time of this thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reload_is_followed_by_a_rest() {
        let rest = |spent| rest_after(Duration::from_millis(spent)).map(|rest| rest.as_millis());
        let (long, longest) = (Some(900), Some(5000));
        assert_eq!([0, 50, 100, 1000, 3000].map(rest), [None, None, long, longest, longest]);
    }

    #[tokio::test]
    async fn what_is_asked_for_waits_for_the_end_of_the_rest() {
        let mut pace = ReloadPace::default();
        let busy = Duration::from_millis(60);
        let work = pace.metered(move || while thread_time() < busy {});
        std::thread::spawn(work).join().unwrap();
        let began = Instant::now();
        pace.ended();
        pace.after_rest(std::future::ready(())).await;
        assert!(began.elapsed() >= SHORT.saturating_mul(REST));
    }

    #[tokio::test]
    async fn a_reload_that_only_waited_needs_no_rest() {
        let mut pace = ReloadPace::default();
        let work = pace.metered(|| std::thread::sleep(SHORT.saturating_mul(2)));
        std::thread::spawn(work).join().unwrap();
        pace.ended();
        assert_eq!(pace.rested_at, None);
    }
}
